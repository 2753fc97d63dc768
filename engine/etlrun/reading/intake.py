"""What reading a source gives: its rows as Parquet, and an account of every record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from etlrun.reading.inventory import Inventory
from etlrun.spec.database import Database
from etlrun.spec.engine import ParquetFiles

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Intake:
    """A source that has been read: its rows, and how many records were broken or blank.

    `rows` is None where nobody has counted them yet (Parquet files are read by the engine itself).
    """

    files: tuple[ParquetFiles, ...]
    rows: int | None = None
    bad_rows: int = 0
    blank: int = 0
    reasons: tuple[tuple[str, int], ...] = ()
    samples: tuple[str, ...] = ()  # `file:line: reason` of the first few


@dataclass(frozen=True)
class Order:
    """What a source is asked to read: its name, its files, and where its rows and its broken records go.

    `open_database` opens a connection of the profile for reading.
    """

    name: str
    inventory: Inventory
    folder: Path
    quarantine: Path | None
    progress: Progress
    open_database: Callable[[str], Database]
