"""Lineage as events of OpenLineage (openlineage.io), which catalogues such as Marquez and DataHub read."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import etlrun
from etlrun.compiler.check import Checked
from etlrun.compiler.plan import Plan, make_plan
from etlrun.compiler.relation_lineage import plan_lineage
from etlrun.language.columns import Columns
from etlrun.language.influence import Lineage, OriginColumn
from etlrun.reading.finding import fixed_part
from etlrun.spec.urls import is_url, read_url

SPEC = "https://openlineage.io/spec"
PRODUCER = f"urn:etlrun:{etlrun.__version__}"
Dataset = tuple[str, str]  # the namespace, and the name in it
_DIRECT = {"identity": "IDENTITY", "transformation": "TRANSFORMATION", "aggregation": "AGGREGATION"}


@dataclass(frozen=True)
class Addresses:
    """How the databases of a profile are called: by connection the namespace, and what stands before the name of a table."""

    namespace: str
    root: Path
    connections: Mapping[str, Dataset] = field(default_factory=dict)

    def table(self, connection: str, table: str) -> Dataset:
        namespace, prefix = self.connections.get(connection, (self.namespace, f"{connection}."))
        return namespace, f"{prefix}{table}"


@dataclass(frozen=True)
class Happened:
    """What is said of a run: when, what became of it, and how many rows went to each sink."""

    run_id: str
    time: str
    rows: Mapping[str, int] = field(default_factory=dict)
    error: str = ""


def run_event(kind: str, checked: Checked, addresses: Addresses, happened: Happened) -> dict[str, Any]:
    """The event of a run: `kind` is START, COMPLETE, FAIL or ABORT."""
    facets: dict[str, Any] = {}
    if happened.error:
        facts = {"message": happened.error, "programmingLanguage": "Python"}
        facets["errorMessage"] = _facet("ErrorMessageRunFacet", "1-0-1", facts)
    return {
        "eventType": kind,
        "run": {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"etlrun/{happened.run_id}")), "facets": facets},
        **_event(checked, addresses, happened, f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"),
    }


def job_event(checked: Checked, addresses: Addresses, time: str) -> dict[str, Any]:
    """The event that tells what a pipeline reads and publishes, without a run of it."""
    return _event(checked, addresses, Happened("", time), f"{SPEC}/2-0-2/OpenLineage.json#/$defs/JobEvent")


def _event(checked: Checked, addresses: Addresses, happened: Happened, schema: str) -> dict[str, Any]:
    plan = make_plan(checked)
    reading = [source for source, use in checked.pipeline.sources.items() if use.value.own_rows() is None]
    inputs = {source: _input(checked, source, addresses) for source in reading}
    return {
        "eventTime": happened.time,
        "producer": PRODUCER,
        "schemaURL": schema,
        "job": {"namespace": addresses.namespace, "name": checked.pipeline.name, "facets": _job_facets(checked)},
        "inputs": [
            {"namespace": dataset[0], "name": dataset[1], "facets": {"schema": _schema(checked.columns[source])}}
            for source, dataset in inputs.items()
        ],
        "outputs": _outputs(plan, addresses, inputs, happened),
    }


def _input(checked: Checked, source: str, addresses: Addresses) -> Dataset:
    use = checked.pipeline.sources[source].value
    if (place := use.table_read()) is not None and place[0]:
        return addresses.table(use.connection, use.table)
    return _of_path(fixed_part(str(getattr(use, "path", source))), addresses)


def _of_path(path: str, addresses: Addresses) -> Dataset:
    """The name of a file or folder; an object's namespace is its bucket or container, and `/` names all of it."""
    if is_url(path):
        url = read_url(path)
        return f"{url.scheme}://{url.authority}", url.key or "/"
    return "file", str((addresses.root / path).resolve())


def _outputs(
    plan: Plan, addresses: Addresses, inputs: Mapping[str, Dataset], happened: Happened
) -> list[dict[str, Any]]:
    found, lineages, checked = [], plan_lineage(plan, {}), plan.checked
    for sink, use in checked.pipeline.sinks.items():
        written, relation = use.value.table_written(sink), lineages[use.value.from_]
        path = str(getattr(use.value, "path", sink))
        dataset = addresses.table(*written) if written and written[0] else _of_path(path, addresses)
        columns = {name: {"inputFields": _fields(lineage, inputs)} for name, lineage in relation.columns.items()}
        facets = {
            "schema": _schema(checked.columns[use.value.from_]),
            "columnLineage": _facet(
                "ColumnLineageDatasetFacet", "1-2-0", {"fields": columns, "dataset": _fields(relation.rows, inputs)}
            ),
        }
        output: dict[str, Any] = {"namespace": dataset[0], "name": dataset[1], "facets": facets}
        if sink in happened.rows:
            facts = {"rowCount": happened.rows[sink]}
            statistics = _facet("OutputStatisticsOutputDatasetFacet", "1-0-2", facts)
            output["outputFacets"] = {"outputStatistics": statistics}
        found.append(output)
    return found


def _fields(lineage: Lineage, inputs: Mapping[str, Dataset]) -> list[dict[str, Any]]:
    """The columns that influence a value, direct and indirect ones each with their kinds."""
    kinds: dict[OriginColumn, list[dict[str, Any]]] = {}
    for origin, kind in sorted(lineage.direct.items()):
        subtype = _DIRECT.get(kind, "TRANSFORMATION")
        kinds.setdefault(origin, []).append({"type": "DIRECT", "subtype": subtype, "description": kind})
    for origin, how in lineage.deciding().items():
        subtypes = [{"type": "INDIRECT", "subtype": word.upper().replace(" ", "_")} for word in how]
        kinds.setdefault(origin, []).extend(subtypes)
    return [
        {
            "namespace": inputs[origin.relation][0],
            "name": inputs[origin.relation][1],
            "field": origin.column,
            "transformations": transformations,
        }
        for origin, transformations in kinds.items()
        if origin.relation in inputs  # a calendar is no dataset
    ]


def _job_facets(checked: Checked) -> dict[str, Any]:
    facts = {"processingType": "BATCH", "integration": "ETLRUN", "jobType": "PIPELINE"}
    found = {"jobType": _facet("JobTypeJobFacet", "2-0-4", facts)}
    if checked.pipeline.description:
        words = {"description": checked.pipeline.description}
        found["documentation"] = _facet("DocumentationJobFacet", "1-1-0", words)
    return found


def _schema(columns: Columns) -> dict[str, Any]:
    fields = [{"name": item.name, "type": str(item.type), "description": item.description} for item in columns]
    return _facet("SchemaDatasetFacet", "1-2-0", {"fields": fields})


def _facet(name: str, version: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    url = f"{SPEC}/facets/{version}/{name}.json#/$defs/{name}"
    return {"_producer": PRODUCER, "_schemaURL": url, **facts}
