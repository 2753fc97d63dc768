"""One snapshot of an Iceberg table: its columns, and its files with the values of their partitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

from etlrun.failures import RunFailure
from etlrun.lake.iceberg_catalog import CatalogTable, catalog_failures, local_path
from etlrun.lake.iceberg_types import identity_columns
from etlrun.lake.snapshot import OTHERWISE, LakeFile, Snapshot
from etlrun.language.arrow import type_of_arrow
from etlrun.language.columns import TIMESTAMPTZ, Column, Columns

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile, ManifestEntry
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot as TableSnapshot


def read_iceberg(place: CatalogTable, table: Table, wanted: int | None) -> Snapshot:
    """Read the `wanted` snapshot, or the current one. Raises RunFailure if its rows are not simply those of its files."""
    found = table.current_snapshot() if wanted is None else table.snapshot_by_id(wanted)
    if found is None and wanted is not None:
        known = ", ".join(str(one.snapshot_id) for one in table.snapshots()[-3:]) or "none"
        message = f"the Iceberg table {place.shown} has no snapshot {wanted}"
        raise RunFailure("source", "missing-table", message, f"its last snapshots are {known}")
    schema = table.schema()
    if wanted is not None and found is not None and found.schema_id is not None:
        schema = table.schemas().get(found.schema_id, schema)
    columns, instants = _columns(place, schema)
    with catalog_failures(place.catalog):
        entries = list(live_entries(table, found))
    _refuse_other_names(place, table, schema, entries)
    keys = identity_columns(schema, table.spec()) if _is_of_one_spec(table, entries) else ()
    files = tuple(_file(place, table, entry.data_file, keys) for entry in entries)
    folder = place.folder(table.location())
    return Snapshot(folder, found.snapshot_id if found else 0, columns, keys, files, instants)


def live_entries(table: Table, snapshot: TableSnapshot | None) -> Iterator[ManifestEntry]:
    """The data files of a snapshot, and its delete files."""
    for manifest in snapshot.manifests(table.io) if snapshot is not None else ():
        yield from manifest.fetch_manifest_entry(table.io, discard_deleted=True)


def path_in(table: Table, file: DataFile) -> str | None:
    """The path of a file relative to the folder of its table; None if it is elsewhere."""
    root = table.location().rstrip("/") + "/"
    if file.file_path.startswith(root):
        return str(file.file_path.removeprefix(root))
    if root.startswith(("file:", "/")) and file.file_path.startswith(("file:", "/")):
        path, folder = local_path(file.file_path), local_path(root)
        return str(path.relative_to(folder)) if path.is_relative_to(folder) else None
    return None


def partition_texts(table: Table, file: DataFile) -> dict[str, str | None]:
    """The partition values of a file as text, by column, for partitions by column values."""
    from pyiceberg.transforms import IdentityTransform

    spec, schema = table.specs()[file.spec_id], table.schema()
    found: dict[str, str | None] = {}
    for position, part in enumerate(spec.fields):
        if isinstance(part.transform, IdentityTransform) and part.source_id in schema.field_ids:
            field, value = schema.find_field(part.source_id), file.partition[position]
            text = None if value is None else part.transform.to_human_string(field.field_type, value)
            found[field.name] = text.lower() if isinstance(value, bool) and text else text
    return found


def _columns(place: CatalogTable, schema: Schema) -> tuple[Columns, frozenset[str]]:
    """The columns of a schema, and those with a time zone."""
    import pyarrow as pa
    from pyiceberg.types import TimestamptzType

    columns, instants = [], set()
    for field, item in zip(schema.fields, schema.as_arrow(), strict=True):
        kind = type_of_arrow(pa.timestamp("us") if pa.types.is_timestamp(item.type) else item.type)
        if isinstance(field.field_type, TimestamptzType):
            instants.add(field.name.lower())
            kind = TIMESTAMPTZ
        if kind is None:
            raise _unreadable(place, f"its column `{field.name}` is {field.field_type}")
        columns.append(Column(field.name, kind, not field.required))
    return Columns(tuple(columns)), frozenset(instants)


def _refuse_other_names(place: CatalogTable, table: Table, schema: Schema, entries: list[ManifestEntry]) -> None:
    """Raises RunFailure if files have deleted rows, or a renamed column: columns are read by name."""
    from pyiceberg.manifest import DataFileContent

    if any(entry.data_file.content != DataFileContent.DATA for entry in entries):
        raise _unreadable(place, "rows of its files are deleted by other files, which etlrun does not read")
    names = {field.field_id: field.name for field in schema.fields}
    for number in {_schema_of(table, entry) for entry in entries}:
        for field in table.schemas()[number].fields:
            now = names.get(field.field_id)
            other = next((one for one in schema.fields if one.name == field.name), None)
            if (now is not None and now != field.name) or (now is None and other is not None):
                raise _unreadable(
                    place, f"its column `{field.name}` had another name, or was another column, in older files"
                )


def _schema_of(table: Table, entry: ManifestEntry) -> int:
    """The schema of the table when a file was added; the current one if that snapshot is gone."""
    added = table.snapshot_by_id(entry.snapshot_id) if entry.snapshot_id is not None else None
    number = added.schema_id if added is not None else None
    return int(table.schema().schema_id if number is None or number not in table.schemas() else number)


def _is_of_one_spec(table: Table, entries: list[ManifestEntry]) -> bool:
    return all(entry.data_file.spec_id == table.spec().spec_id for entry in entries)


def _file(place: CatalogTable, table: Table, file: DataFile, keys: tuple[str, ...]) -> LakeFile:
    from pyiceberg.manifest import FileFormat

    if file.file_format != FileFormat.PARQUET:
        raise _unreadable(place, f"its file {file.file_path} has the format {file.file_format.name}")
    path = path_in(table, file)
    if path is None:
        raise _unreadable(place, f"it has the file {file.file_path} outside its folder")
    texts = partition_texts(table, file) if keys else {}
    return LakeFile(quote(path), texts, file.file_size_in_bytes, 0)


def _unreadable(place: CatalogTable, why: str) -> RunFailure:
    return RunFailure("source", "unreadable-table", f"the Iceberg table {place.shown} cannot be read: {why}", OTHERWISE)
