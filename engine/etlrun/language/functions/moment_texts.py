"""Functions that parse dates and timestamps from text by a pattern, and format them."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from etlrun.language.casts import duckdb_cast, is_moment_word, spark_cast, whole
from etlrun.language.clocks import MONTHS, Clock, ClockError, read_clock
from etlrun.language.columns import DATE, STRING, TIMESTAMP, Type
from etlrun.language.constants import is_readable, misfit_of_cast
from etlrun.language.functions.function import ArgumentProblem, Arguments, Function, Template, Types, Verify
from etlrun.language.grammar import detail
from etlrun.language.templates import Engine, duckdb, fill, spark, text_of

_SPARK_TYPES = {"date": "date", "timestamp": "timestamp_ntz"}


def _printable(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    try:
        read_clock(text_of(arguments[1]) or "").to_print()
    except ClockError as error:
        return ArgumentProblem(1, str(error), error.fix)
    return None


def _readable(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    if len(arguments) < 2:
        return (
            ArgumentProblem(0, "this text is not a date: it means a different time in every run", "use a param")
            if is_moment_word(arguments[0])
            else None
        )
    try:
        read_clock(text_of(arguments[1]) or "").to_read()
    except ClockError as error:
        return ArgumentProblem(1, str(error), error.fix)
    return None


def _read(kind: Type) -> Verify:
    """Report what `_readable` finds, and a literal text that does not match the pattern, which would fail in every row."""

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
    """Convert a text that matches the pattern to an ISO timestamp."""
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
    """Replace the name of the month in the text by its number."""
    for number, month in enumerate(MONTHS if clock.names_months else (), 1):
        value = fill("replace(_1, _2, _3)", engine, [value, month, str(number)])
    return value


def _by_expression(kind: str, engine_cast: str, engine: Engine) -> Callable[[Arguments, Types], exp.Expr]:
    """Parse text with the regular expression of the pattern: it extracts the digits, and the cast validates them."""
    found = "regexp_full_match(_1, _2)" if engine == "duckdb" else "_1 rlike _2"
    moment = "timestamp" if engine == "duckdb" else "timestamp_ntz"

    def build(arguments: Arguments, types: Types) -> exp.Expr:
        clock = read_clock(text_of(arguments[1]) or "")
        pattern, order = clock.to_read()
        pattern = whole(pattern)
        if engine == "spark":  # where `$` also matches before a final line feed
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


def _duckdb_print(arguments: Arguments, types: Types) -> exp.Expr:
    return duckdb("strftime(_1, _2)", arguments[0], read_clock(text_of(arguments[1]) or "").to_print())


def _reader(kind: str, engine_cast: str) -> Template:
    """Parse text to a date or timestamp: one regular expression extracts the digits, and the cast validates them."""

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


MOMENT_TEXTS = (
    Function(
        "to_date",
        ("string", "=string?"),
        DATE,
        "the date in the text, in ISO format or in the format of the pattern, such as `d/M/yyyy` or `dd-MMM-yy` (2000 to 2099); "
        "`coalesce` of several `try_to_date` tries several formats in order",
        spark=_spark_reader("to_date", "cast", "date"),
        duckdb=_reader("date", "cast"),
        verify=_read(DATE),
    ),
    Function(
        "try_to_date",
        ("string", "=string?"),
        DATE,
        "like `to_date`, but null if the text is not a date",
        spark=_spark_reader("try_to_date", "try_cast", "date"),
        duckdb=_reader("date", "try_cast"),
        verify=_readable,
    ),
    Function(
        "to_timestamp",
        ("string", "=string?"),
        TIMESTAMP,
        "the timestamp in the text, in ISO format without an offset (for an offset use `to_timestamptz`), or in the format of the pattern",
        spark=_spark_reader("to_timestamp_ntz", "cast", "timestamp"),
        duckdb=_reader("timestamp", "cast"),
        verify=_read(TIMESTAMP),
        aliases=("to_timestamp_ntz",),
    ),
    Function(
        "try_to_timestamp",
        ("string", "=string?"),
        TIMESTAMP,
        "like `to_timestamp`, but null if the text is not a timestamp",
        spark=_spark_reader("try_to_timestamp", "try_cast", "timestamp"),
        duckdb=_reader("timestamp", "try_cast"),
        verify=_readable,
    ),
    Function(
        "date_format",
        ("moment", "=string"),
        STRING,
        "the date or timestamp as text, in the format of the pattern",
        duckdb=_duckdb_print,
        verify=_printable,
    ),
)
