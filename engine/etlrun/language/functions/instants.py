"""Functions that convert between instants (`timestamptz`) and local times of a time zone (`timestamp`)."""

from __future__ import annotations

import re

from sqlglot import exp

from etlrun.diagnostics import nearest
from etlrun.language.casts import duckdb_cast, spark_cast
from etlrun.language.columns import NULL, STRING, TIMESTAMP, TIMESTAMPTZ
from etlrun.language.expressions import cast
from etlrun.language.functions.function import ArgumentProblem, Arguments, Function, Template, Types
from etlrun.language.instant_text import ZONED_TEXT
from etlrun.language.templates import Engine, fill, text_of

_NO_CHANGE = 99_999_999  # more seconds than a year has
# The row of a zone's lists for the year of `x_`: the years before the first change, the listed years, and the 14 calendars.
_CALENDAR = {
    "spark": "(dayofweek(x_) + 371 - dayofyear(x_)) % 7",
    "duckdb": "(dayofweek(x_) + 372 - dayofyear(x_)) % 7",
}
_LEAP = "case when year(x_) % 4 = 0 and (year(x_) % 100 <> 0 or year(x_) % 400 = 0) then 7 else 0 end"
_SECOND = "((dayofyear(x_) - 1) * 86400 + hour(x_) * 3600 + minute(x_) * 60 + second(x_))"
_NUMBERS = {"spark": "cast(split(_2, ',') as array<int>)", "duckdb": "cast(string_split(_2, ',') as integer[])"}
_BIND = {
    "spark": "element_at(transform(array({value}), {name} -> {body}), 1)",
    "duckdb": "list_extract(list_transform([{value}], lambda {name}: {body}), 1)",
}
_ELEMENT = {"spark": "element_at({numbers}, cast({at} as int))", "duckdb": "list_extract({numbers}, {at})"}
_SHIFT = {
    "spark": "cast(x_ {sign} make_dt_interval(0, 0, 0, {seconds}) as timestamp_ntz)",
    "duckdb": "x_ {sign} to_seconds(cast({seconds} as double))",
}


def _verify_zone(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    from etlrun.language.zones import zone_names

    zone = text_of(arguments[1]) or ""
    if zone in zone_names():
        return None
    fix = nearest(zone, zone_names()) or "write it as `Asia/Ho_Chi_Minh` or `UTC`"
    if re.fullmatch(r"(?:UTC|GMT)?[+-][0-9:]{1,6}", zone):
        fix = "write a zone such as `Asia/Ho_Chi_Minh`, or add a fixed offset: `+ interval 7 hours`"
    return ArgumentProblem(1, f"`{zone}` is not a time zone", fix, "wrong-value")


def _shifted(engine: Engine, *, is_local: bool) -> Template:
    """A timestamp shifted by the offset of a zone: from UTC to local time, or back."""

    def build(arguments: Arguments, types: Types) -> exp.Expr:
        from etlrun.language.zones import zone_table

        clock = arguments[0] if types[0] != NULL else cast(arguments[0].copy(), TIMESTAMP)
        table = zone_table(text_of(arguments[1]) or "", is_local=is_local)
        most = table.most_changes
        rows = [((), (table.before,)), *((year.changes, year.offsets) for year in (*table.years, *table.calendars))]
        if all(offsets == (0,) for _, offsets in rows):
            return clock.copy()
        numbers = [
            number
            for changes, offsets in rows
            for number in (
                *(*changes, *[_NO_CHANGE] * (most - len(changes))),
                *(*offsets, *offsets[-1:] * (most + 1 - len(offsets))),
            )
        ]
        count, width = len(table.years), 2 * most + 1
        row = (
            f"(case when year(x_) < {table.first} then 0 when year(x_) < {table.first + count} then year(x_) - {table.first} + 1 "
            f"else {count + 1} + {_CALENDAR[engine]} + {_LEAP} end)"
        )
        values = [
            _ELEMENT[engine].format(numbers=_NUMBERS[engine], at=f"{row} * {width} + {place + 1}")
            for place in range(width)
        ]
        changes, offsets = values[:most], values[most:]
        whens = (f"when {_SECOND} < {at} then {value}" for at, value in zip(changes, offsets, strict=False))
        seconds = f"case {' '.join(whens)} else {offsets[-1]} end" if most else offsets[-1]
        body = _SHIFT[engine].format(sign="-" if is_local else "+", seconds=seconds)
        is_column = isinstance(clock, exp.Column)
        template = body.replace("x_", "_1") if is_column else _BIND[engine].format(value="_1", name="x_", body=body)
        return fill(template, engine, [clock, ",".join(map(str, numbers))])

    return build


def _reader(engine: Engine, *, safe: bool) -> Template:
    """Convert text with an offset to an instant: its local time minus the offset."""
    found = "regexp_full_match(_1, _2)" if engine == "duckdb" else "_1 rlike _2"
    part = "cast(coalesce(nullif(regexp_extract(_1, _2, {}), ''), '0') as int)"
    sign = "case when regexp_extract(_1, _2, 2) like '-%' then -60 else 60 end"
    seconds = f"({part.format(2)} * 3600 + {part.format(3)} * {sign})"
    template = {
        "duckdb": f"_3 - to_seconds(cast(case when {found} then {seconds} else 0 end as double))",
        "spark": f"cast(_3 - make_dt_interval(0, 0, 0, case when {found} then {seconds} else 0 end) as timestamp_ntz)",
    }[engine]
    clock = f"case when {found} then regexp_extract(_1, _2, 1) else concat('not of type timestamptz: ', _1) end"

    def build(arguments: Arguments, types: Types) -> exp.Expr:
        casts = duckdb_cast if engine == "duckdb" else spark_cast
        clock_of = fill(f"case when _1 is not null then {clock} end", engine, [arguments[0], ZONED_TEXT])
        return fill(template, engine, [arguments[0], ZONED_TEXT, casts(clock_of, STRING, TIMESTAMP, safe=safe)])

    return build


INSTANTS = (
    Function(
        "from_utc_timestamp",
        ("utc", "=string"),
        TIMESTAMP,
        "the local time in a time zone (`'Asia/Ho_Chi_Minh'`) at an instant; a timestamp argument is read as UTC",
        spark=_shifted("spark", is_local=False),
        duckdb=_shifted("duckdb", is_local=False),
        verify=_verify_zone,
    ),
    Function(
        "to_utc_timestamp",
        ("timestamp", "=string"),
        TIMESTAMPTZ,
        "the instant of a local time in a time zone. If the clocks are set back and show the time twice, the first one; if they are set "
        "forward and skip the time, the offset before the change is used",
        spark=_shifted("spark", is_local=True),
        duckdb=_shifted("duckdb", is_local=True),
        verify=_verify_zone,
    ),
    Function(
        "to_timestamptz",
        ("string",),
        TIMESTAMPTZ,
        "the instant in a text with an offset: `2022-04-30T20:15:00+07:00`, `2022-04-30 13:15:00Z`",
        spark=_reader("spark", safe=False),
        duckdb=_reader("duckdb", safe=False),
    ),
    Function(
        "try_to_timestamptz",
        ("string",),
        TIMESTAMPTZ,
        "like `to_timestamptz`, but null if the text is not an instant",
        spark=_reader("spark", safe=True),
        duckdb=_reader("duckdb", safe=True),
    ),
)
