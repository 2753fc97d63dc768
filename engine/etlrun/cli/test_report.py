"""Reports the outcomes of tests on the terminal and as JSON."""

from __future__ import annotations

import datetime
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import click

from etlrun.diagnostics import counted, harmless
from etlrun.spec.values import value_text

if TYPE_CHECKING:
    from etlrun.compiler.case_rows import ExpectedRow, Row
    from etlrun.compiler.cases import CheckedCase
    from etlrun.runtime.differences import Difference, Pair
    from etlrun.runtime.testing import CaseFailure, Outcome

SHOWN = 20  # rows of one sort
Status = Literal["ok", "failed", "updated"]
Line = tuple[str, str]  # its colour, and its text
RED, GREEN, YELLOW, DIM, PLAIN = "red", "green", "yellow", "bright_black", ""


@dataclass(frozen=True)
class CaseSummary:
    """The result of one test as it is reported; `refused` is the reason why its file was not updated."""

    outcome: Outcome
    status: Status
    refused: str = ""


class CaseReport:
    """Reports tests line by line."""

    def __init__(self, *, is_result: bool) -> None:
        self.is_result = is_result
        stream = sys.stdout if is_result else sys.stderr
        self.has_colour = bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and not os.environ.get("NO_COLOR"))

    def tell(self, summary: CaseSummary) -> None:
        """Print one line for a test and, if it is not ok, what is wrong."""
        word, colour = {"ok": ("ok", GREEN), "updated": ("updated", YELLOW), "failed": ("FAILED", RED)}[summary.status]
        outcome = summary.outcome
        name = harmless(f"{outcome.case.file.pipeline}: {outcome.case.case.name}")
        self._say(f"{self._painted(colour, f'{word:<7}')} {name} {self._painted(DIM, f'({outcome.seconds:.2f} s)')}")
        for difference in outcome.differences:
            self._say_all(_difference(outcome.case, difference))
        for complaint in outcome.complaints:
            self._say_all(_complaint(complaint))
        if summary.refused:
            self._say_all([(RED, f"  not updated: {summary.refused}"), (PLAIN, "    = edit the file by hand")])

    def sum_up(self, summary: Sequence[CaseSummary], seconds: float, *, updates: bool) -> None:
        """Print the last line, and what to do next."""
        count = _count(summary)
        parts = [
            f"{count[status]:,} {word}"
            for status, word in (("failed", "failed"), ("updated", "updated"))
            if count[status]
        ]
        parts.append(f"{count['ok']:,} passed")
        click.echo(f"{counted(len(summary), 'test')}: {', '.join(parts)} in {seconds:.1f} s", err=True)
        if not updates and any(item.outcome.differences for item in summary):
            click.echo("if the actual rows are right: etlrun test --update", err=True)

    def _say_all(self, lines: Iterable[Line]) -> None:
        for colour, text in lines:
            self._say(self._painted(colour, text))

    def _say(self, text: str) -> None:
        click.echo(text, err=not self.is_result, color=self.has_colour)

    def _painted(self, colour: str, text: str) -> str:
        return click.style(harmless(text), fg=colour) if colour and self.has_colour else harmless(text)


def as_object(summary: Sequence[CaseSummary], engine: str, seconds: float) -> dict[str, Any]:
    """The outcomes for a program."""
    return {
        "engine": engine,
        "seconds": round(seconds, 3),
        **_count(summary),
        "tests": [_object(item) for item in summary],
    }


def _count(summary: Sequence[CaseSummary]) -> dict[str, int]:
    return {status: sum(item.status == status for item in summary) for status in ("ok", "failed", "updated")}


def _difference(case: CheckedCase, difference: Difference) -> Iterator[Line]:
    names = difference.columns.names
    yield PLAIN, f"  `{difference.relation}`: {_counts(difference)} (- expected, + actual)"
    for pair in difference.pairs[:SHOWN]:
        yield PLAIN, f"    {_place(case, pair.expected)}: this row differs"
        equal = _equal(difference, pair)
        if equal:
            yield DIM, f"        {equal}"
        for at in pair.unequal:
            hint = "" if names[at].lower() in _named(case, pair.expected) else "   (the row does not list this column)"
            yield RED, f"      - {value_text(names[at])}: {value_text(pair.expected.values[at])}{hint}"
            yield GREEN, f"      + {value_text(names[at])}: {value_text(pair.actual[at])}"
    for row in difference.missing[:SHOWN]:
        yield PLAIN, f"    {_place(case, row)}: this row is missing"
        yield RED, f"      - {_row(names, row.values)}"
    if difference.unexpected:
        yield PLAIN, "    not expected:"
    for values in difference.unexpected[:SHOWN]:
        yield GREEN, f"      + {_row(names, values)}"
    more = sum(max(0, len(rows) - SHOWN) for rows in (difference.pairs, difference.missing, difference.unexpected))
    if more:
        yield PLAIN, f"    and {more:,} more"


def _counts(difference: Difference) -> str:
    differing, missing, unexpected = len(difference.pairs), len(difference.missing), len(difference.unexpected)
    parts = [f"{counted(differing, 'row')} {'differs' if differing == 1 else 'differ'}"] if differing else []
    parts += [f"{counted(missing, 'row')} missing"] if missing else []
    parts += [f"{counted(unexpected, 'row')} not expected"] if unexpected else []
    return ", ".join(parts)


def _equal(difference: Difference, pair: Pair) -> str:
    """The columns that identify a row: the key if it is known, otherwise all that are equal."""
    names = difference.columns.names
    keys = {name.lower() for name in difference.columns.unique or ()}
    equal = [at for at in range(len(names)) if at not in pair.unequal]
    known = [at for at in equal if names[at].lower() in keys]
    return ", ".join(f"{value_text(names[at])}: {value_text(pair.actual[at])}" for at in known or equal)


def _named(case: CheckedCase, row: ExpectedRow) -> set[str]:
    """The columns that an expected row names, in lower case."""
    length = len(row.where)
    return {
        str(key[-1]).lower() for key in case.file.document.keys if len(key) == length + 1 and key[:length] == row.where
    }


def _row(names: Sequence[str], values: Row) -> str:
    return value_text(dict(zip(names, values, strict=True)))


def _place(case: CheckedCase, row: ExpectedRow) -> str:
    found = case.file.document.diagnose(row.where, "", "")
    return f"{found.file}:{found.line}:{found.column}"


def _complaint(complaint: CaseFailure) -> Iterator[Line]:
    yield RED, f"  {complaint.file}:{complaint.line}:{complaint.column}: {complaint.message}"
    for number, line in enumerate(complaint.fix.splitlines()):
        yield PLAIN, f"    {'= ' if not number else '  '}{line}"


def _object(summary: CaseSummary) -> dict[str, Any]:
    outcome = summary.outcome
    place = outcome.case.file.document.diagnose(outcome.case.case.where, "", "")
    return {
        "file": place.file,
        "line": place.line,
        "pipeline": outcome.case.file.pipeline,
        "name": outcome.case.case.name,
        "status": summary.status,
        "seconds": round(outcome.seconds, 3),
        "differences": [_difference_object(outcome.case, difference) for difference in outcome.differences],
        "complaints": [
            {"file": item.file, "line": item.line, "column": item.column, "message": item.message, "fix": item.fix}
            for item in outcome.complaints
        ],
    }


def _difference_object(case: CheckedCase, difference: Difference) -> dict[str, Any]:
    def row(values: Row) -> dict[str, Any]:
        return {name: _plain(value) for name, value in zip(difference.columns.names, values, strict=True)}

    def line(expected: ExpectedRow) -> int:
        return case.file.document.diagnose(expected.where, "", "").line

    return {
        "relation": difference.relation,
        "differ": [
            {"line": line(pair.expected), "expected": row(pair.expected.values), "actual": row(pair.actual)}
            for pair in difference.pairs
        ],
        "missing": [{"line": line(expected), "expected": row(expected.values)} for expected in difference.missing],
        "unexpected": [{"actual": row(values)} for values in difference.unexpected],
    }


def _plain(value: Any) -> Any:
    """A value for JSON; types that JSON does not have become text."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, bytes) or (isinstance(value, float) and not math.isfinite(value)):
        return value_text(value)
    return str(value) if isinstance(value, (Decimal, datetime.date)) else value
