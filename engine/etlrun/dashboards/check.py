"""Valid to checked: every name, type and format of a dashboard, held against its pipeline without data."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlglot import exp

from etlrun.compiler.check import Checked, check_file
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
    quoted,
)
from etlrun.dashboards.spec import (
    KINDS,
    Bar,
    Dashboard,
    DashboardFile,
    Donut,
    Flow,
    Kpi,
    Measure,
    RowShare,
    RowTable,
    build_dashboard,
    read_document_of,
)
from etlrun.diagnostics import Diagnostic, SpecError, nearest
from etlrun.language.columns import Column, Columns
from etlrun.language.dialects import duckdb_sql
from etlrun.language.expressions import ExpressionError, bind, parse, type_of
from etlrun.language.typed import check_expression
from etlrun.sinks.table import Table
from etlrun.spec.cases import pipelines_below
from etlrun.spec.located import Document, Keys
from etlrun.spec.project import Project, Use, find_project

FORMAT = re.compile(r"whole|short|decimal [0-9]|percent [0-9]")
MOST_ROWS = 10_000
_CLOSED = (
    exp.And,
    exp.Or,
    exp.Not,
    exp.Paren,
    exp.EQ,
    exp.NEQ,
    exp.LT,
    exp.LTE,
    exp.GT,
    exp.GTE,
    exp.In,
    exp.Is,
    exp.Null,
    exp.Column,
    exp.Identifier,
    exp.Literal,
    exp.Boolean,
    exp.Neg,
)


@dataclass(frozen=True)
class ShownColumn:
    """A column of the table of rows: what is above it, and how its numbers are shown."""

    name: str
    label: str
    divisor: float = 1.0
    format: str = ""


@dataclass(frozen=True)
class CheckedDashboard:
    """A dashboard without mistakes: formulas by measure, and the columns of the table by the place of their card."""

    file: DashboardFile
    checked: Checked
    sink: Table
    columns: Columns
    formulas: Mapping[str, Formula]
    tables: Mapping[Keys, tuple[ShownColumn, ...]]

    @property
    def spec(self) -> Dashboard:
        return self.file.dashboard

    @property
    def table(self) -> str:
        return self.sink.table or self.spec.sink

    @property
    def dimensions(self) -> tuple[tuple[str, ...], ...]:
        """The columns of each cube: the filters, and for each card or measure over other columns those beside them."""
        filters = tuple(self.column(name) for name in self.spec.filters)
        extra = [tuple(map(self.column, names)) for names in self._others()]
        found = [filters, *((*filters, *(name for name in names if name not in filters)) for names in extra)]
        return tuple(dict.fromkeys(found))

    def _others(self) -> Iterator[tuple[str, ...]]:
        for use in self.file.cards:
            if isinstance(use.value, (Bar, Donut)) and not self.is_key(use.value.of):
                yield (use.value.of,)
            if isinstance(use.value, Flow):
                yield (use.value.from_, use.value.to)
        for formula in self.formulas.values():
            if isinstance(formula, (Distinct, LargestOfColumn)):
                yield (formula.column,)

    def column(self, name: str) -> str:
        """The column's name as the pipeline spells it."""
        found = self.columns.get(name)
        return found.name if found else name

    def is_key(self, name: str) -> bool:
        """Whether the column alone tells the rows of the table apart."""
        return [found.lower() for found in self.sink.key_] == [name.lower()]


def check_dashboard(path: Path, profile: str = "", settings: Mapping[str, str] | None = None) -> CheckedDashboard:
    """Read and check a dashboard with its pipeline. Raises SpecError with every mistake."""
    project = find_project(path)
    document = read_document_of(path, project)
    checked = check_file(_pipeline_file(document, project), profile, settings or {})
    return _Checker(build_dashboard(path, document, checked.pipeline.values), checked).dashboard()


def _pipeline_file(document: Document, project: Project) -> Path:
    folder = project.path("pipelines")
    known = {path.relative_to(folder).with_suffix("").as_posix(): path for path in pipelines_below(folder)}
    name = document.value["pipeline"]
    if name in known:
        return known[name]
    fix = nearest(name, known) or f"the pipelines are {', '.join(sorted(known))}"
    message = f"there is no pipeline `{name}` in pipelines/"
    raise SpecError([document.diagnose(("pipeline",), "unknown-pipeline", message, fix)])


class _Checker:
    """Holds one dashboard against its pipeline, noting what is wrong."""

    def __init__(self, file: DashboardFile, checked: Checked) -> None:
        self.file = file
        self.spec = file.dashboard
        self.checked = checked
        self.problems: list[Diagnostic] = []
        self.columns = Columns(())
        self.key: tuple[str, ...] = ()

    def complain(self, where: Keys, code: str, message: str, fix: str = "") -> None:
        self.problems.append(self.file.document.diagnose(self.file.origin.in_file(where), code, message, fix))

    def dashboard(self) -> CheckedDashboard:
        sink = self.sink()
        self.columns, self.key = self.checked.columns[sink.from_], sink.key_
        for index, name in enumerate(self.spec.filters):
            self.column(name, ("filters", index))
        formulas = {name: self.formula(name, measure) for name, measure in self.spec.measures.items()}
        self.check_loops()
        tables = {use.where: self.table(use.value, use.where) for use in self.file.cards if use.kind == "table"}
        for use in self.file.cards:
            self.check_card(use)
        if self.problems:
            raise SpecError(self.problems)
        return CheckedDashboard(self.file, self.checked, sink, self.columns, formulas, tables)

    def sink(self) -> Table:
        tables = {name: use.value for name, use in self.checked.pipeline.sinks.items() if isinstance(use.value, Table)}
        if self.spec.sink in tables:
            return tables[self.spec.sink]
        fix = nearest(self.spec.sink, tables) or (
            f"the sinks are {', '.join(tables)}" if tables else "a dashboard shows a `table` sink"
        )
        message = f"the pipeline `{self.spec.pipeline}` has no `table` sink `{self.spec.sink}`"
        raise SpecError([self.file.document.diagnose(("sink",), "unknown-relation", message, fix)])

    def column(self, name: str, where: Keys) -> Column | None:
        found = self.columns.get(name)
        if found is None:
            fix = nearest(name, self.columns.names) or f"the columns are {', '.join(self.columns.names[:12])}"
            self.complain(where, "unknown-column", f"there is no column `{name}` here", fix)
        return found

    def number(self, name: str, where: Keys) -> None:
        found = self.column(name, where)
        if found and not found.type.is_numeric:
            self.complain(where, "type-mismatch", f"`{found.name}` is {found.type}, not a number")

    # measures

    def formula(self, name: str, measure: Measure) -> Formula:
        where: Keys = ("measures", name)
        self.check_format(measure.format, (*where, "format"))
        kinds = measure.kinds
        if len(kinds) != 1:
            message = f"`{name}` has {' and '.join(f'`{kind}`' for kind in kinds) or 'no kind'}, and needs one kind"
            self.complain(where, "wrong-value", message, f"the kinds are {', '.join(KINDS)}")
            return Count()
        divisor = self.divisor(measure.divide_by, (*where, "divide_by"))
        if measure.divide_by is not None and kinds[0] in ("share", "argmax"):
            self.complain((*where, "divide_by"), "not-allowed-here", f"a `{kinds[0]}` is not divided", "remove it")
        made: Formula = getattr(self, f"_{kinds[0]}")(name, measure, where, divisor)
        return made

    def _count(self, name: str, measure: Measure, where: Keys, divisor: float) -> Formula:
        return Count(divisor)

    def _distinct(self, name: str, measure: Measure, where: Keys, divisor: float) -> Formula:
        found = self.column(str(measure.distinct), (*where, "distinct"))
        return Distinct(found.name if found else "", divisor)

    def _sum(self, name: str, measure: Measure, where: Keys, divisor: float) -> Formula:
        group = self.columns.group(measure.sum[0]) if len(measure.sum) == 1 else None
        if group:
            return SumMeasure(group.columns, divisor)
        for index, item in enumerate(measure.sum):
            self.number(item, (*where, "sum", index))
        return SumMeasure(tuple(self.spelled(item) for item in measure.sum), divisor)

    def _average(self, name: str, measure: Measure, where: Keys, divisor: float) -> Formula:
        self.number(str(measure.average), (*where, "average"))
        return Average(self.spelled(str(measure.average)), divisor)

    def _ratio(self, name: str, measure: Measure, where: Keys, divisor: float) -> Formula:
        if len(measure.ratio) != 2:
            self.complain((*where, "ratio"), "wrong-value", "a ratio is of two measures", "write `[above, below]`")
            return Count()
        for index, item in enumerate(measure.ratio):
            self.measure(item, (*where, "ratio", index), numeric=True)
        return Ratio(measure.ratio[0], measure.ratio[1], divisor)

    def _share(self, name: str, measure: Measure, where: Keys, divisor: float) -> Formula:
        share = measure.share
        assert share is not None
        return ShareOfRows(name, self.condition(share, (*where, "share", "where")), share.of == "known")

    def _argmax(self, name: str, measure: Measure, where: Keys, divisor: float) -> Formula:
        argmax = measure.argmax
        assert argmax is not None
        group = self.columns.group(argmax.over)
        if group:
            return LargestOfGroup(dict(zip(group.labels, group.columns, strict=True)))
        if not argmax.by:
            fix = "name a column group, or add `by: MEASURE`"
            self.complain((*where, "argmax"), "missing-key", "`argmax` over a column needs `by`", fix)
        else:
            self.measure(argmax.by, (*where, "argmax", "by"), numeric=True)
        self.column(argmax.over, (*where, "argmax", "over"))
        return LargestOfColumn(self.spelled(argmax.over), argmax.by)

    def spelled(self, name: str) -> str:
        found = self.columns.get(name)
        return found.name if found else name

    def measure(self, name: str, where: Keys, *, numeric: bool = False) -> None:
        """A measure that is there; with `numeric` one that adds up, so that it can be shown for each value of a column."""
        found = self.spec.measures.get(name)
        if found is None:
            fix = nearest(name, self.spec.measures) or f"the measures are {', '.join(self.spec.measures)}"
            self.complain(where, "unknown-measure", f"there is no measure `{name}`", fix)
        elif numeric and (found.argmax or found.distinct):
            kind = "an `argmax`" if found.argmax else "a `distinct`"
            self.complain(where, "type-mismatch", f"`{name}` is {kind}, which is not known for each part", "")

    def check_loops(self) -> None:
        """A ratio is not made from itself."""
        for name in self.spec.measures:
            seen, waiting = set[str](), [name]
            while waiting:
                for other in self.spec.measures[waiting.pop()].ratio if waiting else ():
                    if other == name:
                        message = f"the measure `{name}` is made from itself"
                        self.complain(("measures", name), "cycle", message, "divide another measure")
                        return
                    if other in self.spec.measures and other not in seen:
                        seen.add(other)
                        waiting.append(other)

    def condition(self, share: RowShare, where: Keys) -> str:
        """The condition as SQL of DuckDB; mistakes are noted."""
        try:
            tree = check_expression(
                bind(parse(share.where), self.checked.pipeline.values, share.where), (("", self.columns),), share.where
            )
        except ExpressionError as error:
            for problem in error.problems:
                self.problems.append(
                    self.file.document.diagnose_inside(
                        self.file.origin.in_file(where),
                        problem.start,
                        problem.end,
                        problem.code,
                        problem.message,
                        problem.fix,
                    )
                )
            return "true"
        if type_of(tree).name != "boolean":
            self.complain(where, "type-mismatch", f"a condition is expected here, and this is {type_of(tree)}")
        odd = next((node for node in tree.walk() if not isinstance(node, _CLOSED)), None)
        if odd is not None:
            fix = "compute it into a column of the pipeline, and compare that"
            message = "a dashboard compares columns with constants only, so that every form of it means the same"
            self.complain(where, "expression-not-allowed", message, fix)
        return duckdb_sql(_folded(tree))

    # values

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
            self.complain(
                where, "wrong-value", f"`{given}` is not a number above 0", "write a number, or `days($month)`"
            )
            return 1.0
        return number

    def check_format(self, text: str, where: Keys) -> None:
        if text and not FORMAT.fullmatch(text):
            fix = "write `whole`, `short`, `decimal 2` or `percent 1`"
            self.complain(where, "wrong-value", f"`{text}` is not a format", fix)

    # cards

    def check_card(self, use: Use) -> None:
        card, where = use.value, use.where
        if isinstance(card, Kpi):
            self.measure(card.measure, (*where, "measure"))
        if isinstance(card, (Bar, Donut)):
            self.column(card.of, (*where, "of"))
            self.measure(card.value, (*where, "value"), numeric=True)
            self.check_key(card, where)
        if isinstance(card, Flow):
            self.column(card.from_, (*where, "from"))
            self.column(card.to, (*where, "to"))
            self.measure(card.value, (*where, "value"), numeric=True)
        if isinstance(card, Bar) and card.top < 1:
            self.complain((*where, "top"), "wrong-value", "a number of at least 1 is expected here")

    def check_key(self, card: Bar | Donut, where: Keys) -> None:
        """The marks of a key are those with the largest sums; a page cannot hold every key."""
        keys = [name.lower() for name in self.key]
        measure = self.spec.measures.get(card.value)
        if keys != [card.of.lower()]:
            return
        if isinstance(card, Donut):
            fix = "use a `bar` with `top`"
            self.complain(
                (*where, "of"), "wrong-value", f"`{card.of}` is the key: a ring would have a slice for each row", fix
            )
        elif measure and not measure.sum:
            fix = "show a measure with `sum`"
            self.complain((*where, "value"), "type-mismatch", f"a bar for each `{card.of}` needs a `sum`", fix)

    def table(self, card: RowTable, where: Keys) -> tuple[ShownColumn, ...]:
        if not 1 <= card.rows <= MOST_ROWS:
            self.complain((*where, "rows"), "wrong-value", f"a page holds 1 to {MOST_ROWS:,} rows")
        for index, name in enumerate(card.search):
            self.column(name, (*where, "search", index))
        self.check_order(card.order, (*where, "order"))
        found = [
            shown for index, item in enumerate(card.columns) for shown in self.shown(item, (*where, "columns", index))
        ]
        return tuple(found)

    def check_order(self, text: str, where: Keys) -> None:
        name = text.removesuffix(" desc").strip()
        measure = self.spec.measures.get(name)
        if measure is not None and not measure.sum:
            self.complain(
                where, "type-mismatch", f"rows are ordered by a column or a `sum`, and `{name}` is another kind"
            )
        if measure is None and name not in self.columns:
            known = (*self.columns.names, *self.spec.measures)
            self.complain(where, "unknown-column", f"there is no column or measure `{name}`", nearest(name, known))

    def shown(self, item: Any, where: Keys) -> Iterable[ShownColumn]:
        if isinstance(item, str):
            found = self.column(item, where)
            return (ShownColumn(found.name, found.name),) if found else ()
        columns = []
        for name, how in item.items():
            self.check_format(how.format, (*where, name, "format"))
            divisor = self.divisor(how.divide_by, (*where, name, "divide_by"))
            group = self.columns.group(name)
            pairs = zip(group.columns, group.labels, strict=True) if group else [(name, name)]
            if not group:
                self.number(name, where)
            columns += [ShownColumn(self.spelled(column), label, divisor, how.format) for column, label in pairs]
        return columns


def _folded(tree: exp.Expr) -> exp.Expr:
    """The condition with texts compared as labels are: without case, and without blanks at their end."""
    folded = tree.copy()
    holder = exp.Paren(this=folded)
    for node in list(holder.find_all(exp.Column, exp.Literal)):
        is_text = node.is_string if isinstance(node, exp.Literal) else type_of(node).name == "string"
        if is_text and not isinstance(node.parent, exp.Cast):
            node.replace(exp.Lower(this=exp.Trim(this=node.copy(), position="TRAILING")))
    found = holder.this
    assert isinstance(found, exp.Expr)
    return found


def order_of(dashboard: CheckedDashboard, card: RowTable) -> str:
    """The ORDER BY of the rows of a table, the key last, so that it is total."""
    name, _, direction = card.order.partition(" ")
    measure = dashboard.formulas.get(name)
    columns = measure.columns if isinstance(measure, SumMeasure) else (dashboard.column(name),)
    value = " + ".join(f"coalesce({quoted(column)}, 0)" for column in columns) if measure else quoted(columns[0])
    keys = dashboard.sink.key_ or dashboard.columns.names
    return ", ".join([f"{value} {direction or 'asc'} nulls last", *(quoted(dashboard.column(key)) for key in keys)])
