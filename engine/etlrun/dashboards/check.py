"""Checks every name, type and format of a dashboard against its pipeline, without data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from etlrun.compiler.check import Checked
from etlrun.compiler.producers import check_file, name_in
from etlrun.dashboards.checked import CheckedDashboard, ShownColumn, key_of
from etlrun.dashboards.formulas import read_formulas
from etlrun.dashboards.names import Names
from etlrun.dashboards.spec import Bar, DashboardFile, Donut, Flow, Kpi, RowTable, build_dashboard, read_document_of
from etlrun.diagnostics import SpecError, nearest, shortened
from etlrun.sinks.files import Files
from etlrun.sinks.table import Table
from etlrun.spec.cases import pipelines_below
from etlrun.spec.located import Document, Keys
from etlrun.spec.project import Project, Use
from etlrun.spec.project_file import find_project

MOST_ROWS = 10_000
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,39}")


def check_dashboard(path: Path, profile: str = "", settings: Mapping[str, str] | None = None) -> CheckedDashboard:
    """Read and check a dashboard with its pipeline. Raises SpecError with every mistake."""
    project = find_project(path)
    document = read_document_of(path, project)
    checked = check_file(_pipeline_file(document, project), profile, settings or {})
    return check_against(path, document, checked)


def check_against(path: Path, document: Document, checked: Checked) -> CheckedDashboard:
    """Check a dashboard, valid in form, against its pipeline. Raises SpecError with every mistake."""
    return _Checker(build_dashboard(path, document, checked.pipeline.values), checked).dashboard()


def _pipeline_file(document: Document, project: Project) -> Path:
    folder = project.path("pipelines")
    paths = tuple(pipelines_below(folder))
    known = {name_in(path): path for path in reversed(paths)}
    files = {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}
    name = document.value["pipeline"]
    found = known.get(name) or files.get(name)
    if found is not None:
        return found
    fix = nearest(name, known) or (
        f"the pipelines are {shortened(sorted(known))}" if known else "write one: etlrun new"
    )
    message = f"there is no pipeline `{name}` in pipelines/"
    raise SpecError([document.diagnose(("pipeline",), "unknown-pipeline", message, fix)])


class _Checker:
    """Checks the cards and filters of one dashboard against its pipeline."""

    def __init__(self, file: DashboardFile, checked: Checked) -> None:
        self.file = file
        self.spec = file.dashboard
        self.checked = checked
        self.sink = self.find_sink()
        self.names = Names(file, checked, checked.columns[self.sink.from_], key_of(self.sink, checked))

    def dashboard(self) -> CheckedDashboard:
        for index, name in enumerate(self.spec.filters):
            self.names.column(name, ("filters", index))
        self.check_names()
        formulas = read_formulas(self.names)
        tables = {use.where: self.table(use.value, use.where) for use in self.file.cards if use.kind == "table"}
        for use in self.file.cards:
            self.check_card(use)
        if self.names.problems:
            raise SpecError(self.names.problems)
        return CheckedDashboard(
            self.file, self.checked, self.sink, self.names.columns, self.names.key, formulas, tables
        )

    def check_names(self) -> None:
        """Check that the dashboard's name is a valid file name, and that measures have different labels."""
        if not NAME.fullmatch(self.spec.dashboard):
            message = f"`{self.spec.dashboard}` cannot be the name of a file"
            self.names.complain(("dashboard",), "wrong-value", message, "use letters, digits, `_` and `-`")
        labels = ((item.label, ("measures", name, "label")) for name, item in self.spec.measures.items())
        self.names.check_one_of_each(labels, "label")

    def find_sink(self) -> Table | Files:
        """The shown sink. Raises SpecError if it does not distinguish null from empty text."""
        name, sinks = self.spec.sink, self.checked.pipeline.sinks
        use = sinks.get(name)
        if use is None:
            message = f"the pipeline `{self.spec.pipeline}` has no sink `{name}`"
            fix = nearest(name, sinks) or f"the sinks are {', '.join(sinks)}"
            raise SpecError([self.file.document.diagnose(("sink",), "unknown-relation", message, fix)])
        if isinstance(use.value, Table) or (isinstance(use.value, Files) and use.value.is_parquet_file):
            return use.value
        path = getattr(use.value, "path", "")
        message = f"the sink `{name}` is `{use.kind}: {path}`, but a dashboard can show only a `table`, or one Parquet file of the project"
        added = f"{name}_shown: {{files: {{from: {use.value.from_}, path: out/{name}.parquet}}}}"
        fix = f"add a sink for the same rows, `{added}`, and write `sink: {name}_shown` here"
        raise SpecError([self.file.document.diagnose(("sink",), "wrong-value", message, fix)])

    def check_card(self, use: Use) -> None:
        card, where = use.value, use.where
        if isinstance(card, Kpi):
            self.names.measure(card.measure, (*where, "measure"))
        if isinstance(card, (Bar, Donut)):
            self.names.column(card.of, (*where, "of"))
            self.names.measure(card.value, (*where, "value"), numeric=True)
            self.check_key(card, where)
        if isinstance(card, Flow):
            self.names.column(card.from_, (*where, "from"))
            self.names.column(card.to, (*where, "to"))
            self.names.measure(card.value, (*where, "value"), numeric=True)
        if isinstance(card, Bar) and card.top < 1:
            self.names.complain(
                (*where, "top"),
                "wrong-value",
                "a number of at least 1 is expected here",
                "write `top: 10`, or leave it out",
            )

    def check_key(self, card: Bar | Donut, where: Keys) -> None:
        """Check that a bar over a key shows only the largest sums: a page cannot contain every key."""
        keys = [name.lower() for name in self.names.key]
        measure = self.names.measures.get(card.value)
        if keys != [card.of.lower()]:
            return
        if isinstance(card, Donut):
            fix = "use a `bar` with `top`"
            self.names.complain(
                (*where, "of"), "wrong-value", f"`{card.of}` is the key, so a ring would have a slice for each row", fix
            )
        elif measure and not measure.sum:
            fix = "show a measure with `sum`"
            self.names.complain((*where, "value"), "type-mismatch", f"a bar for each `{card.of}` needs a `sum`", fix)

    def table(self, card: RowTable, where: Keys) -> tuple[ShownColumn, ...]:
        if card.rows != "all" and not 1 <= card.rows <= MOST_ROWS:
            self.names.complain(
                (*where, "rows"), "wrong-value", f"a page can have 1 to {MOST_ROWS:,} rows", "or write `all`"
            )
        for index, name in enumerate(card.search):
            found = self.names.column(name, (*where, "search", index))
            if found and found.type.is_numeric:
                message = f"a search needs text columns, but `{found.name}` is a number"
                self.names.complain((*where, "search", index), "type-mismatch", message, "name a column of text")
        self.check_order(card.order, (*where, "order"))
        items = enumerate(card.columns)
        return tuple(shown for index, item in items for shown in self.shown(item, (*where, "columns", index)))

    def check_order(self, text: str, where: Keys) -> None:
        name = text.removesuffix(" desc").strip()
        measure = self.names.measures.get(name)
        if measure is not None and not measure.sum:
            self.names.complain(
                where,
                "type-mismatch",
                f"rows can be ordered by a column or a `sum`, but `{name}` is another kind of measure",
                "name a column, or a measure with `sum`",
            )
        if measure is None and name not in self.names.columns:
            known = (*self.names.columns.names, *self.names.measures)
            meant = next((word for word in re.findall(r"[^\s,+-]+", text) if word in known), "")
            fix = f"write `{meant} desc` for the largest first, or `{meant}`" if meant else nearest(name, known)
            fix = fix or f"name a column or a measure: {', '.join(dict.fromkeys(known))}"
            self.names.complain(where, "unknown-column", f"there is no column or measure `{name}`", fix)

    def shown(self, item: Any, where: Keys) -> Iterable[ShownColumn]:
        if isinstance(item, str):
            found = self.names.column(item, where)
            return (ShownColumn(found.name, found.name),) if found else ()
        columns = []
        for name, how in item.items():
            self.names.check_format(how.format, (*where, name, "format"))
            divisor = self.names.divisor(how.divide_by, (*where, name, "divide_by"))
            group = self.names.columns.group(name)
            pairs = zip(group.columns, group.labels, strict=True) if group else [(name, name)]
            if not group:
                self.names.number(name, where, or_group=True)
            columns += [ShownColumn(self.names.spelled(column), label, divisor, how.format) for column, label in pairs]
        return columns
