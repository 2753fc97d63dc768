"""Put staged Parquet files below a table's folder, where nobody reads them until a commit names them; one that is not committed is removed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4
from zlib import crc32

from etlrun.contracts.sink import Publication
from etlrun.failures import NO_ROOM, RunFailure
from etlrun.language.columns import Column
from etlrun.language.duckdb_words import name, parquet, text
from etlrun.stopping import cancelling

if TYPE_CHECKING:
    import duckdb
    from pyarrow.parquet import FileMetaData

MOST_PARTITIONS = 10_000  # that one run writes: a file each


@dataclass(frozen=True)
class AdoptedFile:
    """A Parquet file below a table's folder: its path there, its size in bytes, its rows, and the values of its partition as text."""

    path: str
    size: int
    rows: int
    partition: Mapping[str, str | None] = field(default_factory=dict)


@contextmanager
def adopted(
    root: Path, publication: Publication, application: str, partition_by: Sequence[str]
) -> Iterator[tuple[AdoptedFile, ...]]:
    """The rows of a publication as files in a new folder of the table at `root`; the folder goes where the block raises.

    Files are linked, or copied to another disk. Only partitions make it necessary to write the rows again, without the columns that their
    folders say. Raises RunFailure.
    """
    folder = root / f"{_start(publication, application)}{uuid4().hex[:8]}"
    try:
        folder.mkdir(parents=True)
        write = _linked if not (partition_by or _holds_more(publication)) else _written
        yield tuple(_accounted(root, write(folder, publication, partition_by), publication))
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise unwritten(root, str(error)) from error
        raise


def remove_abandoned(root: Path, publication: Publication, application: str, files: Sequence[AdoptedFile]) -> None:
    """Remove what a process that was killed left of the same publication, which `files` are the published rows of now."""
    ours = {file.path.split("/")[0] for file in files}
    for folder in root.glob(f"{_start(publication, application)}*"):
        if folder.name not in ours:
            shutil.rmtree(folder, ignore_errors=True)


def _start(publication: Publication, application: str) -> str:
    """How the folders begin that one publisher of a run writes."""
    return f"etlrun-{publication.run_id}-{crc32(application.encode()):08x}-"


def unwritten(root: Path, detail: str) -> RunFailure:
    """The failure of a table that could not be written, and is as it was."""
    sign = next((sign for sign in NO_ROOM if sign in detail), "")
    fix = f"make room on the disk of {root}" if sign else f"look at {root} and its permissions"
    return RunFailure("sink", "publish-failed", f"the table {root} is as it was: {sign or detail.splitlines()[0]}", fix)


def _holds_more(publication: Publication) -> bool:
    """Whether the staged files have columns that are not published."""
    shown = set(publication.columns.names)
    return any(set(_footer(path).schema.to_arrow_schema().names) != shown for path in publication.files)


def _footer(path: Path) -> FileMetaData:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_metadata(path)
    except (pa.ArrowInvalid, OSError) as error:
        message = f"{path.name} is not a whole Parquet file"
        raise RunFailure("sink", "stage-damaged", message, "run the pipeline again") from error


def _linked(
    folder: Path, publication: Publication, partition_by: Sequence[str]
) -> Iterator[tuple[Path, Mapping[str, str | None]]]:
    for number, path in enumerate(publication.files):
        target = folder / f"part-{number:05}.parquet"
        try:
            os.link(path, target)
        except OSError:  # another disk, or one without links
            shutil.copyfile(path, target)
        yield target, {}


def _written(
    folder: Path, publication: Publication, partition_by: Sequence[str]
) -> Iterator[tuple[Path, Mapping[str, str | None]]]:
    """The rows written again by DuckDB, a folder for each partition; the number of a partition stands in for its values."""
    import duckdb

    parts = [publication.columns.get(column) for column in partition_by]
    keys = [item for item in parts if item is not None]
    inside = ", ".join(f"r.{name(item.name)}" for item in publication.columns if item not in keys)
    try:
        with duckdb.connect() as connection, cancelling(connection.interrupt):
            rows = parquet(publication.files)
            found = _partitions(connection, rows, keys)
            join = (
                " AND ".join(f"r.{name(item.name)} IS NOT DISTINCT FROM p.{name(item.name)}" for item in keys) or "true"
            )
            connection.execute(
                f"COPY (SELECT {inside}, p._etlrun_part FROM {rows} r JOIN parts p ON {join}) TO {text(str(folder))} "
                "(FORMAT parquet, PARTITION_BY (_etlrun_part), OVERWRITE_OR_IGNORE)"
            )
    except duckdb.Error as error:
        raise unwritten(folder.parent, str(error)) from error
    for number, values in enumerate(found):
        for path in sorted((folder / f"_etlrun_part={number}").glob("*.parquet")):
            target = folder / f"part-{number:05}-{path.stem}.parquet"
            path.rename(target)
            yield target, values
        (folder / f"_etlrun_part={number}").rmdir()


def _partitions(
    connection: duckdb.DuckDBPyConnection, rows: str, keys: Sequence[Column]
) -> list[dict[str, str | None]]:
    """Number the partitions, in the table `parts`; gives the values of each as text. Raises RunFailure for values that no partition can have."""
    values = ", ".join(name(item.name) for item in keys) or "1 AS one"
    connection.execute(
        f"CREATE TEMP TABLE parts AS SELECT *, CAST(row_number() OVER () - 1 AS INTEGER) AS _etlrun_part FROM (SELECT DISTINCT {values} FROM {rows})"
    )
    texts = ", ".join(f"CAST({name(item.name)} AS VARCHAR)" for item in keys) or "1"
    found = connection.execute(f"SELECT {texts} FROM parts ORDER BY _etlrun_part").fetchall()
    if len(found) > MOST_PARTITIONS:
        names = ", ".join(item.name for item in keys)
        raise RunFailure(
            "sink",
            "too-many-partitions",
            f"the rows have {len(found):,} partitions by {names}; a run writes at most {MOST_PARTITIONS:,}",
            "partition by a column with fewer values, such as a month, or leave `partition_by` out",
        )
    for item, column in ((item, at) for at, item in enumerate(keys)):
        if any(row[column] == "" for row in found):
            raise RunFailure(
                "sink",
                "value-refused",
                f"`{item.name}` holds an empty text, which a partition cannot tell from null",
                f"make it null before: `replace: {{{item.name}: \"nullif({item.name}, '')\"}}`, or do not partition by it",
            )
    return [{item.name: row[at] for at, item in enumerate(keys)} for row in found]


def _accounted(
    root: Path, files: Iterator[tuple[Path, Mapping[str, str | None]]], publication: Publication
) -> Iterator[AdoptedFile]:
    """The files, which everybody may read who may read the folder, safe on the disk; raises RunFailure where their rows are not those of the run."""
    rows = 0
    for path, partition in files:
        count = _footer(path).num_rows
        path.chmod(path.parent.stat().st_mode & 0o666)
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
        rows += count
        if count:
            yield AdoptedFile(path.relative_to(root).as_posix(), path.stat().st_size, count, partition)
    if rows != publication.rows:
        message = f"the staged files hold {rows:,} rows, and the run counted {publication.rows:,}"
        raise RunFailure("sink", "stage-damaged", message, "run the pipeline again")
