"""A Power BI project (PBIP): the folder that Power BI Desktop opens, as text by path, the same for the same dashboard."""

from __future__ import annotations

import json
from typing import Any

from etlrun.dashboards.checked import CheckedDashboard
from etlrun.dashboards.column_uses import column_uses
from etlrun.dashboards.powerbi.power_query import RowSource
from etlrun.dashboards.powerbi.semantic_model import identifier, make_model, model_files
from etlrun.dashboards.powerbi.visuals import report_files, visual_rows
from etlrun.failures import RunFailure

SCHEMAS = "https://developer.microsoft.com/json-schemas/fabric/"
MOST_ROWS = 6


def project_files(dashboard: CheckedDashboard, source: RowSource) -> dict[str, str]:
    """The files of the project, by path. Raises RunFailure if the page does not fit or a visual shows what Power BI cannot hold."""
    if len(visual_rows(dashboard)) > MOST_ROWS:
        message = f"the page of `{dashboard.name}` has more than {MOST_ROWS} rows of cards, which do not fit on one page of Power BI"
        raise RunFailure("usage", "dashboard-size", message, "put more cards into a row, or make two dashboards")
    name, model = dashboard.name, make_model(dashboard)
    uses = column_uses(dashboard)
    for column in dashboard.columns:
        if column.name in uses and column not in model.columns:
            message = f"`{column.name}` is {column.type}, a type that Power BI does not have"
            fix = "compute a text, a number, a date or a timestamp from it in the pipeline, and show that"
            failure = RunFailure("usage", "unfit-column", message, fix)
            raise failure.at(dashboard.file.document.diagnose(("sink",), failure.code, ""))
    report, semantic = f"{name}.Report", f"{name}.SemanticModel"
    files: dict[str, Any] = {
        f"{name}.pbip": {
            "$schema": f"{SCHEMAS}pbip/pbipProperties/1.0.0/schema.json",
            "version": "1.0",
            "artifacts": [{"report": {"path": report}}],
            "settings": {"enableAutoRecovery": True},
        },
        ".gitignore": "**/.pbi/localSettings.json\n**/.pbi/cache.abf\n",
        f"{report}/.platform": _platform(dashboard, "Report"),
        f"{report}/definition.pbir": {
            "$schema": f"{SCHEMAS}item/report/definitionProperties/2.0.0/schema.json",
            "version": "4.0",
            "datasetReference": {"byPath": {"path": f"../{semantic}"}},
        },
        f"{semantic}/.platform": _platform(dashboard, "SemanticModel"),
        f"{semantic}/definition.pbism": {
            "$schema": f"{SCHEMAS}item/semanticModel/definitionProperties/1.0.0/schema.json",
            "version": "4.2",
            "settings": {},
        },
        **{f"{report}/definition/{path}": content for path, content in report_files(dashboard, model).items()},
        **{f"{semantic}/{path}": content for path, content in model_files(model, source, name).items()},
    }
    return {path: content if isinstance(content, str) else _json(content) for path, content in files.items()}


def _platform(dashboard: CheckedDashboard, kind: str) -> dict[str, Any]:
    return {
        "$schema": f"{SCHEMAS}gitIntegration/platformProperties/2.0.0/schema.json",
        "metadata": {"type": kind, "displayName": dashboard.name},
        "config": {"version": "2.0", "logicalId": identifier(dashboard.name, kind)},
    }


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
