"""Functions of dates and of timestamps without a zone."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sqlglot import exp

from etlrun.language.casts import duckdb_cast, is_moment_word, spark_cast, whole
from etlrun.language.clocks import MONTHS, Clock, ClockError, read_clock
from etlrun.language.columns import BIGINT, DATE, INT, NULL, STRING, TIMESTAMP, TIMESTAMPTZ, Type, decimal
from etlrun.language.constants import is_readable, misfit_of_cast
from etlrun.language.expressions import cast
from etlrun.language.functions.function import ArgumentProblem, Arguments, Function, Template, Types, Verify
from etlrun.language.functions.places import in_ints
from etlrun.language.grammar import detail
from etlrun.language.templates import Engine, duckdb, fill, spark, text_of, whole_of

_SPARK_TYPES = {"date": "date", "timestamp": "timestamp_ntz"}
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
    """What is wrong with the unit of a shift: how long a month is depends on a calendar, which an instant does not have."""
    if types[2] == TIMESTAMPTZ and (text_of(arguments[0]) or "").lower() in (
        "year",
        "yyyy",
        "yy",
        "quarter",
        "month",
        "mon",
        "mm",
    ):
        fix = f"say by which clock: from_utc_timestamp({detail(arguments[2])}, 'UTC')"
        return ArgumentProblem(2, "a timestamptz has no months or years to add", fix, "type-mismatch")
    return _unit(0, _TIME_UNITS)(arguments, types)


_SECONDS_OF = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1}


def _lengths(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    """What is wrong with a unit that has no one length, or with moments of two kinds."""
    if len({kind for kind in types[1:] if kind != NULL}) > 1:
        fix = "say by which clock the timestamp is: to_utc_timestamp(..., 'UTC')"
        return ArgumentProblem(2, f"a {types[1]} and a {types[2]} are not on one clock", fix, "type-mismatch")
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


def _printable(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    try:
        read_clock(text_of(arguments[1]) or "").to_print()
    except ClockError as error:
        return ArgumentProblem(1, str(error), error.fix)
    return None


def _readable(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    if len(arguments) < 2:
        return (
            ArgumentProblem(0, "this text is not a date: it names another moment at every run", "use a param")
            if is_moment_word(arguments[0])
            else None
        )
    try:
        read_clock(text_of(arguments[1]) or "").to_read()
    except ClockError as error:
        return ArgumentProblem(1, str(error), error.fix)
    return None


def _read(kind: Type) -> Verify:
    """What `_readable` finds, and a literal text that is no such moment, which fails in every row."""

    def verify(arguments: Arguments, types: Types) -> ArgumentProblem | None:
        text = text_of(arguments[0])
        found = _readable(arguments, types)
        if found or text is None:
            return found
        if len(arguments) == 1:
            misfit = misfit_of_cast(arguments[0], kind)
            return ArgumentProblem(0, *misfit) if misfit else None
        clock = read_clock(text_of(arguments[1]) or "")
        pattern, order = clock.to_read()
        is_of_form = re.fullmatch(pattern, text)
        if is_of_form and is_readable(_iso(clock, text), TIMESTAMP):
            return None
        return ArgumentProblem(
            0, f"{detail(arguments[0])} is not a {kind} of the form {detail(arguments[1])}", "correct one of them"
        )

    return verify


def _iso(clock: Clock, text: str) -> str:
    """A text of the form of the pattern as an ISO timestamp."""
    pattern, order = clock.to_read()
    found = re.fullmatch(pattern, text)
    assert found is not None
    written = re.sub(r"\\([0-9])", lambda group: found[int(group[1])], order)
    return _with_numbers(written) if clock.names_months else written


def _with_numbers(written: str) -> str:
    for number, month in enumerate(MONTHS, 1):
        written = written.replace(month, str(number))
    return written


def _numbered(value: exp.Expr, clock: Clock, engine: Engine) -> exp.Expr:
    """The text with the number of the month for its name."""
    for number, month in enumerate(MONTHS if clock.names_months else (), 1):
        value = fill("replace(_1, _2, _3)", engine, [value, month, str(number)])
    return value


def _by_expression(kind: str, engine_cast: str, engine: Engine) -> Callable[[Arguments, Types], exp.Expr]:
    """Text of a given form by its regular expression: it picks the digits, and the cast judges them."""
    found = "regexp_full_match(_1, _2)" if engine == "duckdb" else "_1 rlike _2"
    moment = "timestamp" if engine == "duckdb" else "timestamp_ntz"

    def build(arguments: Arguments, types: Types) -> exp.Expr:
        clock = read_clock(text_of(arguments[1]) or "")
        pattern, order = clock.to_read()
        pattern = whole(pattern)
        if engine == "spark":  # where a `$` also stands before a last line feed
            pattern, order = pattern.removesuffix("$") + r"\z", order.replace("\\", "$")
        iso = _numbered(fill("regexp_replace(_1, _2, _3)", engine, [arguments[0], pattern, order]), clock, engine)
        misfit = f"concat('not a {kind} of the form ', _4, ': ', _1)"
        return fill(
            f"cast({engine_cast}(case when _1 is null then null when {found} then _3 else {misfit} end as {moment}) "
            f"as {kind if engine == 'duckdb' else _SPARK_TYPES[kind]})",
            engine,
            [arguments[0], pattern, iso, arguments[1]],
        )

    return build


def _is_day(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    """A literal year, month and day that are no date."""
    year, month, day = map(whole_of, arguments)
    if year is None or month is None or day is None or is_readable(f"{2000 + year % 400}-{month}-{day}", DATE):
        return None
    return ArgumentProblem(0, f"there is no day {year}-{month:02}-{day:02}", "correct a number")


def _duckdb_print(arguments: Arguments, types: Types) -> exp.Expr:
    return duckdb("strftime(_1, _2)", arguments[0], read_clock(text_of(arguments[1]) or "").to_print())


def _reader(kind: str, engine_cast: str) -> Template:
    """Text of a given form to a date or timestamp: one regular expression picks the digits and the cast judges them."""

    def build(arguments: Arguments, types: Types) -> exp.Expr:
        if len(arguments) == 1:
            return duckdb_cast(arguments[0], types[0], Type(kind), safe=engine_cast == "try_cast")
        return _by_expression(kind, engine_cast, "duckdb")(arguments, types)

    return build


def _spark_reader(name: str, engine_cast: str, kind: str) -> Template:
    def build(arguments: Arguments, types: Types) -> exp.Expr:
        if len(arguments) == 1:
            return spark_cast(arguments[0], types[0], Type(kind), safe=engine_cast == "try_cast")
        if read_clock(text_of(arguments[1]) or "").is_loose:
            return _by_expression(kind, engine_cast, "spark")(arguments, types)
        return spark(f"cast({name}(_1, _2) as {_SPARK_TYPES[kind]})", *arguments)

    return build


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
    """A number of at most so many digits, else an error: far beyond the year 9999 Spark counts around, and DuckDB means infinity."""
    value = whole_of(argument)
    if kind.name in ("tinyint", "smallint", "null") or value is not None and abs(value) < 10**digits:
        return argument.copy()
    return cast(cast(argument.copy(), decimal(digits, 0)), BIGINT if digits > _DAYS else INT)


def _counted(template: str, engine: Engine, digits: int) -> Template:
    """A template of a moment and a number that is counted on from there, or of the number alone."""

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
        "the days from the second date to the first",
        duckdb=_of_days("_1 - _2"),
        recast=True,
        aliases=("date_diff",),
    ),
    Function(
        "add_months",
        ("moment", "integer"),
        DATE,
        "the date n months later, or that month's last day where it is shorter",
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
        "the whole weeks, days (of 24 hours), hours, minutes or seconds from the first moment to the second",
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
        "the beginning of the year, quarter, month, week, day, hour, minute or second",
        spark="cast(date_trunc(_1, _2) as timestamp_ntz)",
        duckdb=_cut(1, 0),
        recast=True,
        verify=_unit(0, _TIME_UNITS),
    ),
    Function(
        "to_date",
        ("string", "=string?"),
        DATE,
        "the date written in the text, in ISO form or in that of the pattern, such as `d/M/yyyy` or `dd-MMM-yy` (2000 to 2099); "
        "`coalesce` of several `try_to_date` tries forms in order",
        spark=_spark_reader("to_date", "cast", "date"),
        duckdb=_reader("date", "cast"),
        verify=_read(DATE),
    ),
    Function(
        "try_to_date",
        ("string", "=string?"),
        DATE,
        "like `to_date`, and null where the text is no date",
        spark=_spark_reader("try_to_date", "try_cast", "date"),
        duckdb=_reader("date", "try_cast"),
        verify=_readable,
    ),
    Function(
        "to_timestamp",
        ("string", "=string?"),
        TIMESTAMP,
        "the timestamp written in the text, in ISO form without an offset (`to_timestamptz` reads one), or in that of the pattern",
        spark=_spark_reader("to_timestamp_ntz", "cast", "timestamp"),
        duckdb=_reader("timestamp", "cast"),
        verify=_read(TIMESTAMP),
        aliases=("to_timestamp_ntz",),
    ),
    Function(
        "try_to_timestamp",
        ("string", "=string?"),
        TIMESTAMP,
        "like `to_timestamp`, and null where the text is no timestamp",
        spark=_spark_reader("try_to_timestamp", "try_cast", "timestamp"),
        duckdb=_reader("timestamp", "try_cast"),
        verify=_readable,
    ),
    Function(
        "date_format",
        ("moment", "=string"),
        STRING,
        "the moment as text in the form of the pattern",
        duckdb=_duckdb_print,
        verify=_printable,
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
        "the date so many days after 1970-01-01",
        spark=_counted("date_from_unix_date(_1)", "spark", _DAYS),
        duckdb=_counted("cast('1970-01-01' as date) + cast(_1 as integer)", "duckdb", _DAYS),
    ),
    Function(
        "unix_seconds",
        ("clock",),
        BIGINT,
        "the whole seconds since 1970-01-01 00:00:00 of the same clock",
        duckdb="cast(epoch_us(date_trunc('second', _1)) // 1000000 as bigint)",
    ),
    Function(
        "timestamp_seconds",
        ("integer",),
        TIMESTAMP,
        "the timestamp so many seconds after 1970-01-01 00:00:00",
        spark=_counted("cast(timestamp_seconds(_1) as timestamp_ntz)", "spark", _SECONDS),
        duckdb=_counted("make_timestamp(cast(_1 as bigint) * 1000000)", "duckdb", _SECONDS),
    ),
)
