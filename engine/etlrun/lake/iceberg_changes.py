"""Finds what a publish would change about the columns of an Iceberg table, and what does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etlrun.contracts.sink import Publication
from etlrun.failures import RunFailure
from etlrun.lake.commits import Write
from etlrun.lake.iceberg_catalog import CatalogTable
from etlrun.lake.iceberg_types import iceberg_schema, identity_columns, shown_type
from etlrun.lake.required_columns import refuse_nulls

if TYPE_CHECKING:
    from pyiceberg.table import Table, Transaction


@dataclass(frozen=True)
class TableChanges:
    """Removed and added columns of a table; a column whose type changes is in both."""

    lost: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def apply(self, transaction: Transaction, publication: Publication) -> None:
        """Add the changes to a transaction."""
        if not (self.lost or self.added):
            return
        types = {field.name: field.field_type for field in iceberg_schema(publication.columns).fields}
        with transaction.update_schema(allow_incompatible_changes=True) as update:
            for name in self.lost:
                update.delete_column((name,))
        with transaction.update_schema(allow_incompatible_changes=True) as update:
            for name in self.added:
                update.add_column((name,), types[name])


def table_changes(place: CatalogTable, table: Table, publication: Publication, write: Write) -> TableChanges:
    """The changes of `replace` to the columns. Raises RunFailure for other writes, which keep old rows."""
    ours = {field.name: shown_type(field.field_type) for field in iceberg_schema(publication.columns).fields}
    there = {field.name: shown_type(field.field_type) for field in table.schema().fields}
    required = (field.name for field in table.schema().fields if field.required)
    refuse_nulls(place.shown, required, publication.columns)
    if there == ours:
        return TableChanges()
    added = tuple(name for name, kind in ours.items() if there.get(name) != kind)
    lost = tuple(name for name, kind in there.items() if ours.get(name) != kind)
    news = [f"`{name}` {ours[name]}, {'which was ' + there[name] if name in there else 'new'}" for name in added]
    changes = "; ".join([*news, *(f"`{name}`, gone" for name in lost if name not in ours)])
    if write.mode == "replace" and not set(lost) & set(write.partition_by):
        return TableChanges(lost, added, (f"the columns of the Iceberg table {place.shown} change: {changes}",))
    fix = "change the columns of the relation in a step"
    if write.mode != "replace":
        fix += ", or publish once with `write: replace`, which changes the columns of the table"
    message = f"the columns of the table {place.shown} differ from those of the relation: {changes}"
    raise RunFailure("sink", "table-mismatch", message, fix)


def refuse_other_partitions(place: CatalogTable, table: Table, partition_by: Sequence[str]) -> None:
    """Raises RunFailure if the table has different partitions than the sink."""
    spec = table.spec()
    there = list(identity_columns(table.schema(), spec))
    if there == list(partition_by) and len(spec.fields) == len(there):
        return
    shown = ", ".join(f"{field.transform}({table.schema().find_field(field.source_id).name})" for field in spec.fields)
    fix = f"write `partition_by: [{', '.join(there)}]`" if there else "remove `partition_by`"
    if len(spec.fields) != len(there):
        fix = "etlrun supports only partitions by the values of columns; publish to another table"
    message = f"the table {place.shown} is partitioned by {shown or 'nothing'}, but `partition_by` of the sink is {', '.join(partition_by) or 'missing'}"
    raise RunFailure("sink", "table-mismatch", message, fix)
