"""A dashboard is a page about one published table: it defines measures, and cards that show them.

A file in `dashboards/` describes a page about one sink. `etlrun check` checks it against the pipeline.
`etlrun dashboard build` writes one HTML file, which opens from disk without a server and without a network.

```yaml
dashboard: sales
title: Sales by shop
pipeline: sales
sink: sales
measures:
  shops:   {label: Shops, count: rows}
  revenue: {label: Revenue, sum: revenue, format: decimal 2}
filters: [size]
page:
  - [{kpi: shops}, {kpi: revenue}]
  - [{bar: {of: size, value: revenue}}, {bar: {of: shop, value: revenue, top: 10}}]
  - [{donut: {of: size, value: shops}}, {flow: {from: size_before, to: size, value: shops}}, {quality: last run}]
  - [{table: {columns: [shop, revenue, size], order: revenue desc}}]
```

A click on a value of a filter column filters the whole page. The file contains sums for every combination of the
filters. It contains no rows, except those of a `table` card: at most as many as its key `rows` allows. With `rows: all`
the file contains every row, and the command prints a notice: anyone who has the file can read the table.

Texts are compared without letter case and trailing spaces, like in Power BI; the page shows the most frequent spelling.
Null is a value of its own. Instants are shown in UTC. A page has limits, and the build fails above them: a filter or
donut shows at most 200 values, a `flow` at most 50 rows and 50 columns. A `bar` may have more values: it shows the
`top` ones.

While you write a dashboard, run `etlrun dashboard watch` (`pip install 'etlrun[watch]'`). It serves the pages on
127.0.0.1 and builds them again when a file of the project changes or a run publishes the table. Open pages reload.
Mistakes are shown above the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from etlrun.diagnostics import SpecError
from etlrun.spec.building import Origin, build
from etlrun.spec.editor_schema import editor_text
from etlrun.spec.fields import Described, Expr, Scalar, Schema, key, schema_of_class
from etlrun.spec.located import Document, Keys
from etlrun.spec.project import Project, Use
from etlrun.spec.schema import find_mistakes, kind_schema
from etlrun.spec.yaml_reader import read_document

FOLDER = "dashboards"


@dataclass(frozen=True)
class RowShare(Described):
    """Which rows are counted, and among which."""

    where: Expr = key(
        "a condition of comparisons with constants, `in` and `is null`, joined by `and` and `or`",
        example="size = 'large'",
    )
    of: Literal["all", "known"] = key(
        "`known` does not count rows for which the condition is null; `all` counts them", default="known"
    )


@dataclass(frozen=True)
class ArgMax(Described):
    """What has the largest value."""

    over: str = key("a column group, or a column of text", example="totals")
    by: str = key("if `over` is a column: the measure to compare", default="", example="revenue")


@dataclass(frozen=True)
class Measure(Described):
    """A number, or a label, of all rows that are selected. It has one of count, distinct, sum, average, ratio, share and argmax."""

    label: str = key("the name that readers see")
    description: str = key("the meaning of the measure, in one sentence", default="", example="bills without returns")
    count: Literal["rows"] | None = key(
        "`rows` is the number of rows; to count the values of a column, use `distinct: COLUMN`", default=None
    )
    distinct: str | None = key("the number of distinct values of a column", default=None, example="shop")
    sum: tuple[str, ...] = key("the sum of columns of numbers, or of a column group", default=())
    average: str | None = key(
        "the mean of a column of numbers; rows with a null are not counted", default=None, example="units"
    )
    ratio: tuple[str, ...] = key(
        "two measures; the first is divided by the second", default=(), example=("revenue", "shops")
    )
    share: RowShare | None = key(
        "the share of rows for which a condition is true", default=None, example={"where": "size = 'large'"}
    )
    argmax: ArgMax | None = key("the label of the largest value", default=None, example={"over": "totals"})
    divide_by: Scalar | None = key(
        "divide the measure by a number above 0, or by `days($month)`, the number of days of a month",
        default=None,
        example="days($month)",
    )
    format: str = key(
        "`whole`, `short`, `decimal 2` or `percent 1`: the number of digits after the decimal point", default=""
    )

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of which one must be given."""
        return tuple(name for name in KINDS if getattr(self, name) not in (None, ()))


KINDS = ("count", "distinct", "sum", "average", "ratio", "share", "argmax")


@dataclass(frozen=True)
class Kpi(Described):
    """One number with its label."""

    short: ClassVar[str] = "measure"
    also: ClassVar[Mapping[str, str]] = {
        "value": "measure",
        **dict.fromkeys(
            ("title", "label", "name"), "the title of the card is the `label` of its measure, in `measures`"
        ),
        "format": "the number has the `format` of its measure, in `measures`",
    }

    measure: str = key("the measure")


_MARKS = {
    **dict.fromkeys(("by", "column", "dimension"), "of"),
    **dict.fromkeys(("measure", "metric"), "value"),
    **dict.fromkeys(("label", "name"), "title"),
}


@dataclass(frozen=True)
class Bar(Described):
    """A bar for each value of a column."""

    also: ClassVar[Mapping[str, str]] = {**_MARKS, "limit": "top", "rows": "top"}

    of: str = key("the column")
    value: str = key("the measure for the length of a bar")
    top: int = key("the largest number of bars; the longest bars are shown", default=20)
    title: str = key("the title of the card; default: made from the labels", default="", example="Revenue by shop")


@dataclass(frozen=True)
class Donut(Described):
    """A ring with a slice for each value of a column, for few values."""

    also: ClassVar[Mapping[str, str]] = _MARKS

    of: str = key("the column")
    value: str = key("the measure for the size of a slice")
    title: str = key("the title of the card; default: made from the labels", default="", example="Revenue by shop")


@dataclass(frozen=True)
class Flow(Described):
    """A table of cells: how many rows go from a value of one column to a value of another."""

    also: ClassVar[Mapping[str, str]] = {"source": "from", "target": "to", "measure": "value", "label": "title"}

    from_: str = key("the column for the rows of the table", yaml="from", example="size_before")
    to: str = key("the column for the columns of the table", example="size_now")
    value: str = key("the measure in the cells")
    title: str = key("the title of the card; default: made from the labels", default="", example="Revenue by shop")


@dataclass(frozen=True)
class Quality(Described):
    """The data quality of the last run: broken records, checks and coverage."""

    short: ClassVar[str] = "of"

    of: Literal["last run"] = key("`last run` is the last run that published")


@dataclass(frozen=True)
class Shown(Described):
    """How the columns of a group are shown."""

    divide_by: Scalar | None = key("divide the values by a number above 0", default=None, example=3600)
    format: str = key(
        "`whole`, `short`, `decimal 2` or `percent 1`: the number of digits after the decimal point",
        default="",
        example="decimal 2",
    )


@dataclass(frozen=True)
class RowTable(Described):
    """The rows with the largest or smallest values, to search and to sort."""

    also: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("sort", "sort_by", "order_by"), "order"),
        **dict.fromkeys(("limit", "top"), "rows"),
        "label": "title",
    }

    columns: tuple[str | Mapping[str, Shown], ...] = key("columns, or `{column or group: {divide_by: .., format: ..}}`")
    order: str = key("the column or measure to sort by; `desc` after it puts the largest first")
    rows: int | Literal["all"] = key(
        "the largest number of rows in the page; `all` puts every row into the file", default=1000
    )
    search: tuple[str, ...] = key("the text columns in which the search looks", default=(), example=("shop",))
    totals: bool = key("whether the last line shows the sums of number columns", default=False)
    title: str = key("the title of the card", default="Rows")


CARDS: dict[str, type[Described]] = {
    "kpi": Kpi,
    "bar": Bar,
    "donut": Donut,
    "flow": Flow,
    "quality": Quality,
    "table": RowTable,
}


@dataclass(frozen=True)
class Dashboard(Described):
    """A dashboard but for the cards of its page."""

    dashboard: str = key("the name of the dashboard, and of the page that is built")
    title: str = key("the title of the page")
    pipeline: str = key("the pipeline whose result is shown")
    sink: str = key("the sink of the pipeline that is shown: a `table`, or `files` of one Parquet file")
    measures: Mapping[str, Measure] = key("name: a number that is computed from the selected rows")
    filters: tuple[str, ...] = key(
        "the columns that a click filters by; the page contains sums for every combination of their values", default=()
    )


@dataclass(frozen=True)
class DashboardFile:
    """A file of dashboards/, valid in form. `page` are rows of cards, each with its place in the file."""

    dashboard: Dashboard
    page: tuple[tuple[Use, ...], ...]
    path: Path
    origin: Origin

    @property
    def document(self) -> Document:
        return self.origin.document

    @property
    def cards(self) -> tuple[Use, ...]:
        return tuple(use for row in self.page for use in row)


def dashboards_below(folder: Path) -> tuple[Path, ...]:
    """The dashboards of a folder, in the order of their paths."""
    return tuple(sorted(path for path in (*folder.glob("*.yaml"), *folder.glob("*.yml")) if path.is_file()))


def is_dashboard_file(path: Path) -> bool:
    """Whether a file is a dashboard, by the folder that it is in."""
    return path.resolve().parent.name == FOLDER


def read_document_of(path: Path, project: Project) -> Document:
    """The document of a dashboard, valid in form. Raises SpecError with every mistake of its form."""
    document = read_document(path, project.shown(path))
    mistakes = find_mistakes(document, dashboard_schema())
    if mistakes:
        raise SpecError(mistakes)
    return document


def build_dashboard(path: Path, document: Document, values: Mapping[str, Any]) -> DashboardFile:
    """The typed dashboard of a valid document; `$name` stands for the pipeline's values."""
    origin = Origin(document, values)
    head = build(Dashboard, {name: value for name, value in document.value.items() if name != "page"}, (), origin)
    page = tuple(
        tuple(_card(item, ("page", row, index), origin) for index, item in enumerate(cards))
        for row, cards in enumerate(document.value["page"])
    )
    return DashboardFile(head, page, path, origin)


def _card(item: Mapping[str, Any], where: Keys, origin: Origin) -> Use:
    ((kind, payload),) = item.items()
    return Use(kind, build(CARDS[kind], payload, (*where, kind), origin), (*where, kind))


@cache
def dashboard_schema() -> Schema:
    """The JSON Schema of a dashboard."""
    schema: Schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "an etlrun dashboard",
        **schema_of_class(Dashboard),
        "x-place": "a dashboard",
    }
    card = kind_schema(CARDS)
    schema["properties"]["measures"]["minProperties"] = 1
    schema["properties"]["page"] = {
        "type": "array",
        "description": "rows of cards, from top to bottom",
        "items": {"type": "array", "items": card, "minItems": 1},
        "minItems": 1,
    }
    schema["required"] = [*schema["required"], "page"]
    return schema


def schema_text() -> str:
    """The schema as a file, for editors."""
    return editor_text(dashboard_schema(), "docs/dashboards.md", __name__)
