"""A staged relation: its Parquet files with their digests, and a checksum of its rows that does not depend on their order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etlrun.contracts.engine import EngineSession, ParquetFiles, StatementError, WrittenFiles
from etlrun.failures import RunFailure
from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import parquet_below, row_digests
from etlrun.runtime.run_folder import RunFolder
from etlrun.spec.scope import HIDDEN
from etlrun.stopping import cancelling
from etlrun.storage.digests import digest_of
from etlrun.storage.staging_area import StagingArea

if TYPE_CHECKING:
    import duckdb

FILE = f"{HIDDEN}file"
NO_ROWS = 0, 0


@dataclass(frozen=True)
class StagedFile:
    """One Parquet file of a stage: `sha256` of its bytes, as hexadecimal digits.

    If executors wrote it into the store, its `size` in bytes and the `tag` of the store for it are known.

    All rows have the values `partition`, as text, if executors wrote the relation by partitions.
    """

    path: str
    rows: int
    sha256: str
    size: int = 0
    tag: str = ""
    partition: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Staged:
    """A relation whose rows are written. `columns` are those of the specification.

    If executors wrote them into the store of runs, the files are in the staging `area` until `fetch` copies them to their paths.
    """

    relation: str
    columns: Columns
    files: tuple[StagedFile, ...]
    rows: int
    checksum: str
    area: StagingArea | None = field(default=None, compare=False, repr=False)

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(Path(file.path) for file in self.files)

    def fetch(self) -> None:
        """Copy the files to this machine, as far as they are not there, and compare their digests. Raises RunFailure."""
        if self.area is not None:
            self.area.download({file.path: file.sha256 for file in self.files})

    def as_record(self, folder: RunFolder) -> dict[str, Any]:
        """The entry in the record of the run; the paths of its files start at its folder."""
        files = [{**asdict(file), "path": os.path.relpath(file.path, folder.path)} for file in self.files]
        return {"rows": self.rows, "checksum": self.checksum, "files": files}

    def as_input(self) -> ParquetFiles:
        return ParquetFiles(tuple(file.path for file in self.files))


def from_record(relation: str, columns: Columns, record: dict[str, Any], folder: RunFolder) -> Staged:
    """The stage that the record of a run lists, downloaded if runs are in a store; `columns` may hold hidden ones.

    Raises RunFailure for files that are not in the folder of the run.
    """
    files = tuple(StagedFile(**{**file, "path": str(folder.path / file["path"])}) for file in record["files"])
    inside = folder.path.resolve()
    for file in files:
        if not Path(file.path).resolve().is_relative_to(inside):
            message = f"the staged file {file.path} is not in {folder.path}"
            raise RunFailure("sink", "stage-damaged", message, "run the pipeline again")
    folder.download(Path(file.path) for file in files)
    return Staged(relation, shown_columns(columns), files, record["rows"], record["checksum"])


def shown_columns(columns: Columns) -> Columns:
    """The columns of the specification, without helper columns with sums for checks."""
    return columns.keep(item.name for item in columns if not item.name.startswith(HIDDEN))


def take_stock(relation: str, folder: Path, columns: Columns, duckdb: EngineSession | None = None) -> Staged:
    """List the files that an engine wrote into `folder`, with their rows; `columns` may include hidden ones. Raises RunFailure if they cannot be read.

    `duckdb` is a session that reads them in DuckDB's dialect; without it, DuckDB is started.
    """
    shown = shown_columns(columns)
    paths = sorted(folder.glob("*.parquet"))
    counted = _counted(folder, shown, duckdb) if paths else {}
    files = tuple(StagedFile(str(path), counted.get(path.name, NO_ROWS)[0], digest_of(path)) for path in paths)
    checksum = sum(total for _, total in counted.values())
    return Staged(relation, shown, files, sum(file.rows for file in files), f"{checksum:x}")


def stock_of(relation: str, written: WrittenFiles, columns: Columns, area: StagingArea | None) -> Staged:
    """The stage of files that executors wrote into the staging area, and have counted; `columns` may include hidden ones."""
    files = tuple(
        StagedFile(file.path, file.rows, file.sha256, file.size, file.tag, file.partition) for file in written.files
    )
    checksum = sum(file.checksum for file in written.files)
    return Staged(relation, shown_columns(columns), files, sum(file.rows for file in files), f"{checksum:x}", area)


def fetched(staged: dict[str, Staged]) -> dict[str, Staged]:
    """The same relations, whose files are on this machine now. Raises RunFailure."""
    for rows in staged.values():
        rows.fetch()
    return staged


def verify_stage(staged: Staged) -> None:
    """Compare every file with its digest, and one that is only in the store with its size. Raises RunFailure if one is missing or changed."""
    sizes: Mapping[str, int] | None = None
    for file in staged.files:
        path = Path(file.path)
        is_right = path.is_file() and digest_of(path) == file.sha256
        if staged.area is not None and not path.exists():
            sizes = sizes if sizes is not None else staged.area.sizes(path.parent)
            is_right = sizes.get(file.path) == file.size
        if not is_right:
            where = path if path.exists() or staged.area is None else staged.area.url_of(path)
            raise RunFailure(
                "sink", "stage-damaged", f"the staged file {where} was removed or changed", "run the pipeline again"
            )


def _counted(folder: Path, columns: Columns, session: EngineSession | None) -> dict[str, tuple[int, int]]:
    """By name of each file with rows: the number of rows, and the sum of a 64-bit digest of every row's text.

    The sum is equal for equal rows in any order, and differs if rows are duplicated. Raises RunFailure for a file that cannot be read.
    """
    import duckdb

    files = parquet_below(str(folder), 0, FILE)
    try:
        found = _rows(f"SELECT {FILE}, count(*), {row_digests(columns.names)} FROM {files} GROUP BY {FILE}", session)
    except (StatementError, duckdb.Error) as error:
        cause = error.__cause__ if isinstance(error, StatementError) else error
        if not isinstance(cause, duckdb.InvalidInputException | duckdb.IOException):
            raise
        which = next((path.name for path in folder.glob("*.parquet") if path.name in str(cause)), "a file")
        message = f"{which} in {folder} is not a complete Parquet file"
        raise RunFailure("engine", "stage-damaged", message, "run again") from error
    return {Path(path).name: (rows, int(digests)) for path, rows, digests in found}


def _rows(statement: str, session: EngineSession | None) -> list[tuple[Any, ...]]:
    if session is not None:
        with cancelling(session.cancel):
            return [tuple(row.values()) for row in session.fetch(statement).to_pylist()]
    with _database().cursor() as connection, cancelling(connection.interrupt):
        return connection.execute(statement).fetchall()


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """One database in memory that counts the rows of all relations: each start of one costs more than such a statement."""
    import duckdb

    return duckdb.connect()
