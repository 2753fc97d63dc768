"""Opens the reader for the text files of a request: for all files together, or file by file if parts of earlier runs are reused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from etlrun.contracts.source import ReadRequest
from etlrun.language.columns import Columns
from etlrun.reading.accounting import Accounting
from etlrun.reading.part_reader import PartReader
from etlrun.reading.quarantine import Spools
from etlrun.reading.text_files import TextReader


@contextmanager
def text_reader(request: ReadRequest, columns: Columns) -> Iterator[TextReader | PartReader]:
    """A reader for the files of `request`, which writes Parquet below its folder."""
    import duckdb

    request.folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(config=_settings(request)) as connection:
        if request.parts is not None:
            yield PartReader(request, columns, connection, request.parts)
            return
        request.control.follow(connection)
        spools = Spools(request.folder / "broken", request.quarantine_limit)
        with closing(Accounting(request, spools)) as accounting:
            yield TextReader(request, columns, connection, accounting)


def _settings(request: ReadRequest) -> dict[str, str | bool | int | float | list[str]]:
    """DuckDB's settings. Data that does not fit in memory is written to the request's folder."""
    settings: dict[str, str | bool | int | float | list[str]] = {"temp_directory": str(request.folder / "spill")}
    if request.limits.threads:
        settings["threads"] = request.limits.threads
    if request.limits.memory:
        settings["memory_limit"] = request.limits.memory
    return settings
