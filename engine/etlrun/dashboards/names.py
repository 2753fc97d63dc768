"""Looks up names of a dashboard in its pipeline; mistakes are collected with a place and a fix."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from dataclasses import replace

from etlrun.compiler.check import NOT_LISTED, Checked
from etlrun.dashboards.spec import DashboardFile
from etlrun.diagnostics import Diagnostic, nearest
from etlrun.language.columns import Column, Columns
from etlrun.language.expressions import ExpressionError
from etlrun.spec.located import Keys

FORMAT = re.compile(r"whole|short|decimal [0-9]|percent [0-9]")


class Names:
    """The columns and measures that a dashboard may name, and the mistakes found in it."""

    def __init__(self, file: DashboardFile, checked: Checked, columns: Columns, key: tuple[str, ...]) -> None:
        self.file = file
        self.checked = checked
        # The columns of a group are known before a run only if its labels are.
        self.columns = replace(columns, groups=tuple(group for group in columns.groups if group.domain is not None))
        self.key = key
        self.measures = file.dashboard.measures
        self.problems: list[Diagnostic] = []

    def complain(self, where: Keys, code: str, message: str, fix: str = "") -> None:
        self.problems.append(self.file.document.diagnose(self.file.origin.in_file(where), code, message, fix))

    def complain_inside(self, where: Keys, error: ExpressionError) -> None:
        """Note the mistakes of an expression, each at its own place."""
        place = self.file.origin.in_file(where)
        self.problems += [
            self.file.document.diagnose_inside(place, item.start, item.end, item.code, item.message, item.fix)
            for item in error.problems
        ]

    def column(self, name: str, where: Keys, *, or_group: bool = False) -> Column | None:
        """Look up a column; with `or_group` the fix may suggest a column group, which the caller has already looked for."""
        found = self.columns.get(name)
        if found is None:
            groups = [group.name for group in self.columns.groups] if or_group else []
            fix = (
                nearest(name, (*self.columns.names, *groups)) or f"the columns are {', '.join(self.columns.names[:12])}"
            )
            if self.columns.awaits_labels:
                fix = f"{fix}; {NOT_LISTED}"
            self.complain(where, "unknown-column", f"there is no column `{name}` here", fix)
        return found

    def number(self, name: str, where: Keys, *, or_group: bool = False) -> None:
        found = self.column(name, where, or_group=or_group)
        if found and not found.type.is_numeric:
            numbers = [item.name for item in self.columns if item.type.is_numeric]
            fix = f"name a column of numbers: {', '.join(numbers[:12])}" if numbers else "compute one in the pipeline"
            self.complain(where, "type-mismatch", f"`{found.name}` is {found.type}, not a number", fix)

    def spelled(self, name: str) -> str:
        found = self.columns.get(name)
        return found.name if found else name

    def measure(self, name: str, where: Keys, *, numeric: bool = False) -> None:
        """Look up a measure; with `numeric` it must be a number, so that it can be shown for each value of a column."""
        found = self.measures.get(name)
        if found is None:
            fix = nearest(name, self.measures) or f"the measures are {', '.join(self.measures)}"
            self.complain(where, "unknown-measure", f"there is no measure `{name}`", fix)
        elif numeric and (found.argmax or found.distinct):
            kind = "an `argmax`" if found.argmax else "a `distinct`"
            fix = "show it as a `kpi`, or choose another measure"
            self.complain(where, "type-mismatch", f"`{name}` is {kind}, which cannot be computed for each part", fix)

    def divisor(self, given: str | None, where: Keys) -> float:
        if given is None:
            return 1.0
        days = re.fullmatch(r"days\((\d{4})-(\d{2})\)", given)
        if days and 1 <= int(days[2]) <= 12:
            return float(calendar.monthrange(int(days[1]), int(days[2]))[1])
        try:
            number = float(given)
        except ValueError:
            number = 0.0
        if not 0 < number < float("inf"):
            fix = "write a number, or `days($month)`"
            self.complain(where, "wrong-value", f"`{given}` is not a number above 0", fix)
            return 1.0
        return number

    def check_format(self, text: str, where: Keys) -> None:
        if text and not FORMAT.fullmatch(text):
            fix = "write `whole`, `short`, `decimal 2` or `percent 1`"
            self.complain(where, "wrong-value", f"`{text}` is not a format", fix)

    def check_one_of_each(self, named: Iterable[tuple[str, Keys]], what: str) -> None:
        """Check that names differ, ignoring case."""
        seen: dict[str, str] = {}
        for name, where in named:
            folded = " ".join(name.split()).casefold()
            if folded in seen:
                message = f"the {what} `{name}` is defined twice"
                self.complain(where, "wrong-value", message, "rename one")
            seen[folded] = name
