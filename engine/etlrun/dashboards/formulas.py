"""Reads the measures of a dashboard as formulas over existing columns."""

from __future__ import annotations

from collections.abc import Mapping

from etlrun.dashboards.conditions import read_condition
from etlrun.dashboards.measures import (
    Average,
    Count,
    Distinct,
    Formula,
    LargestOfColumn,
    LargestOfGroup,
    Ratio,
    ShareOfRows,
    SumMeasure,
)
from etlrun.dashboards.names import Names
from etlrun.dashboards.spec import KINDS, Measure
from etlrun.spec.located import Keys


def read_formulas(names: Names) -> Mapping[str, Formula]:
    """The formula of every measure; mistakes are collected."""
    reader = _Reader(names)
    found = {name: reader.formula(name, measure) for name, measure in names.measures.items()}
    reader.check_loops()
    return found


class _Reader:
    def __init__(self, names: Names) -> None:
        self.names = names

    def formula(self, name: str, measure: Measure) -> Formula:
        where: Keys = ("measures", name)
        self.names.check_format(measure.format, (*where, "format"))
        kinds = measure.kinds
        if len(kinds) != 1:
            message = (
                f"`{name}` has {' and '.join(f'`{kind}`' for kind in kinds) or 'no kind'}, but needs exactly one kind"
            )
            self.names.complain(where, "wrong-value", message, f"the kinds are {', '.join(KINDS)}")
            return Count()
        divisor = self.names.divisor(measure.divide_by, (*where, "divide_by"))
        if measure.divide_by is not None and kinds[0] in ("share", "argmax"):
            self.names.complain(
                (*where, "divide_by"), "not-allowed-here", f"`divide_by` cannot be used with `{kinds[0]}`", "remove it"
            )
        made: Formula = getattr(self, f"_{kinds[0]}")(name, measure, where, divisor)
        return made

    def _count(self, name: str, measure: Measure, where: Keys, divisor: float) -> Formula:
        return Count(divisor)

    def _distinct(self, name: str, measure: Measure, where: Keys, divisor: float) -> Formula:
        found = self.names.column(str(measure.distinct), (*where, "distinct"))
        return Distinct(found.name if found else "", divisor)

    def _sum(self, name: str, measure: Measure, where: Keys, divisor: float) -> Formula:
        group = self.names.columns.group(measure.sum[0]) if len(measure.sum) == 1 else None
        if group:
            return SumMeasure(group.columns, divisor)
        for index, item in enumerate(measure.sum):
            self.names.number(item, (*where, "sum", index), or_group=len(measure.sum) == 1)
        return SumMeasure(tuple(self.names.spelled(item) for item in measure.sum), divisor)

    def _average(self, name: str, measure: Measure, where: Keys, divisor: float) -> Formula:
        self.names.number(str(measure.average), (*where, "average"))
        return Average(self.names.spelled(str(measure.average)), divisor)

    def _ratio(self, name: str, measure: Measure, where: Keys, divisor: float) -> Formula:
        if len(measure.ratio) != 2:
            self.names.complain(
                (*where, "ratio"), "wrong-value", "a ratio needs two measures", "write `[above, below]`"
            )
            return Count()
        for index, item in enumerate(measure.ratio):
            self.names.measure(item, (*where, "ratio", index), numeric=True)
        return Ratio(measure.ratio[0], measure.ratio[1], divisor)

    def _share(self, name: str, measure: Measure, where: Keys, divisor: float) -> Formula:
        share = measure.share
        assert share is not None
        return ShareOfRows(
            name, read_condition(self.names, share.where, (*where, "share", "where")), share.of == "known"
        )

    def _argmax(self, name: str, measure: Measure, where: Keys, divisor: float) -> Formula:
        argmax = measure.argmax
        assert argmax is not None
        group = self.names.columns.group(argmax.over)
        if group:
            return LargestOfGroup(dict(zip(group.labels, group.columns, strict=True)))
        found = self.names.column(argmax.over, (*where, "argmax", "over"), or_group=True)
        if argmax.by:
            self.names.measure(argmax.by, (*where, "argmax", "by"), numeric=True)
        elif found:
            fix = "name a column group, or add `by: MEASURE`"
            self.names.complain((*where, "argmax"), "missing-key", "`argmax` over a column needs `by`", fix)
        return LargestOfColumn(self.names.spelled(argmax.over), argmax.by)

    def check_loops(self) -> None:
        """Check that no ratio depends on itself."""
        for name in self.names.measures:
            seen, waiting = set[str](), [name]
            while waiting:
                for other in self.names.measures[waiting.pop()].ratio if waiting else ():
                    if other == name:
                        message = f"the measure `{name}` depends on itself"
                        self.names.complain(("measures", name), "cycle", message, "divide another measure")
                        return
                    if other in self.names.measures and other not in seen:
                        seen.add(other)
                        waiting.append(other)
