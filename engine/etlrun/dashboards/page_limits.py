"""The limits of a page: what a browser can show at once, and numbers that JavaScript represents exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from etlrun.dashboards.checked import CheckedDashboard
from etlrun.dashboards.spec import Donut, Flow
from etlrun.failures import RunFailure
from etlrun.spec.located import Keys

MOST_CELLS = 300_000
MOST_MARKS = 200  # of a filter or a ring
MOST_LINES = 50  # and columns of a flow
LARGEST = 2**53  # the largest whole number up to which a page counts exactly


@dataclass(frozen=True)
class ShownValues:
    """A column whose values are shown one by one, how many of them fit, and where it is named."""

    column: str
    card: str
    most: int
    fix: str
    where: Keys

    def check(self, count: int, dashboard: CheckedDashboard) -> None:
        """Raises RunFailure if there are more."""
        if count > self.most:
            message = f"the {self.card} `{self.column}` has {count:,} values, and a page shows at most {self.most} of a {self.card}"
            raise page_failure(dashboard, self.where, message, self.fix)


def shown_values(dashboard: CheckedDashboard) -> Iterator[ShownValues]:
    """The columns of filters, rings and flows."""
    for name in dashboard.spec.filters:
        fix = "filter by a column with fewer values"
        yield ShownValues(dashboard.column(name), "filter", MOST_MARKS, fix, ("filters",))
    for use in dashboard.file.cards:
        card = use.value
        if isinstance(card, Donut):
            fix = "show a `bar`, which has the longest ones: `top: 20`"
            yield ShownValues(dashboard.column(card.of), "donut", MOST_MARKS, fix, (*use.where, "of"))
        if isinstance(card, Flow):
            for key, name in (("from", card.from_), ("to", card.to)):
                fix = "show the flow of a column with fewer values"
                yield ShownValues(dashboard.column(name), "flow", MOST_LINES, fix, (*use.where, key))


def check_cells(count: int, names: tuple[str, ...], dashboard: CheckedDashboard) -> None:
    """Raises RunFailure if the columns have too many combinations."""
    if count > MOST_CELLS:
        message = f"the page would hold {count:,} combinations of {', '.join(names)}, and at most {MOST_CELLS:,} fit"
        fix = "filter by fewer columns, or by columns with fewer values"
        raise page_failure(dashboard, ("filters",), message, fix)


def held_sum(value: Any, measure: str, dashboard: CheckedDashboard) -> float | int:
    """A sum of a measure for the page; null becomes 0. Raises RunFailure if it is too large."""
    if value is None:
        return 0
    if isinstance(value, float) and not math.isfinite(value):
        message = f"a column of `{measure}` adds up to {value}: it has values that are infinite or NaN"
        fix = "replace them by null in the pipeline: `case when abs(COLUMN) < 1e300 then COLUMN end`"
        raise page_failure(dashboard, ("measures", measure), message, fix)
    if not isinstance(value, float) and abs(value) > LARGEST:
        message = f"a column of `{measure}` adds up to {value:,}, which a page cannot show exactly"
        raise page_failure(dashboard, ("measures", measure), message, "divide the column in the pipeline first")
    return int(value) if isinstance(value, int) else float(value)


def page_failure(dashboard: CheckedDashboard, where: Keys, message: str, fix: str) -> RunFailure:
    failure = RunFailure("usage", "dashboard-size", message, fix)
    return failure.at(dashboard.file.document.diagnose(where, failure.code, ""))
