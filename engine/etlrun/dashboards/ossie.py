"""A dashboard's table and measures as an Apache Ossie semantic model (0.2.0.dev0, whose schema may still change).

Each measure has its SQL and its DAX. The page, its filters and its cards are left out, because Ossie cannot express them.
"""

from __future__ import annotations

import json
from typing import Any

from etlrun.dashboards.ansi_sql import aggregate_sql
from etlrun.dashboards.checked import CheckedDashboard
from etlrun.dashboards.measures import LargestOfColumn, LargestOfGroup, quoted
from etlrun.dashboards.powerbi.semantic_model import make_model
from etlrun.language.columns import Column, Type

VERSION = "0.2.0.dev0"


def ossie_text(dashboard: CheckedDashboard) -> str:
    """The model as JSON, which is YAML too."""
    dataset: dict[str, Any] = {"name": dashboard.table, "source": dashboard.place}
    if dashboard.key:
        dataset["primary_key"] = list(dashboard.key)
    dataset["fields"] = [_field(column) for column in dashboard.columns]
    model = {
        "name": dashboard.name,
        "description": dashboard.spec.title,
        "datasets": [dataset],
        "metrics": _metrics(dashboard),
    }
    content = {"version": VERSION, "semantic_model": [model], "dialects": ["ANSI_SQL", "DAX"]}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _field(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "expression": {"dialects": [{"dialect": "ANSI_SQL", "expression": quoted(column.name)}]},
        "datatype": _datatype(column.type),
    }


def _metrics(dashboard: CheckedDashboard) -> list[dict[str, Any]]:
    made = make_model(dashboard).measures
    texts = frozenset(column.name for column in dashboard.columns if column.type.name == "string")
    metrics = []
    for name, measure in dashboard.spec.measures.items():
        sql = aggregate_sql(name, dashboard.formulas, texts)
        dialects = [("ANSI_SQL", sql)] if sql else []
        is_text = isinstance(dashboard.formulas[name], (LargestOfColumn, LargestOfGroup))
        metrics.append(
            {
                "name": name,
                "expression": {
                    "dialects": [
                        {"dialect": dialect, "expression": text}
                        for dialect, text in (*dialects, ("DAX", made[name].dax))
                    ]
                },
                "description": measure.description or measure.label,
                "datatype": "String" if is_text else "Float",
            }
        )
    return metrics


def _datatype(kind: Type) -> str:
    if kind.is_integer:
        return "Integer"
    names = {
        "string": "String",
        "decimal": "Decimal",
        "float": "Float",
        "double": "Float",
        "boolean": "Boolean",
        "date": "Date",
        "timestamp": "DateTime",
    }
    return names.get(kind.name, "Opaque")
