"""The interface of aggregation by file: the process or task that reads rows also computes their partial aggregates."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from etlrun.contracts.engine import ParquetFiles
from etlrun.contracts.source import ReadLimits


class RowAggregation(Protocol):
    """Computes partial aggregates of a source's rows. It is pickled for tasks on other machines."""

    def write(self, rows: tuple[ParquetFiles, ...], folder: Path, limits: ReadLimits) -> tuple[ParquetFiles, ...]:
        """Write the partial aggregates of `rows` below the new folder `folder`; returns their files. Raises StatementError."""


class FileAggregationFailure(Exception):
    """An aggregation cannot be computed. A run without it says where and why."""
