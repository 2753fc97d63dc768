"""Writes the rows of Parquet files of others in the declared types: executors that read from the staging area cannot follow links of this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path

from etlrun.contracts.engine import EngineSession, InputFiles, LinkedFiles, ParquetFiles
from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import name


def typed_rows(
    files: Sequence[InputFiles], columns: Columns, folder: Path, start: Callable[[], EngineSession]
) -> tuple[ParquetFiles, ...]:
    """The same rows, all in files of etlrun: new ones are below `folder`. Raises StatementError."""
    numbers = count()

    def typed(part: InputFiles) -> ParquetFiles:
        if not isinstance(part, LinkedFiles):
            return part
        target = folder / f"typed-{next(numbers)}"
        with closing(start()) as session:
            session.read_files("linked", columns, [part])
            session.write(f"SELECT * FROM {name('linked')}", target)
        return ParquetFiles(tuple(str(path) for path in sorted(target.glob("*.parquet"))))

    return tuple(map(typed, files))
