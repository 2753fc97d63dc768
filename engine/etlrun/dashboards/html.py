"""Writes a page as one HTML file with its code, style and data, without external resources."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from etlrun.dashboards.checked import CheckedDashboard, format_of, order_columns, row_columns, title_of
from etlrun.dashboards.cube import PageData
from etlrun.dashboards.page_block import block
from etlrun.dashboards.spec import Bar, Donut, Flow, Kpi, Quality, RowTable
from etlrun.spec.project import Use

MARKS = ("numbers.js", "cards.js")
TABLE = "rows.js"  # only in pages that have a table


def page_text(dashboard: CheckedDashboard, data: PageData, quality: Sequence[Mapping[str, Any]], foot: str) -> str:
    """The page as text. Its content security policy allows only its own code, and no requests."""
    folder = files("etlrun.dashboards") / "page"
    style = (folder / "page.css").read_text(encoding="utf-8")
    code = (*MARKS, TABLE) if data.rows else MARKS
    script = "\n".join((folder / name).read_text(encoding="utf-8") for name in code)
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    title = html.escape(dashboard.spec.title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy, quote=True)}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">'
        f"<title>{title}</title><style>{style}</style></head>"
        f'<body><main id="page"><header><h1>{title}</h1></header></main>'
        f"{block('data', [json.dumps(_content(dashboard, data, quality, foot)).encode()])}<script>{script}</script>"
        f"{block('rows', data.packed)}</body></html>\n"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _content(
    dashboard: CheckedDashboard, data: PageData, quality: Sequence[Mapping[str, Any]], foot: str
) -> dict[str, Any]:
    """The data for the page's code, which `page/numbers.js` reads."""
    spec = dashboard.spec
    measures = {
        name: {
            "label": measure.label,
            "description": measure.description,
            "format": format_of(measure),
            **dashboard.formulas[name].rule(),
        }
        for name, measure in spec.measures.items()
    }
    cubes = [
        {"dimensions": cube.dimensions, "codes": dict(cube.codes), "parts": dict(cube.parts)} for cube in data.cubes
    ]
    return {
        "title": spec.title,
        "measures": measures,
        "filters": [dashboard.column(name) for name in spec.filters],
        "labels": dict(data.labels),
        "cubes": cubes,
        "page": [[_card(dashboard, data, use) for use in row] for row in dashboard.file.page],
        "total": data.total,
        "quality": list(quality),
        "foot": foot,
    }


def _card(dashboard: CheckedDashboard, data: PageData, use: Use) -> dict[str, Any]:
    card, place = use.value, f"{use.where[1]}.{use.where[2]}"
    if isinstance(card, Kpi):
        return {"kind": "kpi", "measure": card.measure}
    if isinstance(card, (Bar, Donut)):
        kind = "donut" if isinstance(card, Donut) else "bar"
        column = dashboard.column(card.of)
        top = card.top if isinstance(card, Bar) else None
        return {
            "kind": kind,
            "of": column,
            "value": card.value,
            "top": top,
            "title": title_of(dashboard, card),
            "keys": data.tops.get(place),
        }
    if isinstance(card, Flow):
        names = dashboard.column(card.from_), dashboard.column(card.to)
        return {
            "kind": "flow",
            "from": names[0],
            "to": names[1],
            "value": card.value,
            "title": title_of(dashboard, card),
        }
    if isinstance(card, Quality):
        return {"kind": "quality"}
    assert isinstance(card, RowTable)
    return _table(dashboard, data, use)


def _table(dashboard: CheckedDashboard, data: PageData, use: Use) -> dict[str, Any]:
    card, first = use.value, len(dashboard.spec.filters)
    places = {name: first + index for index, name in enumerate(row_columns(dashboard, use))}
    rows = data.rows[f"{use.where[1]}.{use.where[2]}"]
    columns = [
        {
            "label": item.label,
            "at": places[item.name],
            "divisor": item.divisor,
            "format": item.format,
            "number": "texts" not in rows[places[item.name]],
        }
        for item in dashboard.tables[use.where]
    ]
    name, _, direction = card.order.partition(" ")
    measure = dashboard.spec.measures.get(name)
    words = f"{measure.label if measure else name}, {'largest' if direction == 'desc' else 'smallest'} first"
    return {
        "kind": "table",
        "title": card.title,
        "columns": columns,
        "rows": rows,
        "order": words,
        "orderedBy": [places[item] for item in order_columns(dashboard, card)] if card.rows == "all" else [],
        "descending": direction == "desc",
        "search": [places[dashboard.column(item)] for item in card.search],
        "searched": list(card.search),
        "totals": card.totals,
    }
