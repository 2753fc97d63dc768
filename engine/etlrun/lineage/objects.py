"""Lineage as plain objects: what `etlrun lineage --json` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etlrun.language.influence import Lineage, OriginColumn, RelationLineage
from etlrun.lineage.of_project import Reached
from etlrun.lineage.personal_origins import Personal


def relation_object(relation: RelationLineage, personal: Personal) -> dict[str, Any]:
    """The lineage of the columns of a relation, and of its rows; `pii` of a column are the tagged ones that it is made of."""
    columns = {
        name: {**lineage_object(lineage), "pii": list(personal.parts_of(lineage))}
        for name, lineage in relation.columns.items()
    }
    rows = lineage_object(relation.rows)
    return {"columns": columns, "rows": {"indirect": rows["indirect"], "files": rows["files"]}}


def lineage_object(lineage: Lineage) -> dict[str, Any]:
    """Direct and indirect influences, in two lists, and the files that have a part."""
    return {
        "direct": [{**_origin(origin), "kind": kind} for origin, kind in sorted(lineage.direct.items())],
        "indirect": [{**_origin(origin), "kinds": list(kinds)} for origin, kinds in lineage.deciding().items()],
        "files": sorted(lineage.files),
    }


def reached_objects(reached: Mapping[OriginColumn, list[Reached]]) -> list[dict[str, Any]]:
    """The published columns that columns of sources reach."""
    return [
        {
            **_origin(origin),
            "reaches": [
                {
                    "pipeline": one.pipeline,
                    "sink": one.sink,
                    "column": one.column,
                    "influence": "direct" if one.is_direct else "indirect",
                }
                for one in found
            ],
        }
        for origin, found in reached.items()
    ]


def _origin(origin: OriginColumn) -> dict[str, str]:
    return {"pipeline": origin.pipeline, "relation": origin.relation, "column": origin.column}
