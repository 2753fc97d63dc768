"""Starts Spark and lets it do what runs do, so that Java records the classes that they need: `python -m etlrun.engines._spark.training_run OPTION JAVA`."""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from pathlib import Path

from etlrun.contracts.engine import ParquetFiles, Workspace
from etlrun.engines.spark import Spark
from etlrun.language.arrow import arrow_schema
from etlrun.language.columns import BIGINT, STRING, TIMESTAMP, Column, Columns, decimal
from etlrun.spec.fields import Scalar

COLUMNS = Columns(
    (Column("shop", STRING), Column("units", BIGINT), Column("price", decimal(12, 2)), Column("at", TIMESTAMP))
)
TYPICAL = """
WITH sold AS (
  SELECT *, row_number() OVER (PARTITION BY shop ORDER BY at DESC) AS n, CAST(units AS string) AS text
  FROM sales WHERE units > 0 AND shop IS NOT NULL
)
SELECT s.shop, sum(s.units) AS units, max(s.price) AS price, count(DISTINCT s.text) AS texts,
  max(CASE WHEN s.n = 1 THEN upper(trim(s.text)) END) AS last, coalesce(sum(s.price * s.units), 0) AS total
FROM sold AS s JOIN (SELECT DISTINCT shop FROM sales) AS d ON s.shop = d.shop
GROUP BY s.shop
"""


def train(option: str, java: str) -> None:
    """Run statements in a session whose Java gets the option, and wait until Java has ended."""
    from pyspark import SparkContext

    with tempfile.TemporaryDirectory(prefix="etlrun-") as name:
        folder = Path(name)
        engine = Spark(master="local[2]", java=java, conf={"spark.driver.extraJavaOptions": Scalar(option)})
        with closing(engine.start(Workspace(folder), str)) as session:
            session.take_rows("given", arrow_schema(COLUMNS).empty_table())
            session.write(
                "SELECT CAST(id % 7 AS string) AS shop, id AS units, CAST(id / 3 AS decimal(12,2)) AS price, "
                "timestamp_ntz '2022-04-01 00:00:00' AS at FROM range(1000)",
                folder / "sales",
            )
            paths = tuple(map(str, (folder / "sales").glob("*.parquet")))
            session.read_files("sales", COLUMNS, [ParquetFiles(paths)])
            for number in range(2):
                session.write(TYPICAL, folder / f"result-{number}")
                session.fetch("SELECT count(*) AS n, sum(units) AS units FROM sales")
            gateway = SparkContext._gateway
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait()


if __name__ == "__main__":
    train(*sys.argv[1:])
