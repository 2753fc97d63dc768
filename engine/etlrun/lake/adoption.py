"""Puts staged Parquet files below a table's folder. Nobody reads them until a commit names them; files without a commit are removed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4
from zlib import crc32

from etlrun.contracts.sink import Publication
from etlrun.diagnostics import counted
from etlrun.failures import NO_ROOM, RunFailure
from etlrun.lake.commits import Write
from etlrun.lake.table_folder import LocalFolder, TableFolder
from etlrun.language.columns import Column
from etlrun.language.duckdb_words import has_instants, name, parquet, published_value, text
from etlrun.stopping import cancelling
from etlrun.storage.object_store import StoreError
from etlrun.storage.staging_area import as_failure

if TYPE_CHECKING:
    import duckdb
    from pyarrow.parquet import FileMetaData

FOLDER = "etlrun-"  # the prefix of the names of these folders
AT_ONCE = 8
UNKNOWN = "publish-unknown"  # after which a version may name the files
MOST_PARTITIONS = 10_000  # the most partitions that one run writes, with a file each


@dataclass(frozen=True)
class AdoptedFile:
    """A Parquet file below a table's folder: its path there, its size in bytes, its time in ms since 1970, its footer, and the values of its
    partition as text."""

    path: str
    size: int
    modified: int
    footer: FileMetaData = field(repr=False, compare=False)
    partition: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return int(self.footer.num_rows)


@dataclass(frozen=True)
class FileToAdd:
    """A file that gets a name in the folder of a run, its footer, and the values of its partition as text."""

    path: Path
    name: str
    footer: FileMetaData
    partition: Mapping[str, str | None]


@contextmanager
def adopted(
    table: TableFolder,
    publication: Publication,
    application: str,
    partition_by: Sequence[str],
    inside: Iterable[Column],
) -> Iterator[tuple[AdoptedFile, ...]]:
    """Put the rows of a publication as files into a new folder of the table; the folder is removed if the block raises that they are not published.

    The rows are written again only for a partitioned table whose staged files have rows of several partitions; then the files have the columns
    `inside`. Raises RunFailure.
    """
    with new_folder(table, publication, application) as name:
        with table.workspace(name) as work:
            if isinstance(table, LocalFolder):
                publication.fetch()
            files = _staged(publication, partition_by)
            if files is None:
                files = _written(work, publication, partition_by, inside)
            found = tuple(add_files(table, name, files, publication, publication.rows))
        yield found


@contextmanager
def new_folder(table: TableFolder, publication: Publication, application: str) -> Iterator[str]:
    """The name of a new folder of the table, which is removed if the block raises that its files are not published. Raises RunFailure."""
    name = f"{_start(publication, application)}{uuid4().hex[:8]}"
    try:
        yield name
    except BaseException as error:
        if not (isinstance(error, RunFailure) and error.code == UNKNOWN):
            table.remove(name)
        if isinstance(error, OSError):
            raise unwritten(table.uri, str(error)) from error
        raise


def refuse_foreign_partitions(publication: Publication, files: Sequence[AdoptedFile], write: Write) -> None:
    """Raises RunFailure if rows do not fulfil the condition of `replace_where`."""
    for file in files:
        for column, value in (write.owned or {}).items():
            if file.partition.get(column) != value:
                shown = "null" if file.partition.get(column) is None else f"'{file.partition[column]}'"
                message = (
                    f"`{column}` is {shown} in {counted(file.rows, 'row')}, but `replace_where` replaces {write.period}"
                )
                raise RunFailure("sink", "rows-outside", message, "filter the rows by the same condition")


def remove_abandoned(table: TableFolder, publication: Publication, application: str, named: Collection[str]) -> None:
    """Remove folders that a killed process left of the same publication, except the folders `named`, which have its rows now."""
    for left in table.names():
        if left.startswith(_start(publication, application)) and left not in named:
            table.remove(left)


def _start(publication: Publication, application: str) -> str:
    """The prefix of folder names of one publisher of a run."""
    return f"{FOLDER}{publication.run_id}-{crc32(application.encode()):08x}-"


def unwritten(place: str, detail: str) -> RunFailure:
    """The failure of a table that could not be written; the table is unchanged."""
    sign = next((sign for sign in NO_ROOM if sign in detail), "")
    fix = f"free space on the disk of {place}" if sign else f"check {place} and its permissions"
    why = sign or next(iter(detail.splitlines()), "")
    return RunFailure("sink", "publish-failed", f"the table {place} was not changed: {why}", fix)


def _are_divided(publication: Publication, partition_by: Sequence[str]) -> bool:
    """Whether each staged file holds one partition. Raises RunFailure for values that a partition cannot have."""
    found = [publication.partitions.get(path, {}) for path in publication.paths]
    if not all(set(partition_by) == set(each) for each in found):
        return not partition_by
    _refuse_partitions(
        partition_by, [list(values) for values in {tuple(each[key] for key in partition_by) for each in found}]
    )
    return True


def with_footers(
    files: Iterable[tuple[Path, str, Mapping[str, str | None]]], publication: Publication
) -> list[FileToAdd]:
    """Files, each with its name and partition values, and their footers, several of which are read at once. Raises RunFailure."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(
            threads.map(lambda file: FileToAdd(file[0], file[1], _footer(file[0], publication), file[2]), files)
        )


def _footer(path: Path, publication: Publication) -> FileMetaData:
    """The footer of a file, read from the store if it is only there. Raises RunFailure."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    uploaded = publication.uploaded.get(path)
    try:
        if uploaded is not None and not path.exists():
            return pq.read_metadata(pa.BufferReader(publication.stores.of(uploaded.url).footer(uploaded.url)))
        return pq.read_metadata(path)
    except StoreError as error:
        raise as_failure(error) from error
    except (pa.ArrowInvalid, OSError) as error:
        message = f"{uploaded.url if uploaded else path.name} is not a complete Parquet file"
        raise RunFailure("sink", "stage-damaged", message, "run the pipeline again") from error


def _staged(publication: Publication, partition_by: Sequence[str]) -> list[FileToAdd] | None:
    """The staged files; None unless each holds one partition and all columns are stored as they are published. Raises RunFailure."""
    if not _are_divided(publication, partition_by) or has_instants(publication.columns):
        return None
    files = with_footers(
        (
            (path, f"part-{number:05}.parquet", {key: publication.partitions[path][key] for key in partition_by})
            for number, path in enumerate(publication.paths)
        ),
        publication,
    )
    shown = set(publication.columns.names)
    return files if all(set(file.footer.schema.to_arrow_schema().names) == shown for file in files) else None


def _written(
    folder: Path, publication: Publication, partition_by: Sequence[str], inside: Iterable[Column]
) -> list[FileToAdd]:
    """Write the rows again with DuckDB, one folder per partition; folders are named by the number of the partition."""
    import duckdb

    parts = [publication.columns.get(column) for column in partition_by]
    keys = [item for item in parts if item is not None]
    values_inside = ", ".join(published_value(item, "r.") for item in inside)
    try:
        with duckdb.connect() as connection, cancelling(connection.interrupt):
            rows = parquet(publication.files)
            found = _partitions(connection, rows, keys)
            join = (
                " AND ".join(f"r.{name(item.name)} IS NOT DISTINCT FROM p.{name(item.name)}" for item in keys) or "true"
            )
            connection.execute(
                f"COPY (SELECT {values_inside}, p._etlrun_part FROM {rows} r JOIN parts p ON {join}) TO {text(str(folder))} "
                "(FORMAT parquet, PARTITION_BY (_etlrun_part), OVERWRITE_OR_IGNORE)"
            )
    except duckdb.Error as error:
        raise unwritten(str(folder.parent), str(error)) from error
    written = []
    for number, values in enumerate(found):
        for path in sorted((folder / f"_etlrun_part={number}").glob("*.parquet")):
            target = folder / f"part-{number:05}-{path.stem}.parquet"
            path.rename(target)
            written.append((target, target.name, values))
        (folder / f"_etlrun_part={number}").rmdir()
    return with_footers(written, publication)


def _partitions(
    connection: duckdb.DuckDBPyConnection, rows: str, keys: Sequence[Column]
) -> list[dict[str, str | None]]:
    """Number the partitions in the table `parts`; returns the values of each as text. Raises RunFailure for values that a partition cannot have."""
    values = ", ".join(name(item.name) for item in keys) or "1 AS one"
    connection.execute(
        f"CREATE TEMP TABLE parts AS SELECT *, CAST(row_number() OVER () - 1 AS INTEGER) AS _etlrun_part FROM (SELECT DISTINCT {values} FROM {rows})"
    )
    texts = ", ".join(f"CAST({name(item.name)} AS VARCHAR)" for item in keys) or "1"
    found = connection.execute(f"SELECT {texts} FROM parts ORDER BY _etlrun_part").fetchall()
    _refuse_partitions([item.name for item in keys], found)
    return [{item.name: row[at] for at, item in enumerate(keys)} for row in found]


def _refuse_partitions(keys: Sequence[str], found: Sequence[Sequence[str | None]]) -> None:
    """Raises RunFailure for too many partitions, and for values, as text, that a partition cannot have."""
    if len(found) > MOST_PARTITIONS:
        names = ", ".join(keys)
        raise RunFailure(
            "sink",
            "too-many-partitions",
            f"the rows have {len(found):,} partitions by {names}; a run writes at most {MOST_PARTITIONS:,}",
            "partition by a column with fewer values, such as a month, or remove `partition_by`",
        )
    for column, key in enumerate(keys):
        if any(row[column] == "" for row in found):
            raise RunFailure(
                "sink",
                "value-refused",
                f"`{key}` contains an empty text, which would be the same as null in a partition",
                f"make it null before: `replace: {{{key}: \"nullif({key}, '')\"}}`, or do not partition by it",
            )


def add_files(
    table: TableFolder,
    folder: str,
    files: Sequence[FileToAdd],
    publication: Publication,
    expected: int | None = None,
) -> Iterator[AdoptedFile]:
    """Add files to a folder of the table, several at once; those without rows are left out.

    Raises RunFailure if they do not have the `expected` number of rows.
    """

    def add(file: FileToAdd) -> AdoptedFile:
        name_ = f"{folder}/{file.name}"
        size, modified = table.add(file.path, name_, publication.uploaded.get(file.path))
        return AdoptedFile(name_, size, modified, file.footer, file.partition)

    rows = sum(file.footer.num_rows for file in files)
    if expected not in (None, rows):
        message = f"the staged files have {rows:,} rows, but the run counted {expected:,}"
        raise RunFailure("sink", "stage-damaged", message, "run the pipeline again")
    with ThreadPoolExecutor(AT_ONCE) as threads:
        yield from threads.map(add, [file for file in files if file.footer.num_rows])
