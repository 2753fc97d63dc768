"""A staged relation: its Parquet files with their digests, and a checksum of its rows that no order changes."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from etlrun.contracts.engine import ParquetFiles
from etlrun.failures import RunFailure
from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import name, parquet_in
from etlrun.spec.scope import HIDDEN
from etlrun.stopping import cancelling


@dataclass(frozen=True)
class StagedFile:
    """One Parquet file of a stage: `sha256` of its bytes, as hexadecimal digits."""

    path: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class Staged:
    """A relation whose rows are written. `columns` are the ones that the specification speaks of."""

    relation: str
    columns: Columns
    files: tuple[StagedFile, ...]
    rows: int
    checksum: str

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(Path(file.path) for file in self.files)

    def as_record(self) -> dict[str, Any]:
        """What the record of a run keeps of it."""
        return {"rows": self.rows, "checksum": self.checksum, "files": [asdict(file) for file in self.files]}

    def as_input(self) -> ParquetFiles:
        return ParquetFiles(tuple(file.path for file in self.files))


def from_record(relation: str, columns: Columns, record: dict[str, Any], folder: Path) -> Staged:
    """The stage that the record of the run in `folder` tells of; `columns` may hold hidden ones. Raises RunFailure for files elsewhere."""
    files = tuple(StagedFile(**file) for file in record["files"])
    inside = folder.resolve()
    for file in files:
        if not Path(file.path).resolve().is_relative_to(inside):
            raise RunFailure(
                "sink", "stage-damaged", f"the staged file {file.path} is not in {folder}", "run the pipeline again"
            )
    return Staged(relation, shown_columns(columns), files, record["rows"], record["checksum"])


def shown_columns(columns: Columns) -> Columns:
    """The columns that the specification speaks of: those that only carry sums for checks are left out."""
    return columns.keep(item.name for item in columns if not item.name.startswith(HIDDEN))


def take_stock(relation: str, folder: Path, columns: Columns) -> Staged:
    """Look at what an engine wrote into `folder`: `columns` may hold hidden ones. Raises RunFailure where nothing can be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = []
    for path in sorted(folder.glob("*.parquet")):
        try:
            rows = pq.ParquetFile(path).metadata.num_rows
        except (pa.ArrowInvalid, OSError) as error:
            raise RunFailure("engine", "stage-damaged", f"{path} is not a whole Parquet file", "run again") from error
        files.append(StagedFile(str(path), rows, _digest(path)))
    shown = shown_columns(columns)
    rows = sum(file.rows for file in files)
    return Staged(relation, shown, tuple(files), rows, _checksum(folder, shown) if rows else "0")


def verify_stage(staged: Staged) -> None:
    """Compare every file with its digest. Raises RunFailure for one that is gone or changed."""
    for file in staged.files:
        path = Path(file.path)
        if not path.is_file() or _digest(path) != file.sha256:
            raise RunFailure(
                "sink", "stage-damaged", f"the staged file {path} is gone or was changed", "run the pipeline again"
            )


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _checksum(folder: Path, columns: Columns) -> str:
    """The sum of a 64-bit digest of every row's text: equal for equal rows in any order, and for doubled rows different."""
    import duckdb

    values = ", ".join(f"CAST({name(item.name)} AS VARCHAR)" for item in columns)
    query = f"SELECT sum(CAST(md5_number_lower(CAST(row({values}) AS VARCHAR)) AS HUGEINT)) FROM {parquet_in(folder)}"
    with duckdb.connect() as connection, cancelling(connection.interrupt):
        ((total,),) = connection.execute(query).fetchall()
    return f"{int(total):x}"
