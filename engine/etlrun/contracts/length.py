"""Lengths of time in a spec: `30 minutes`, `7 days`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlglot import exp

from etlrun.language.columns import DATE, MOMENTS, NULL, Column
from etlrun.language.frames import MICROSECONDS
from etlrun.spec.scope import Scope

MOST = 1_000_000  # what a length counts
_WRITTEN = re.compile(r"([0-9]{1,7}) ?(second|minute|hour|day|week)s?")


@dataclass(frozen=True)
class Length:
    """A number of seconds, minutes, hours, days or weeks."""

    count: int
    unit: str

    @staticmethod
    def of(text: str) -> Length | None:
        """The length of time in a text; None if the text is not one."""
        found = _WRITTEN.fullmatch(text.strip())
        return Length(int(found[1]), found[2]) if found and 0 < int(found[1]) <= MOST else None

    @property
    def microseconds(self) -> int:
        return self.count * MICROSECONDS[self.unit]

    @property
    def tree(self) -> exp.Interval:
        return exp.Interval(this=exp.Literal.number(self.count), unit=exp.Var(this=self.unit))


def read_length(text: str, moment: Column, at: str, scope: Scope) -> None:
    """Report a text at `at` that is not a length of time, or has a unit that the column `moment` does not have."""
    length = Length.of(text)
    if moment.type == NULL:
        return
    if moment.type not in MOMENTS:
        scope.error(at, "type-mismatch", f"`{moment.name}` is {moment.type}, which has no days or hours")
    elif length is None:
        fix = f"write a number from 1 to {MOST:,} and a unit: `30 minutes`, `2 hours`, `1 day`"
        scope.error(at, "wrong-value", f"`{text}` is not a length of time", fix)
    elif moment.type == DATE and length.unit not in ("day", "week"):
        message = f"`{moment.name}` is a date, which has no {length.unit}s"
        scope.error(at, "type-mismatch", message, "write it in days")
