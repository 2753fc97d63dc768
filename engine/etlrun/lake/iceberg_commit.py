"""One attempt to add a snapshot to an Iceberg table. The library's own retries are off, because they do not check for newer runs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from zlib import crc32

from etlrun.contracts.sink import Publication
from etlrun.failures import RunFailure
from etlrun.lake.adoption import UNKNOWN, AdoptedFile, unwritten
from etlrun.lake.commits import Write, facts, run_number
from etlrun.lake.iceberg_catalog import CatalogTable, catalog_errors, catalog_failures, first_line
from etlrun.lake.iceberg_changes import table_changes
from etlrun.lake.iceberg_snapshot import live_entries, partition_texts, path_in
from etlrun.lake.iceberg_types import iceberg_schema, partition_spec, partition_value
from etlrun.lake.merging import FileChanges

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table, Transaction

RETRIES = "commit.retry.num-retries"


class Attempt:
    """An attempt to publish into an existing table, or one that the first snapshot creates."""

    def __init__(self, place: CatalogTable, publication: Publication, write: Write) -> None:
        self.place = place
        self.publication = publication
        self.write = write

    @cached_property
    def location(self) -> str:
        """The location that the catalog chooses for a new table. Raises RunFailure."""
        with catalog_failures(self.place.catalog):
            namespace = self.place.name.rpartition(".")[0]
            self.place.catalog.library.create_namespace_if_not_exists(namespace)
            return str(self._new(None).table_metadata.location)

    def commit(self, table: Table | None, changes: FileChanges, root: str) -> int | None:
        """Add a snapshot; the added files are below `root`. Returns its id, or None if another writer was first. Raises RunFailure."""
        from pyiceberg.exceptions import (
            CommitFailedException,
            NoSuchTableError,
            TableAlreadyExistsError,
            ValidationException,
        )

        try:
            transaction = self._transaction(table)
            snapshot = self._stage(transaction, table, changes, root)
        except OSError as error:
            raise unwritten(self.place.shown, str(error)) from error
        try:
            transaction.commit_transaction()
        except (CommitFailedException, TableAlreadyExistsError, ValidationException):
            return None
        except (*catalog_errors(), NoSuchTableError, ValueError) as error:  # ValueError: an answer that is not valid
            raise self._interrupted(error) from error
        return snapshot

    def _transaction(self, table: Table | None) -> Transaction:
        if table is None:
            with catalog_failures(self.place.catalog):
                return self._new(self.location)
        properties = {**table.metadata.properties, RETRIES: "0"}  # only in this copy, which is not committed
        table.metadata = table.metadata.model_copy(update={"properties": properties})
        transaction = table.transaction()
        table_changes(self.place, table, self.publication, self.write).apply(transaction, self.publication)
        return transaction

    def _new(self, location: str | None) -> Transaction:
        from pyiceberg.exceptions import BadRequestError

        schema = iceberg_schema(self.publication.columns)
        about = {"comment": self.publication.description} if self.publication.description else {}
        try:
            return self.place.catalog.library.create_table_transaction(
                self.place.name,
                schema,
                location=location,
                partition_spec=partition_spec(schema, self.write.partition_by),
                properties=about,
            )
        except (NotImplementedError, BadRequestError) as error:
            message = f"the catalog cannot create {self.place.shown} with its first rows: {first_line(error)}"
            fix = "create the empty table with the columns of the relation, for example by CREATE TABLE in Spark"
            raise RunFailure("sink", "publish-failed", message, fix) from error

    def _stage(self, transaction: Transaction, table: Table | None, changes: FileChanges, root: str) -> int:
        """Write the manifests of a snapshot, which is not visible yet; returns its id."""
        is_append = self.write.mode == "append"
        if transaction.table_metadata.name_mapping() is None:  # the files have column names, but no field ids
            mapping = transaction.table_metadata.schema().name_mapping.model_dump_json()
            transaction.set_properties({"schema.name-mapping.default": mapping})
        if is_append:
            name = appended_property(self.write.application(self.publication))
            transaction.set_properties({name: str(run_number(self.publication.run_id))})
        update = transaction.update_snapshot(facts(self.publication, self.write))
        with update.fast_append() if is_append or table is None else update.overwrite() as producer:
            for removed in self._removed(table, changes) if table is not None and not is_append else ():
                producer.delete_data_file(removed)
            for file in changes.added:
                producer.append_data_file(_data_file(transaction, file, root))
        return int(producer.snapshot_id)

    def _removed(self, table: Table, changes: FileChanges) -> Iterator[DataFile]:
        """The files that the new ones replace. Raises RunFailure if only a part of a file would be replaced."""
        from pyiceberg.manifest import DataFileContent

        owned, merged = (self.write.owned or {}).items(), {unquote(file.path) for file in changes.removed}
        for entry in live_entries(table, table.current_snapshot()):
            file = entry.data_file
            if file.content != DataFileContent.DATA:
                continue
            if self.write.mode == "merge":
                if path_in(table, file) in merged:
                    yield file
                continue
            texts = partition_texts(table, file)
            if self.write.mode == "replace_where" and not {name for name, _ in owned} <= texts.keys():
                raise self.other_partitions()
            if all(texts.get(name) == value for name, value in owned):
                yield file

    def other_partitions(self) -> RunFailure:
        """The failure of files that do not have the current partitions of the table."""
        message = f"the table {self.place.shown} has files that were written with other partitions"
        fix = (
            "rewrite them with the current partitions (`rewrite_data_files` of Spark), or publish with `write: replace`"
        )
        return RunFailure("sink", "table-mismatch", message, fix)

    def _interrupted(self, error: Exception) -> RunFailure:
        """The failure of a commit without an answer."""
        if self.place.catalog.settings.file is not None:  # the file of the catalog is unchanged
            return unwritten(self.place.shown, first_line(error))
        message = f"{self.place.shown}: {first_line(error)}: it is not known whether the rows are in the table"
        fix = "wait until the catalog answers again"
        return RunFailure("sink", UNKNOWN, message, fix)


def appended_property(application: str) -> str:
    """The table property with the number of a publisher's last appended run."""
    return f"etlrun.appended.{crc32(application.encode()):08x}"


def _data_file(transaction: Transaction, file: AdoptedFile, root: str) -> DataFile:
    """The manifest entry of a file, with the column statistics of its footer."""
    from pyiceberg.io.pyarrow import (
        compute_statistics_plan,
        data_file_statistics_from_parquet_metadata,
        parquet_path_to_id_mapping,
    )
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
    from pyiceberg.typedef import Record

    metadata = transaction.table_metadata
    schema, spec = metadata.schema(), metadata.spec()
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=file.footer,
        stats_columns=compute_statistics_plan(schema, metadata.properties),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
    )
    fields = [schema.find_field(part.source_id) for part in spec.fields]
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=f"{root}{file.path}",
        file_format=FileFormat.PARQUET,
        partition=Record(*(partition_value(file.partition.get(field.name), field.field_type) for field in fields)),
        file_size_in_bytes=file.size,
        sort_order_id=None,
        spec_id=metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **_without_fractions(statistics.to_serialized_dict(), schema),
    )


def _without_fractions(statistics: dict[str, Any], schema: Any) -> dict[str, Any]:
    """Statistics without the bounds of float and double, which may be NaN in footers and must not be in manifests."""
    from pyiceberg.types import DoubleType, FloatType

    for name in ("lower_bounds", "upper_bounds"):
        statistics[name] = {
            number: value
            for number, value in (statistics.get(name) or {}).items()
            if not isinstance(schema.find_field(number).field_type, (DoubleType, FloatType))
        }
    return statistics
