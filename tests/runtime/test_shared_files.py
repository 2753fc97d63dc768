"""Executors whose disk is not that of the driver are found out before rows are lost; Spark reports success for what they wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql.readwriter import DataFrameWriter

from etlrun.engines._spark.session import SparkSessionAtWork
from etlrun.engines._spark.shared_files import refuse_unseen
from etlrun.failures import RunFailure

STATEMENTS = {
    "SELECT id FROM range(0, 1000, 1, 4)": 1000,
    "SELECT id % 7 AS k, count(*) AS n FROM range(1000) GROUP BY 1 ORDER BY 1": 7,
    "SELECT id % 7 AS k, count(*) AS n FROM range(1000) WHERE id < 0 GROUP BY 1": 0,
    "SELECT count(*) AS n FROM range(1000) WHERE id < 0": 1,
    "SELECT 1 AS a LIMIT 0": 0,
}


@pytest.fixture
def session(spark: Any) -> SparkSessionAtWork:
    return SparkSessionAtWork(spark, is_classic=True, is_on_cluster=True)


def test_what_a_cluster_writes_is_counted_also_if_it_is_nothing(session: SparkSessionAtWork, tmp_path: Path) -> None:
    for number, (statement, rows) in enumerate(STATEMENTS.items()):
        session.write(statement, tmp_path / str(number))
        assert pq.read_table(tmp_path / str(number)).num_rows == rows


def test_rows_that_are_on_the_disk_of_an_executor_only_stop_the_run(
    session: SparkSessionAtWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = DataFrameWriter.parquet

    def write_one_part_elsewhere(self: DataFrameWriter, path: str) -> None:
        write(self, path)
        max((tmp_path / "rows").glob("*.parquet")).unlink()

    monkeypatch.setattr(DataFrameWriter, "parquet", write_one_part_elsewhere)
    with pytest.raises(RunFailure, match=r"wrote 1,000 rows to .*, and this machine finds 750 of them there") as lost:
        session.write(next(iter(STATEMENTS)), tmp_path / "rows")
    assert lost.value.code == "not-shared"


def test_a_file_that_only_an_executor_misses_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").touch()
    for text in (
        "java.io.FileNotFoundException: File file:{} does not exist",
        "[FAILED_READ_FILE.FILE_NOT_EXIST] Encountered error while reading file file://{}. File does not exist. SQLSTATE: KD001",
    ):
        with pytest.raises(
            RunFailure, match=f"an executor does not see {tmp_path / 'rows.parquet'}, which exists"
        ) as unseen:
            refuse_unseen(text.format(tmp_path / "rows.parquet"))
        assert unseen.value.code == "not-shared"
        refuse_unseen(text.format(tmp_path / "gone.parquet"))
