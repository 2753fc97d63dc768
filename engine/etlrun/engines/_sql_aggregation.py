"""Computes partial aggregates of rows with DuckDB, in this process or in a task."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from etlrun.contracts.engine import ParquetFiles, Workspace
from etlrun.contracts.source import ReadLimits
from etlrun.language.columns import Columns


@dataclass(frozen=True)
class SqlAggregation:
    """A statement of DuckDB over the rows of a source, which are the relation `name` with `columns`."""

    name: str
    columns: Columns
    statement: str

    def write(self, rows: tuple[ParquetFiles, ...], folder: Path, limits: ReadLimits) -> tuple[ParquetFiles, ...]:
        from etlrun.engines._duckdb import start_session

        folder.mkdir(parents=True)
        with closing(start_session(Workspace(folder), limits.threads or None, limits.memory)) as session:
            session.read_files(self.name, self.columns, rows)
            session.write(self.statement, folder / "rows")
        return parquet_below(folder / "rows")


def parquet_below(folder: Path) -> tuple[ParquetFiles, ...]:
    """The files that a statement wrote into a folder: none if it has no rows."""
    paths = tuple(str(path) for path in sorted(folder.glob("*.parquet")))
    return (ParquetFiles(paths),) if paths else ()
