"""How DuckDB takes a JSON or CSV value of each type, and which spellings it must leave to `records`."""

from __future__ import annotations

from etlrun.language.columns import Type
from etlrun.language.duckdb_words import text, type_name
from etlrun.reading.records import RANGES, Field

# A number in a text column keeps its spelling, which DuckDB does not; a text that looks like such a number is asked about too.
_RESPELT = text(r"-?[0-9]+\.[0-9]+([eE][-+]?[0-9]+)?")
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIMESTAMP = _DATE + r"[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"


def leaf_shape(kind: Type) -> str | list[str]:
    """The type under which DuckDB's JSON reader hands a value over: text unescaped, everything else as it is spelled."""
    if kind.name == "array" and kind.element is not None:
        return [str(leaf_shape(kind.element))]
    return "VARCHAR" if kind.name in ("string", "date", "timestamp", "decimal") else "JSON"


def doubtful(value: str, item: Field) -> str:
    """A condition, never null: whether `value` (as `leaf_shape` gives it) must be left to `records`."""
    broken = f"coalesce({value} IS NOT NULL AND {_misfits(value, item.type)}, false)"
    return f"({value} IS NULL OR {broken})" if item.required else broken


def value_of(value: str, kind: Type) -> str:
    """The typed value; null where it is doubtful."""
    if kind.name == "string":
        return value
    if kind.name == "array":
        assert kind.element is not None
        return f"TRY_CAST({value} AS {type_name(kind)})" if kind.element.name != "string" else value
    return f"TRY_CAST(CAST({value} AS VARCHAR) AS {type_name(kind)})"


def _misfits(value: str, kind: Type) -> str:
    spelled = f"CAST({value} AS VARCHAR)"
    typed = f"TRY_CAST({spelled} AS {type_name(kind)})"
    if kind.name == "string":
        respelt = f"contains({value}, '.') AND regexp_full_match({value}, {_RESPELT})"
        return f"(starts_with({value}, '{{') OR starts_with({value}, '[') OR ({respelt}))"
    if kind.name in RANGES:
        return f"(contains({spelled}, '.') OR {typed} IS NULL)"
    if kind.name in ("double", "float"):
        return f"({typed} IS NULL OR NOT isfinite({typed}))"
    if kind.name == "boolean":
        return f"({spelled} NOT IN ('true', 'false'))"
    if kind.name == "array" and kind.element is not None:
        return f"(len(list_filter({value}, lambda item: coalesce({_misfits('item', kind.element)}, false))) > 0)"
    if kind.name == "decimal":
        fraction = rf"(\.[0-9]{{1,{kind.scale}}})?" if kind.scale else ""
        return f"(NOT regexp_full_match({value}, {text('-?[0-9]+' + fraction)}) OR {typed} IS NULL)"
    pattern = _DATE if kind.name == "date" else _TIMESTAMP
    return f"(NOT regexp_full_match({value}, {text(pattern)}) OR {typed} IS NULL)"


def doubtful_text(value: str, item: Field) -> str:
    """Like `doubtful`, for a value that is text whatever its type, as in a CSV file."""
    broken = (
        "false"
        if item.type.name == "string"
        else f"coalesce({value} IS NOT NULL AND {_misspelt(value, item.type)}, false)"
    )
    return f"({value} IS NULL OR {broken})" if item.required else broken


def value_of_text(value: str, kind: Type) -> str:
    """The typed value of a text; null where it is doubtful."""
    return value if kind.name == "string" else f"TRY_CAST({value} AS {type_name(kind)})"


def _misspelt(value: str, kind: Type) -> str:
    if kind.name == "boolean":
        return f"(lower({value}) NOT IN ('true', 'false'))"
    if kind.name in RANGES or kind.name in ("double", "float"):
        pattern = "-?[0-9]{1,19}" if kind.name in RANGES else r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?"
        typed = f"TRY_CAST({value} AS {type_name(kind)})"
        finite = "" if kind.name in RANGES else f" OR NOT isfinite({typed})"
        return f"(NOT regexp_full_match({value}, {text(pattern)}) OR {typed} IS NULL{finite})"
    return _misfits(value, kind)
