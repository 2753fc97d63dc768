"""The interface of aggregation by file: the process or task that reads rows also computes their partial aggregates."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from etlrun.contracts.engine import ParquetFiles
from etlrun.contracts.source import ReadLimits

MANY = 10_000  # rows of a file that show how much aggregation saves
SHRUNK = 0.75  # at most so many groups for each row


class RowAggregation(Protocol):
    """Computes partial aggregates of a source's rows. It is pickled for tasks on other machines."""

    def write(self, rows: tuple[ParquetFiles, ...], folder: Path, limits: ReadLimits) -> tuple[ParquetFiles, ...]:
        """Write the partial aggregates of `rows` below the new folder `folder`; returns their files. Raises StatementError."""


def shrinks(rows: int, partial: tuple[ParquetFiles, ...]) -> bool:
    """Whether the partial aggregates of so many rows are clearly fewer."""
    import pyarrow.parquet as pq

    paths = (path for files in partial for path in files.paths)
    return rows <= MANY or sum(pq.read_metadata(path).num_rows for path in paths) <= SHRUNK * rows


class FileAggregationFailure(Exception):
    """An aggregation cannot be computed. A run without it says where and why."""
