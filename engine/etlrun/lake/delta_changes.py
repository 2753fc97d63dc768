"""Finds what a publish would change about the columns of a Delta table, and what does not fit.

The rules are those of the Delta protocol, "Requirements for Writers": https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from etlrun.contracts.sink import Publication
from etlrun.failures import RunFailure
from etlrun.lake.commits import Write
from etlrun.lake.required_columns import refuse_nulls
from etlrun.language.arrow import published_schema

if TYPE_CHECKING:
    from deltalake import DeltaTable, Schema

FEATURES = {  # that a writer of whole files fulfils, if no column and no property uses what is refused below
    "appendOnly",
    "changeDataFeed",
    "checkConstraints",
    "columnMapping",
    "deletionVectors",
    "generatedColumns",
    "identityColumns",
    "invariants",
    "timestampNtz",
    "v2Checkpoint",
    "vacuumProtocolCheck",
    "variantType",
    "variantType-preview",
}
CONSTRAINT = "delta.constraints."
MAPPING = "delta.columnMapping.mode"


def refuse_other_partitions(root: str, table: DeltaTable, partition_by: Sequence[str]) -> None:
    there = list(table.metadata().partition_columns)
    if there != list(partition_by):
        fix = f"write `partition_by: [{', '.join(there)}]`" if there else "remove `partition_by`"
        shown = f"partitioned by {', '.join(there)}" if there else "not partitioned"
        message = (
            f"the table {root} is {shown}, but `partition_by` of the sink is {', '.join(partition_by) or 'missing'}"
        )
        raise RunFailure("sink", "table-mismatch", message, f"{fix}, or choose another `path`")


def refuse_other_rules(root: str, table: DeltaTable, publication: Publication) -> None:
    """Raises RunFailure for a table with rules about its rows that nothing verifies when files are added to it."""
    if rule := next(_rules(table), ""):
        fix = "remove the rule from the table and write it as a check of the pipeline, or publish to another table"
        raise RunFailure("sink", "table-mismatch", f"the table {root} has {rule}, which etlrun does not support", fix)
    required = (field.name for field in table.schema().fields if not field.nullable)
    refuse_nulls(root, required, publication.columns)


def _rules(table: DeltaTable) -> Iterator[str]:
    """The rules of a table that etlrun does not support."""
    configuration = table.metadata().configuration
    for name, condition in configuration.items():
        if name.startswith(CONSTRAINT):
            yield f"the constraint `{name.removeprefix(CONSTRAINT)}` ({condition})"
    if configuration.get(MAPPING, "none") != "none":
        yield f"columns that are stored under other names (`{MAPPING}` is {configuration[MAPPING]})"
    for field in table.schema().fields:
        for name in _rules_inside(json.loads(field.to_json())):
            yield f"a rule for its column `{field.name}` (`{name}`)"
    if others := sorted(set(table.protocol().writer_features or ()) - FEATURES):
        yield f"the feature {others[0]}"


def _rules_inside(node: Any) -> Iterator[str]:
    """The names of rules in the JSON of a column, also for fields of its struct."""
    if isinstance(node, Mapping):
        for name in node.get("metadata", ()):
            if name.startswith("delta.") and not name.startswith("delta.columnMapping."):
                yield name
    inner = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    for each in inner:
        yield from _rules_inside(each)


def schema_after(table: DeltaTable, publication: Publication) -> Schema:
    """The schema of the table after a publish: unchanged, with its descriptions, if its columns are those of the relation."""
    ours = delta_schema(publication)
    return table.schema() if _types(table.schema()) == _types(ours) else ours


def column_changes(root: str, table: DeltaTable, publication: Publication, write: Write) -> tuple[str, ...]:
    """The changes of `replace` to the columns of a table. Raises RunFailure for other writes, which keep old rows."""
    there, ours = _types(table.schema()), _types(delta_schema(publication))
    if there == ours:
        return ()
    news = [f"`{column}` {kind}, new" for column, kind in ours.items() if column not in there]
    news += [f"`{column}`, gone" for column in there if column not in ours]
    news += [
        f"`{column}` {kind}, which was {there[column]}"
        for column, kind in ours.items()
        if there.get(column, kind) != kind
    ]
    if write.mode == "replace":
        change = f"the columns of the Delta table {root} change: {'; '.join(news)}"
        needs = ", and its readers must support the feature `timestampNtz`"
        return (f"{change}{needs if needs_timestamps(table, publication) else ''}",)
    raise RunFailure(
        "sink",
        "table-mismatch",
        f"the columns of the table {root} differ from those of the relation: {'; '.join(news)}",
        "change the columns of the relation in a step, or publish once with `write: replace`, which changes the columns of the table",
    )


def needs_timestamps(table: DeltaTable, publication: Publication) -> bool:
    """Whether a table without a `timestamp` gets one: this needs a table feature."""
    is_there = "timestampNtz" in (table.protocol().writer_features or ())
    return not is_there and any("timestamp_ntz" in kind for kind in _types(delta_schema(publication)).values())


def delta_schema(publication: Publication) -> Schema:
    from deltalake import Schema

    return Schema.from_arrow(published_schema(publication.columns))


def _types(schema: Schema) -> dict[str, str]:
    return {
        field.name: json.dumps(json.loads(field.type.to_json()), sort_keys=True).strip('"') for field in schema.fields
    }
