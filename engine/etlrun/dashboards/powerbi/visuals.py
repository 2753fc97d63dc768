"""The report of a dashboard: one page of visuals in PBIR, laid out as the rows of the dashboard's page."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etlrun.dashboards.checked import CheckedDashboard, title_of
from etlrun.dashboards.measures import SumMeasure
from etlrun.dashboards.powerbi.semantic_model import SemanticModel
from etlrun.dashboards.spec import Bar, Donut, Flow, Kpi, Quality, RowTable
from etlrun.spec.project import Use

SCHEMAS = "https://developer.microsoft.com/json-schemas/fabric/item/report/definition/"
WIDTH, HEIGHT, MARGIN, GAP = 1280, 720, 20, 10
WEIGHTS = {"kpi": 1, "table": 2}  # how high a row of such cards is; 2 where it is none of them
Json = dict[str, Any]


@dataclass(frozen=True)
class VisualField:
    """A column or measure in a visual. `label` is what is shown where it is not the name."""

    kind: str  # Column or Measure
    name: str
    label: str = ""


@dataclass(frozen=True)
class Visual:
    """A visual: its type, and fields by role."""

    type: str
    roles: Mapping[str, Sequence[VisualField]]
    title: str = ""
    order: tuple[VisualField, str] | None = None
    top: tuple[VisualField, VisualField, int] | None = None  # the column, the measure, how many
    place: tuple[int, int] = (0, 0)
    box: Mapping[str, int] = field(default_factory=dict)


def report_files(dashboard: CheckedDashboard, model: SemanticModel) -> dict[str, Json]:
    """The files of the report's folder `definition`, by their path in it."""
    page = _hash(dashboard.name, "page")
    files: dict[str, Json] = {
        "version.json": {"$schema": f"{SCHEMAS}versionMetadata/1.0.0/schema.json", "version": "2.0.0"},
        "report.json": {
            "$schema": f"{SCHEMAS}report/3.3.0/schema.json",
            "themeCollection": {},
            "settings": {"useEnhancedTooltips": True, "exportDataMode": "AllowSummarized"},
        },
        "pages/pages.json": {
            "$schema": f"{SCHEMAS}pagesMetadata/1.0.0/schema.json",
            "pageOrder": [page],
            "activePageName": page,
        },
        f"pages/{page}/page.json": {
            "$schema": f"{SCHEMAS}page/2.1.0/schema.json",
            "name": page,
            "displayName": dashboard.spec.title,
            "displayOption": "FitToPage",
            "height": HEIGHT,
            "width": WIDTH,
        },
    }
    for order, visual in enumerate(_laid_out(dashboard, model), 1):
        name = _hash(dashboard.name, *map(str, visual.place))
        files[f"pages/{page}/visuals/{name}/visual.json"] = _visual(model.table, name, visual, order * 1000)
    return files


def visual_rows(dashboard: CheckedDashboard) -> list[list[Use]]:
    """The rows of cards that Power BI shows. The quality card is left out, because the model has only the table."""
    rows = [[use for use in row if not isinstance(use.value, Quality)] for row in dashboard.file.page]
    return [row for row in rows if row]


def _laid_out(dashboard: CheckedDashboard, model: SemanticModel) -> Iterator[Visual]:
    rows = visual_rows(dashboard)
    weights = [max(WEIGHTS.get(use.kind, 2) for use in row) for row in rows]
    free = HEIGHT - 2 * MARGIN - GAP * (len(rows) - 1)
    top = MARGIN
    for row, weight in zip(rows, weights, strict=True):
        height = free * weight // sum(weights)
        width = (WIDTH - 2 * MARGIN - GAP * (len(row) - 1)) // len(row)
        for index, use in enumerate(row):
            box = {"x": MARGIN + index * (width + GAP), "y": top, "width": width, "height": height}
            place = (int(use.where[1]), int(use.where[2]))
            yield _Card(dashboard, model).visual(use, place, box)
        top += height + GAP


class _Card:
    """Turns a card into a visual."""

    def __init__(self, dashboard: CheckedDashboard, model: SemanticModel) -> None:
        self.dashboard = dashboard
        self.model = model

    def column(self, name: str) -> VisualField:
        return VisualField("Column", self.dashboard.column(name))

    def measure(self, name: str) -> VisualField:
        return VisualField("Measure", self.model.measures[name].name)

    def visual(self, use: Use, place: tuple[int, int], box: Mapping[str, int]) -> Visual:
        card, title = use.value, title_of(self.dashboard, use.value)
        if isinstance(card, Kpi):
            return Visual("cardVisual", {"Data": [self.measure(card.measure)]}, place=place, box=box)
        if isinstance(card, (Bar, Donut)):
            of, value = self.column(card.of), self.measure(card.value)
            kind = "donutChart" if isinstance(card, Donut) else "clusteredBarChart"
            top = (of, value, card.top) if isinstance(card, Bar) else None
            roles = {"Category": [of], "Y": [value]}
            return Visual(kind, roles, title, (value, "Descending"), top, place, box)
        if isinstance(card, Flow):
            roles = {
                "Rows": [self.column(card.from_)],
                "Columns": [self.column(card.to)],
                "Values": [self.measure(card.value)],
            }
            return Visual("pivotTable", roles, title, place=place, box=box)
        assert isinstance(card, RowTable)
        return self.table(card, use, place, box)

    def table(self, card: RowTable, use: Use, place: tuple[int, int], box: Mapping[str, int]) -> Visual:
        """All rows, in the order of the card. What they are ordered by is shown, for Power BI sorts by nothing else."""
        shown = [
            VisualField("Measure", self.model.shown[item].name, item.label)
            if item in self.model.shown
            else self.column(item.name)
            for item in self.dashboard.tables[use.where]
        ]
        name, _, direction = card.order.partition(" ")
        is_sum = isinstance(self.dashboard.formulas.get(name), SumMeasure)
        by = self.measure(name) if is_sum else self.column(name)
        values = shown if by in shown else [*shown, by]
        order = (by, "Descending" if direction == "desc" else "Ascending")
        return Visual("tableEx", {"Values": values}, card.title, order, None, place, box)


def _visual(table: str, name: str, visual: Visual, order: int) -> Json:
    roles = {
        role: {"projections": [_projection(table, item) for item in items]} for role, items in visual.roles.items()
    }
    query: Json = {"queryState": roles}
    if visual.order:
        by, direction = visual.order
        query["sortDefinition"] = {
            "sort": [{"field": _field(table, by), "direction": direction}],
            "isDefaultSort": False,
        }
    container: Json = {"border": [{"properties": {"show": _literal("true")}}]}
    if visual.title:
        container["title"] = [{"properties": {"show": _literal("true"), "text": _literal(_text(visual.title))}}]
    found: Json = {
        "$schema": f"{SCHEMAS}visualContainer/2.9.0/schema.json",
        "name": name,
        "position": {**visual.box, "z": order, "tabOrder": order},
        "visual": {
            "visualType": visual.type,
            "query": query,
            "drillFilterOtherVisuals": True,
            "visualContainerObjects": container,
        },
    }
    if visual.top:
        found["filterConfig"] = {"filters": [_top(table, name, *visual.top)]}
    return found


def _top(table: str, name: str, column: VisualField, measure: VisualField, count: int) -> Json:
    """The filter that keeps the categories with the largest values; of equal ones at the last place all."""
    inner = {"SourceRef": {"Source": "t"}}
    selected = {"Column": {"Expression": inner, "Property": column.name}}
    subquery = {
        "Version": 2,
        "From": [{"Name": "t", "Entity": table, "Type": 0}],
        "Select": [{**selected, "Name": "field"}],
        "OrderBy": [{"Direction": 2, "Expression": {"Measure": {"Expression": inner, "Property": measure.name}}}],
        "Top": count,
    }
    return {
        "name": f"Filter{_hash(name, 'top')}",
        "field": _field(table, column),
        "type": "TopN",
        "filter": {
            "Version": 2,
            "From": [
                {"Name": "subquery", "Expression": {"Subquery": {"Query": subquery}}, "Type": 2},
                {"Name": "t", "Entity": table, "Type": 0},
            ],
            "Where": [
                {"Condition": {"In": {"Expressions": [selected], "Table": {"SourceRef": {"Source": "subquery"}}}}}
            ],
        },
    }


def _field(table: str, item: VisualField) -> Json:
    return {item.kind: {"Expression": {"SourceRef": {"Entity": table}}, "Property": item.name}}


def _projection(table: str, item: VisualField) -> Json:
    label = {"displayName": item.label} if item.label else {}
    return {"field": _field(table, item), "queryRef": f"{table}.{item.name}", "nativeQueryRef": item.name, **label}


def _literal(value: str) -> Json:
    return {"expr": {"Literal": {"Value": value}}}


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _hash(*parts: str) -> str:
    """A name of 20 hexadecimal digits, as Power BI makes them."""
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:20]
