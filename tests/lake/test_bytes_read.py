"""A publish to a table of a lake names the staged files: it reads their footers, and none of their rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import iceberg_tables
import lake_tables
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake_tables import FIRST, SECOND, publication

from etlrun.contracts.sink import Publication
from etlrun.lake import delta_log, iceberg_log
from etlrun.lake.commits import Write

ROWS = 1_000_000
REPLACE = Write("replace")


def to_delta(folder: Path, given: Publication) -> object:
    return delta_log.publish(lake_tables.at(folder / "t"), given, REPLACE)


def to_iceberg(folder: Path, given: Publication) -> object:
    return iceberg_log.publish(iceberg_tables.at(folder), given, REPLACE)


@pytest.mark.parametrize("publish", [to_delta, to_iceberg])
def test_a_publish_of_a_million_rows_reads_less_than_a_tenth_of_their_bytes(
    publish: Callable[[Path, Publication], object], tmp_path: Path
) -> None:
    publish(tmp_path, publication(tmp_path / "first", [("2022-04", 1)], FIRST))  # loads all modules
    path = tmp_path / "rows.parquet"
    months = pa.array(["2022-04"] * ROWS)
    rows = pa.table({"month": months, "units": pa.array(range(ROWS), pa.int64())})
    pq.write_table(rows, path, compression="none", use_dictionary=["month"])
    before = bytes_read()
    publish(tmp_path, replace(publication(tmp_path / "second", [], SECOND), paths=(path,), rows=ROWS))
    assert bytes_read() - before < path.stat().st_size / 10


def bytes_read() -> int:
    """The bytes that this process has read from files so far."""
    facts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(facts["rchar"])
