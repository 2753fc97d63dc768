"""Functions of dates and of timestamps without a zone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from etlrun.language.columns import BIGINT, DATE, INT, NULL, TIMESTAMP, TIMESTAMPTZ, Type, decimal
from etlrun.language.constants import is_readable
from etlrun.language.expressions import cast
from etlrun.language.functions.function import ArgumentProblem, Arguments, Function, Template, Types, Verify
from etlrun.language.functions.places import in_ints
from etlrun.language.grammar import detail
from etlrun.language.templates import Engine, duckdb, fill, spark, text_of, whole_of

_DATE_UNITS = {
    "year": "year",
    "yyyy": "year",
    "yy": "year",
    "quarter": "quarter",
    "month": "month",
    "mon": "month",
    "mm": "month",
    "week": "week",
}
_TIME_UNITS = {**_DATE_UNITS, "day": "day", "dd": "day", "hour": "hour", "minute": "minute", "second": "second"}


def _unit(position: int, units: dict[str, str]) -> Verify:
    def verify(arguments: Arguments, types: Types) -> ArgumentProblem | None:
        if (text_of(arguments[position]) or "").lower() in units:
            return None
        return ArgumentProblem(
            position,
            f"`{text_of(arguments[position])}` is not a unit here",
            "the units are " + ", ".join(dict.fromkeys(units.values())),
        )

    return verify


def _shift_unit(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    """Report a unit that cannot shift an instant: the length of a month depends on a calendar, which an instant does not have."""
    if types[2] == TIMESTAMPTZ and (text_of(arguments[0]) or "").lower() in (
        "year",
        "yyyy",
        "yy",
        "quarter",
        "month",
        "mon",
        "mm",
    ):
        fix = f"name the time zone: from_utc_timestamp({detail(arguments[2])}, 'UTC')"
        return ArgumentProblem(2, "a timestamptz has no months or years to add", fix, "type-mismatch")
    return _unit(0, _TIME_UNITS)(arguments, types)


_SECONDS_OF = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1}


def _lengths(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    """Report a unit without a fixed length, and timestamps mixed with instants."""
    if len({kind for kind in types[1:] if kind != NULL}) > 1:
        fix = "name the time zone of the timestamp: to_utc_timestamp(..., 'UTC')"
        return ArgumentProblem(
            2, f"a {types[1]} and a {types[2]} cannot be compared without a time zone", fix, "type-mismatch"
        )
    return _unit(0, {unit: unit for unit in _SECONDS_OF})(arguments, types)


def _between(engine: Engine) -> Template:
    def build(arguments: Arguments, types: Types) -> exp.Expr:
        micros = _SECONDS_OF[(text_of(arguments[0]) or "").lower()] * 1_000_000
        template = {
            "spark": f"(unix_micros(_2) - unix_micros(_1)) div {micros}",
            "duckdb": f"(epoch_us(_2) - epoch_us(_1)) // {micros}",
        }[engine]
        return fill(template, engine, arguments[1:])

    return build


def _cut(moment: int, unit: int) -> Template:
    def build(arguments: Arguments, types: Types) -> exp.Expr:
        return duckdb("date_trunc(_1, _2)", _TIME_UNITS[(text_of(arguments[unit]) or "").lower()], arguments[moment])

    return build


def _is_day(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    """Report a literal year, month and day that are not a date."""
    year, month, day = map(whole_of, arguments)
    if year is None or month is None or day is None or is_readable(f"{2000 + year % 400}-{month}-{day}", DATE):
        return None
    return ArgumentProblem(0, f"there is no day {year}-{month:02}-{day:02}", "correct a number")


def _day(arguments: Arguments, types: Sequence[Type]) -> tuple[exp.Expr, ...]:
    """The arguments with every timestamp cut to its date."""
    return tuple(
        duckdb("cast(_1 as date)", argument) if kind == TIMESTAMP else argument
        for argument, kind in zip(arguments, types, strict=True)
    )


def _of_days(template: str) -> Template:
    def build(arguments: Arguments, types: Types) -> exp.Expr:
        return duckdb(template, *_day(arguments, types))

    return build


def _within(digits: int, argument: exp.Expr, kind: Type) -> exp.Expr:
    """A number of at most so many digits, else an error: far beyond the year 9999 Spark overflows silently, and DuckDB returns infinity."""
    value = whole_of(argument)
    if kind.name in ("tinyint", "smallint", "null") or value is not None and abs(value) < 10**digits:
        return argument.copy()
    return cast(cast(argument.copy(), decimal(digits, 0)), BIGINT if digits > _DAYS else INT)


def _counted(template: str, engine: Engine, digits: int) -> Template:
    """A template for a date or timestamp plus a number of units, or for the number alone."""

    def build(arguments: Arguments, types: Types) -> exp.Expr:
        *moments, (number, kind) = zip(arguments, types, strict=True)
        if engine == "duckdb":
            moments = [(_day([moment], [is_])[0], is_) for moment, is_ in moments]
        return fill(template, engine, [*(moment for moment, _ in moments), _within(digits, number, kind)])

    return build


_DAYS, _MONTHS, _SECONDS = 7, 6, 12  # digits


def _time_unit(argument: exp.Expr) -> tuple[str, int]:
    """The unit that an argument names, and the digits of the greatest number of them."""
    unit = _TIME_UNITS[(text_of(argument) or "").lower()]
    return unit, _MONTHS if unit in ("year", "quarter", "month") else _DAYS


_SPARK_INTERVALS = {
    "year": "make_ym_interval(cast(_1 as int), 0)",
    "quarter": "make_ym_interval(0, cast(_1 as int) * 3)",
    "month": "make_ym_interval(0, cast(_1 as int))",
    "week": "make_dt_interval(cast(_1 as int) * 7)",
    "day": "make_dt_interval(cast(_1 as int))",
    "hour": "make_dt_interval(0, cast(_1 as int))",
    "minute": "make_dt_interval(0, 0, cast(_1 as int))",
    "second": "make_dt_interval(0, 0, 0, cast(_1 as int))",
}


def _spark_shift(arguments: Arguments, types: Types) -> exp.Expr:
    unit, digits = _time_unit(arguments[0])
    number = _within(digits, arguments[1], types[1])
    return spark(f"cast(cast(_2 as timestamp_ntz) + {_SPARK_INTERVALS[unit]} as timestamp_ntz)", number, arguments[2])


def _duckdb_shift(arguments: Arguments, types: Types) -> exp.Expr:
    unit, digits = _time_unit(arguments[0])
    number = _within(digits, arguments[1], types[1])
    name, times = ("to_months", 3) if unit == "quarter" else (f"to_{unit}s", 1)
    number_of = f"cast(_1 as {'double' if unit == 'second' else 'integer'}) * {times}"
    return duckdb(f"case when _2 is not null then _2 + {name}({number_of}) end", number, arguments[2])


def _part(name: str, doc: str, template: str = "", takes: str = "moment", aliases: tuple[str, ...] = ()) -> Function:
    return Function(name, (takes,), INT, doc, duckdb=template or f"{name}(_1)", recast=True, aliases=aliases)


DATES = (
    _part("year", "the year"),
    _part("quarter", "the quarter, 1 to 4"),
    _part("month", "the month, 1 to 12"),
    _part("day", "the day of the month", aliases=("dayofmonth",)),
    _part("dayofweek", "1 for Sunday to 7 for Saturday", "dayofweek(_1) + 1"),
    _part("weekday", "0 for Monday to 6 for Sunday", "isodow(_1) - 1"),
    _part("dayofyear", "1 to 366"),
    _part("weekofyear", "the ISO week, 1 to 53"),
    _part("hour", "the hour, 0 to 23", takes="timestamp"),
    _part("minute", "the minute, 0 to 59", takes="timestamp"),
    _part("second", "the second, 0 to 59", takes="timestamp"),
    Function(
        "date_add",
        ("moment", "integer"),
        DATE,
        "the date n days later",
        spark=_counted("date_add(_1, _2)", "spark", _DAYS),
        duckdb=_counted("case when _1 is not null then _1 + cast(_2 as integer) end", "duckdb", _DAYS),
        aliases=("dateadd",),
    ),
    Function(
        "date_sub",
        ("moment", "integer"),
        DATE,
        "the date n days earlier",
        spark=_counted("date_sub(_1, _2)", "spark", _DAYS),
        duckdb=_counted("case when _1 is not null then _1 - cast(_2 as integer) end", "duckdb", _DAYS),
    ),
    Function(
        "datediff",
        ("moment", "moment"),
        INT,
        "the number of days from the second date to the first",
        duckdb=_of_days("_1 - _2"),
        recast=True,
        aliases=("date_diff",),
    ),
    Function(
        "add_months",
        ("moment", "integer"),
        DATE,
        "the date n months later; if that month is too short, its last day",
        spark=_counted("add_months(_1, _2)", "spark", _MONTHS),
        duckdb=_counted("case when _1 is not null then _1 + to_months(cast(_2 as integer)) end", "duckdb", _MONTHS),
        recast=True,
    ),
    Function(
        "timestampadd",
        ("=string", "integer", "clock"),
        lambda types: TIMESTAMPTZ if types[2] == TIMESTAMPTZ else TIMESTAMP,
        "the timestamp n years, quarters, months, weeks, days, hours, minutes or seconds later",
        spark=_spark_shift,
        duckdb=_duckdb_shift,
        recast=True,
        verify=_shift_unit,
    ),
    Function(
        "timestampdiff",
        ("=string", "clock", "clock"),
        BIGINT,
        "the number of complete weeks, days (of 24 hours), hours, minutes or seconds from the first time to the second",
        spark=_between("spark"),
        duckdb=_between("duckdb"),
        verify=_lengths,
    ),
    Function("last_day", ("moment",), DATE, "the last day of the month", duckdb=_of_days("last_day(_1)")),
    Function(
        "trunc",
        ("moment", "=string"),
        DATE,
        "the first day of the year, quarter, month or week (a Monday)",
        duckdb=_cut(0, 1),
        recast=True,
        verify=_unit(1, _DATE_UNITS),
    ),
    Function(
        "date_trunc",
        ("=string", "moment"),
        TIMESTAMP,
        "the start of the year, quarter, month, week, day, hour, minute or second",
        spark="cast(date_trunc(_1, _2) as timestamp_ntz)",
        duckdb=_cut(1, 0),
        recast=True,
        verify=_unit(0, _TIME_UNITS),
    ),
    Function(
        "make_date",
        ("integer", "integer", "integer"),
        DATE,
        "the date of a year, month and day",
        spark=in_ints("make_date"),
        verify=_is_day,
    ),
    Function(
        "unix_date", ("date",), INT, "the days since 1970-01-01", duckdb="_1 - cast('1970-01-01' as date)", recast=True
    ),
    Function(
        "date_from_unix_date",
        ("integer",),
        DATE,
        "the date that is n days after 1970-01-01",
        spark=_counted("date_from_unix_date(_1)", "spark", _DAYS),
        duckdb=_counted("cast('1970-01-01' as date) + cast(_1 as integer)", "duckdb", _DAYS),
    ),
    Function(
        "unix_seconds",
        ("clock",),
        BIGINT,
        "the number of complete seconds since 1970-01-01 00:00:00 in the same time zone",
        duckdb="cast(epoch_us(date_trunc('second', _1)) // 1000000 as bigint)",
    ),
    Function(
        "timestamp_seconds",
        ("integer",),
        TIMESTAMP,
        "the timestamp that is n seconds after 1970-01-01 00:00:00",
        spark=_counted("cast(timestamp_seconds(_1) as timestamp_ntz)", "spark", _SECONDS),
        duckdb=_counted("make_timestamp(cast(_1 as bigint) * 1000000)", "duckdb", _SECONDS),
    ),
)
