"""Names of types in other tools, used in the fix for an unknown type."""

from __future__ import annotations

import re

TYPES = {
    **dict.fromkeys(("int64", "bigserial", "uint32", "hugeint"), "bigint"),
    **dict.fromkeys(("int32", "int4", "serial", "mediumint", "uint16"), "int"),
    **dict.fromkeys(("int16", "int2", "uint8", "smallserial"), "smallint"),
    "int8": "bigint` (8 bytes) or `tinyint",
    "int1": "tinyint",
    "uint64": "decimal(20,0)",
    "money": "decimal(19,4)",
    "number": "double` or `decimal(18,2)",
    **dict.fromkeys(("float64", "float8", "double precision"), "double"),
    **dict.fromkeys(("float32", "float4"), "float"),
    "bit": "boolean",
    **dict.fromkeys(("bignumeric", "bigdecimal"), "decimal(38,10)"),
    **dict.fromkeys(
        ("str", "object", "utf8", "nvarchar", "varchar2", "clob", "uuid", "json", "jsonb", "variant", "character", "time", "enum"),
        "string",
    ),
    **dict.fromkeys(("bytes", "bytea", "blob", "varbinary"), "binary"),
    **dict.fromkeys(("datetime64", "datetime2"), "timestamp"),
    **dict.fromkeys(("datetimeoffset", "timestamp with time zone", "instant"), "timestamptz"),
    **dict.fromkeys(("date32", "date64"), "date"),
    "list": "array<string>",
    "dict": "map<string, string>",
    **dict.fromkeys(("record", "row"), "struct<name: string>"),
}  # fmt: skip


def type_fix(name: str) -> str:
    """What to write for a type of another tool; empty if it is not known."""
    listed = re.fullmatch(r"\s*(\w+)\s*\[\d*\]\s*", name)
    if listed:
        return f"write `array<{TYPES.get(listed[1].lower(), listed[1])}>`"
    number = re.fullmatch(r"\s*(?:big)?num(?:ber|eric)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)\s*", name, re.IGNORECASE)
    if number:
        return f"write `decimal({number[1]},{number[2] or 0})`"
    ours = TYPES.get(name.lower())
    if ours:
        return f"write `{ours}`"
    return "leave it out: only `decimal` takes numbers" if re.match(r"\(\s*\d+", name) else ""
