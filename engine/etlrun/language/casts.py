"""Casts: which pairs of types convert in the same way on every engine, and how DuckDB is made to convert as Spark does."""

from __future__ import annotations

import re

from sqlglot import exp

from etlrun.language.columns import DATE, NULL, TIMESTAMP, TIMESTAMPTZ, Type
from etlrun.language.expressions import data_type
from etlrun.language.templates import duckdb, spark, text_of

# Words that Spark reads as a date or time in a constant text; all except the first change with every run.
MOMENT_WORDS = ("epoch", "now", "today", "tomorrow", "yesterday")

_BLANK = r"[\x00-\x20\x7f]*"
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_DATE = r"([0-9]{4,6})(?:-([0-9]{1,2})(?:-([0-9]{1,2})"
_CLOCK = r"([01]?[0-9]|2[0-3])(?::([0-9]{1,2})(?::([0-9]{1,2})(?:\.([0-9]{0,6})[0-9]*)?)?)?"


def whole(pattern: str) -> str:
    """A pattern that must match the whole text. Without anchors, a search could match only a part: `20:30` as 2 o'clock."""
    return f"^(?:{pattern})$"


NUMERIC_TEXT = {
    "integer": whole(_BLANK + "([+-]?[0-9]+)" + _BLANK),
    "decimal": whole(r"[\x00-\x20]*(" + _NUMBER + r")[\x00-\x20]*"),
    "fraction": whole(r"[\x00-\x20]*(" + _NUMBER + r"|(?i:[+-]?(?:inf|infinity)|nan))[dDfF]?[\x00-\x20]*"),
}
BOOLEAN_TEXT = (_BLANK + "(?i:t|true|y|yes|1)" + _BLANK, _BLANK + "(?i:f|false|n|no|0)" + _BLANK)
DATE_TEXT = whole(_BLANK + _DATE + "(?:[ T](?s:.*))?)?)?" + _BLANK)
# Without an offset: Spark's own cast would drop it, and a local time would be read as the time of another place.
TIMESTAMP_TEXT = whole(_BLANK + _DATE + "(?:[ T]" + _CLOCK + ")?)?)?" + _BLANK)


_INFINITE_AS_FLOAT = (
    "case when isnan(_1) or abs(_1) < 3.4028235677973366e38 then _1 "
    "when _1 > 0 then cast('inf' as double) when _1 < 0 then cast('-inf' as double) end"
)
# `12e-3` as `0.012`: with an exponent, DuckDB truncates digits that it should round, and needs room for those before the point.
_DIGITS = "ltrim(regexp_replace(regexp_replace(text_, '[eE].*', ''), '[^0-9]', '', 'g'), '0')"
_ALL = "length(regexp_replace(regexp_replace(text_, '[eE].*', ''), '[^0-9]', '', 'g'))"
_POINT = f"(try_cast(regexp_extract(text_, '[0-9+-]*$') as int) + length(regexp_extract(text_, '^[+-]?([0-9]*)', 1)) - {_ALL} + length({_DIGITS}))"
_WITHOUT_EXPONENT = (
    f"list_extract(list_transform([_1], lambda text_: case when not regexp_matches(text_, '^[+-]?[0-9.]+[eE]') or {_POINT} is null then text_ "
    f"when {_DIGITS} = '' then '0' else regexp_extract(text_, '^-') || case "
    f"when {_POINT} <= 0 then '0.' || repeat('0', least(-{_POINT}, 40)) || {_DIGITS} "
    f"when {_POINT} < length({_DIGITS}) then left({_DIGITS}, {_POINT}) || '.' || substr({_DIGITS}, {_POINT} + 1) "
    f"else {_DIGITS} || repeat('0', least({_POINT} - length({_DIGITS}), 40)) end end), 1)"
)


# Spark writes the years around 0 to 9999 as -0001, 0000 and +10000, DuckDB as 0002 (BC), 0001 (BC) and 10000.
_FAR_MOMENT = (
    "case when year(moment_) > 9999 then '+' || cast(moment_ as varchar) else case when year(moment_) < 0 then '-' else '' end "
    "|| format('{:04d}', abs(year(moment_))) || regexp_replace(replace(cast(moment_ as varchar), ' (BC)', ''), '^[0-9]+', '') end"
)
_MOMENT_TEXT = (
    "case when moment_ is null or moment_ between cast('0001-01-01' as {kind}) and cast('{last}' as {kind}) then cast(moment_ as varchar) "
    f"else {_FAR_MOMENT.replace('{', '{{').replace('}', '}}')} end"
)


def castable(source: Type, target: Type) -> bool:
    """Whether CAST gives the same on both engines. A double as text does not."""
    if source in (NULL, target):
        return True
    if target.name == "string":
        return (
            source.name in ("boolean", "date", "timestamp", "timestamptz")
            or source.is_integer
            or (source.name == "decimal" and source.scale < 38)
        )
    if target.is_numeric:
        return source.is_numeric or source.name in ("string", "boolean")
    if TIMESTAMPTZ in (source, target):
        return {source.name, target.name} <= {"timestamp", "timestamptz", "string"}
    if target.name in ("date", "timestamp"):
        return source.name in ("string", "date", "timestamp")
    return target.name == "boolean" and (source.is_integer or source.name == "string")


def spark_cast(value: exp.Expr, source: Type, target: Type, *, safe: bool = False) -> exp.Expr:
    """`value` cast by Spark, so that words such as `today` are not read as dates, and an offset is not dropped."""
    is_computed = not isinstance(value, exp.Literal) and value.find(exp.Column) is None
    if source.name == "string" and target == TIMESTAMP and not _is_plain(value, target):
        value = spark(
            "case when _1 rlike _2 then _1 else concat('not of type timestamp: ', _1) end", value, TIMESTAMP_TEXT
        )
    elif source.name == "string" and target == DATE and is_computed:
        value = spark(r"case when _1 rlike '^[\\x00-\\x20+-]*[0-9]' then _1 else concat('?', _1) end", value)
    return _cast(value.copy(), target, safe=safe)


def is_moment_word(value: exp.Expr) -> bool:
    """Whether `value` is a literal text such as `today`, which Spark reads as a date or time."""
    return (text_of(value) or "").strip().lower() in MOMENT_WORDS


def duckdb_cast(value: exp.Expr, source: Type, target: Type, *, safe: bool = False) -> exp.Expr:
    """`value` cast as Spark does in ANSI mode; with `safe`, null in place of an error."""
    return _cast(_prepared(value.copy(), source, target), target, safe=safe)


def _cast(value: exp.Expr, target: Type, *, safe: bool) -> exp.Expr:
    return (
        exp.TryCast(this=value, to=data_type(target), safe=True) if safe else exp.Cast(this=value, to=data_type(target))
    )


def _prepared(value: exp.Expr, source: Type, target: Type) -> exp.Expr:
    """`value` in a form that DuckDB's own cast to `target` reads as Spark reads `value`."""
    if source.name == "string":
        return value if _is_plain(value, target) else _prepared_text(value, target)
    if target.is_integer and not source.is_integer and source.is_numeric:
        return duckdb("trunc(_1)", value)
    if source.name in ("float", "double") and target.name == "decimal":
        finite = duckdb("case when isfinite(_1) then cast(cast(_1 as double) as varchar) end", value)
        return duckdb(_WITHOUT_EXPONENT, finite)
    if source.name == "bigint" and target.name == "float":
        return duckdb("cast(_1 as double)", value)  # as in Spark, which may optimize a direct cast away
    if source.name == "double" and target.name == "float":
        return duckdb(_INFINITE_AS_FLOAT, value)
    if source.name == "decimal" and target.name == "string" and source.precision == source.scale:
        return duckdb(
            f"cast(_1 as decimal({source.precision + 1}, {source.scale}))", value
        )  # otherwise it prints no zero before the point
    if target.name == "string" and source in (DATE, TIMESTAMP, TIMESTAMPTZ):
        return _moment_text(value, source)
    if source.name == "decimal" and source.precision > 15 and target.name in ("float", "double"):
        return duckdb("cast(_1 as varchar)", value)
    return value


def _moment_text(value: exp.Expr, source: Type) -> exp.Expr:
    """A date or time as the text that Spark writes. A value that is computed is computed once."""
    kind, last = ("date", "9999-12-31") if source == DATE else ("timestamp", "9999-12-31 23:59:59.999999")
    text = _MOMENT_TEXT.format(kind=kind, last=last)
    if isinstance(value, exp.Column):
        return duckdb(text.replace("moment_", "_1"), value)
    return duckdb(f"list_extract(list_transform([_1], lambda moment_: {text}), 1)", value)


def _is_plain(value: exp.Expr, target: Type) -> bool:
    """Whether `value` is a literal that every engine reads alike."""
    text = text_of(value)
    usual = {"date": _USUAL_DAY, "timestamp": _USUAL_DAY + _USUAL_CLOCK, "timestamptz": _USUAL_DAY + _USUAL_CLOCK}.get(
        target.name, "[+-]?[0-9]+"
    )
    return text is not None and re.fullmatch(usual, text, re.ASCII) is not None


def _prepared_text(value: exp.Expr, target: Type) -> exp.Expr:
    if target.is_integer:
        return _guarded(value, NUMERIC_TEXT["integer"], target)
    if target.name == "decimal":
        return duckdb(_WITHOUT_EXPONENT, _guarded(value, NUMERIC_TEXT["decimal"], target))
    if target.is_numeric:
        return _guarded(value, NUMERIC_TEXT["fraction"], target)
    if target.name == "boolean":
        return duckdb(
            "case when regexp_full_match(_1, _2) then 'true' when regexp_full_match(_1, _3) then 'false' else 'not of type boolean: ' || _1 end",
            value,
            *BOOLEAN_TEXT,
        )
    if target in (DATE, TIMESTAMP):
        return _moment(value, target)
    return value


def _guarded(value: exp.Expr, pattern: str, target: Type) -> exp.Expr:
    return duckdb(
        f"case when regexp_full_match(_1, _2) then regexp_extract(_1, _2, 1) else 'not of type {target}: ' || _1 end",
        value,
        pattern,
    )


def _moment(value: exp.Expr, target: Type) -> exp.Expr:
    """Leave text in the usual form as it is, convert other forms that Spark reads to it, and make anything else unreadable."""
    written = _DAY_WRITTEN if target == DATE else _DAY_WRITTEN + _CLOCK_WRITTEN
    usual = _USUAL_DAY if target == DATE else _USUAL_DAY + _USUAL_CLOCK
    pattern = DATE_TEXT if target == DATE else TIMESTAMP_TEXT
    return duckdb(
        f"case when regexp_full_match(_1, _2) then _1 when regexp_full_match(_1, _3) then {written} else 'not of type {target}: ' || _1 end",
        value,
        usual,
        pattern,
    )


def _group(number: int, default: str) -> str:
    return f"coalesce(nullif(regexp_extract(_1, _3, {number}), ''), '{default}')"


_USUAL_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_USUAL_CLOCK = r" (?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
_DAY_WRITTEN = f"{_group(1, '')} || '-' || {_group(2, '1')} || '-' || {_group(3, '1')}"
_CLOCK_WRITTEN = (
    f" || ' ' || {_group(4, '0')} || ':' || {_group(5, '0')} || ':' || {_group(6, '0')} || '.' || {_group(7, '0')}"
)
