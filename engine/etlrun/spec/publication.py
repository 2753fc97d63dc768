"""What a sink is given: a staged relation on its way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from etlrun.language.columns import Columns
from etlrun.spec.database import Database
from etlrun.spec.kinds import Scope


@dataclass(frozen=True)
class Publication:
    """A relation to publish: its columns, its Parquet files with the number and checksum of their rows, and the run it belongs to.

    `open_database` opens a connection of the profile for writing. Before anything is computed the files are empty.
    """

    sink: str
    columns: Columns
    files: tuple[Path, ...]
    rows: int
    checksum: str
    run_id: str
    pipeline: str
    description: str
    spec_hash: str
    root: Path
    scope: Scope
    open_database: Callable[[str], Database]
