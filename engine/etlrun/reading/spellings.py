"""How DuckDB converts a JSON or CSV value to each type, and which spellings it must leave to `records`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from etlrun.language.columns import Type
from etlrun.language.duckdb_words import name, text, type_name
from etlrun.reading.record_values import DATE, RANGES, TIMESTAMP
from etlrun.reading.records import Field

# A number in a text column keeps its spelling, which DuckDB does not; a text that looks like such a number is also checked.
_RESPELT = text(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")


_INSTANT = TIMESTAMP + "(?:Z|[+-](?:0[0-9]|1[0-8]):[0-5][0-9])"
Shape = str | list["Shape"] | dict[str, "Shape"]


def leaf_shape(kind: Type) -> Shape:
    """The type with which DuckDB's JSON reader returns a value: text unescaped, everything else as it is written."""
    if kind.element is not None:
        return [leaf_shape(kind.element)]
    if kind.fields:
        return {name: leaf_shape(inner) for name, inner in kind.fields}
    return "VARCHAR" if kind.name in ("string", "date", "timestamp", "timestamptz", "decimal") else "JSON"


def unsure_json(fields: Sequence[Field]) -> tuple[str, ...]:
    """Patterns of texts that DuckDB accepts although they are not JSON, or that it reads as a different number.

    DuckDB accepts a comma before a closing bracket and `nan` and `inf` in any case, returns -0 as 0, and reads a number with a
    fraction or an exponent as a double, of which 15 digits are certain. The key of a decimal may be written with a backslash.

    Each pattern starts with one fixed character, which RE2 finds many times faster than one of several.
    """
    keys = "|".join(sorted({re.escape(item.keys[-1]) for item in fields if item.type.name == "decimal"}))
    decimals: tuple[str, ...] = (rf'"(?:{keys})"\s*:\s*-?{_UNCERTAIN}', _ESCAPED_KEY) if keys else ()
    if any(item.type.is_nested and holds(item.type, "decimal") for item in fields):
        decimals = (rf":\s*-?{_UNCERTAIN}", rf"\[\s*-?{_UNCERTAIN}", rf",\s*-?{_UNCERTAIN}")
    return rf",\s*(?:[}}\]]|{_NO_NUMBER})", rf":\s*{_NO_NUMBER}", rf"\[\s*{_NO_NUMBER}", *decimals


def holds(kind: Type, name: str) -> bool:
    """Whether a type has that name, or contains one that has, at any depth."""
    return kind.name == name or any(holds(inner, name) for inner in kind.inner)


_NO_NUMBER = r"(?:-?(?i:nan|inf|infinity)|-0)\s*[,}\]]"
_UNCERTAIN = r"(?:[0-9.]{17}|[0-9.]+[eE])"
_ESCAPED_KEY = r'\\[^"]*"\s*:'


def doubtful(value: str, typed: str, item: Field) -> str:
    """A condition, never null: whether `value` (as `leaf_shape` gives it; `typed` is what `value_of` makes of it) must be left to `records`."""
    broken = f"({value} IS NOT NULL AND {_misfits(value, typed, item.type)})"
    return f"({value} IS NULL OR {broken})" if item.required else broken


def value_of(value: str, kind: Type) -> str:
    """The typed value; null if it is doubtful."""
    if kind.name == "string":
        return value
    if kind.element is not None:
        item = _item(kind)
        if kind.element.name == "string":
            return value
        return f"list_transform({value}, lambda {item}: {value_of(item, kind.element)})"
    if kind.fields:
        members = (f"{name(field)} := {value_of(f'{value}.{name(field)}', inner)}" for field, inner in kind.fields)
        return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({', '.join(members)}) END"
    return _cast(f"CAST({value} AS VARCHAR)", kind)


def _cast(spelled: str, kind: Type) -> str:
    """Cast a text: a float by way of double, as the exact reader rounds it; an instant only with an offset such as `Z` or `+07:00`."""
    if kind.name == "timestamptz":
        offset = f"CAST(left(right({spelled}, 6), 3) AS INTEGER) * 3600 + CAST((left(right({spelled}, 6), 1) || right({spelled}, 2)) AS INTEGER) * 60"
        return (
            f"CASE WHEN NOT regexp_full_match({spelled}, {text(_INSTANT)}) THEN NULL "
            f"WHEN right({spelled}, 1) = 'Z' THEN TRY_CAST(left({spelled}, -1) AS TIMESTAMP) "
            f"ELSE TRY_CAST(left({spelled}, -6) AS TIMESTAMP) - to_seconds(CAST({offset} AS DOUBLE)) END"
        )
    return f"TRY_CAST({f'TRY_CAST({spelled} AS DOUBLE)' if kind.name == 'float' else spelled} AS {type_name(kind)})"


def _misfits(value: str, typed: str, kind: Type) -> str:
    spelled = f"CAST({value} AS VARCHAR)"
    if kind.name == "string":
        return f"CASE WHEN {value} >= ':' THEN {_may_be_nested(value)} ELSE {_may_be_respelt(value)} END"
    if kind.name in RANGES:
        return f"(contains({spelled}, '.') OR {typed} IS NULL)"
    if kind.name in ("double", "float"):
        return f"({typed} IS NULL OR NOT isfinite({typed}))"
    if kind.name == "boolean":
        return f"({spelled} NOT IN ('true', 'false'))"
    if kind.element is not None:
        item = _item(kind)
        misfit = _misfits(item, value_of(item, kind.element), kind.element)
        return f"(len(list_filter({value}, lambda {item}: {item} IS NOT NULL AND coalesce({misfit}, false))) > 0)"
    if kind.fields:
        members = [(f"{value}.{name(field)}", inner) for field, inner in kind.fields]
        broken = (f"({part} IS NOT NULL AND {_misfits(part, value_of(part, inner), inner)})" for part, inner in members)
        return f"({' OR '.join(broken)})"
    if kind.name == "decimal":
        fraction = rf"(\.[0-9]{{1,{kind.scale}}})?" if kind.scale else ""
        return f"(NOT regexp_full_match({value}, {text('-?[0-9]+' + fraction)}) OR {typed} IS NULL)"
    if kind.name == "timestamptz":
        return f"({typed} IS NULL OR {typed} < TIMESTAMP '0001-01-01' OR {typed} >= TIMESTAMP '10000-01-01')"
    pattern = DATE if kind.name == "date" else TIMESTAMP
    return f"(NOT regexp_full_match({value}, {text(pattern)}) OR {typed} IS NULL)"


def _item(kind: Type) -> str:
    """The name of an element: a different one at each level, so that none hides an outer one."""
    return f"item{str(kind).count('<')}"


def _may_be_nested(value: str) -> str:
    """Whether a text starts with `[` or `{`. Comparing texts is faster than a search."""
    return f"(({value} >= '[' AND {value} < '\\') OR ({value} >= '{{' AND {value} < '|'))"


def _may_be_respelt(value: str) -> str:
    """Whether a text may be a JSON number that DuckDB has rewritten; all of these sort before `:`."""
    may_be = " OR ".join(f"contains({value}, {text(part)})" for part in (".", "e+", "e-"))
    return f"(({may_be}) AND regexp_full_match({value}, {_RESPELT}))"


def doubtful_text(value: str, typed: str, item: Field) -> str:
    """Like `doubtful`, for a value that is text whatever its type, as in a CSV file."""
    broken = (
        "false" if item.type.name == "string" else f"({value} IS NOT NULL AND {_misspelled(value, typed, item.type)})"
    )
    return f"({value} IS NULL OR {broken})" if item.required else broken


def value_of_text(value: str, kind: Type) -> str:
    """The typed value of a text; null if it is doubtful."""
    return value if kind.name == "string" else _cast(value, kind)


def _misspelled(value: str, typed: str, kind: Type) -> str:
    if kind.name == "boolean":
        return f"(lower({value}) NOT IN ('true', 'false'))"
    if kind.name in RANGES or kind.name in ("double", "float"):
        pattern = "-?[0-9]{1,19}" if kind.name in RANGES else r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?"
        finite = "" if kind.name in RANGES else f" OR NOT isfinite({typed})"
        return f"(NOT regexp_full_match({value}, {text(pattern)}) OR {typed} IS NULL{finite})"
    return _misfits(value, typed, kind)
