"""Runs the tasks of a job on Spark's executors: one partition per task, which returns one row with the answer.

The function is sent to an executor by value and needs only pyarrow to start there; so it can report what else is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from etlrun.contracts.engine import StatementError
from etlrun.engines._spark.by_value import PACKAGES, import_packages, send_by_value
from etlrun.engines._spark.errors import NO_PROGRAM
from etlrun.reading.slice_job import worker_mismatch

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql import DataFrame, SparkSession

ANSWERS = "number long, answer string"
Batches = Iterator["pyarrow.RecordBatch"]


def task_frame(spark: SparkSession, payload: bytes, count: int) -> DataFrame:
    """One row of ANSWERS per task, in any order."""
    send_by_value(__name__)
    return spark.range(0, count, 1, count).mapInArrow(_function(payload, PACKAGES), ANSWERS)


def _function(payload: bytes, packages: str) -> Callable[[Batches], Batches]:
    def run(batches: Batches) -> Batches:
        import json
        import platform

        import pyarrow as pa

        import_packages(packages)
        for batch in batches:
            for number in batch.column(0).to_pylist():
                try:
                    from etlrun.reading.slice_task import answer

                    found = answer(payload, number)
                except ImportError as error:
                    mismatch = f"the package {error.name} is missing there"
                    found = json.dumps({"host": platform.node(), "mismatch": mismatch})
                yield pa.RecordBatch.from_pydict({"number": pa.array([number], pa.int64()), "answer": [found]})

    return run


def refuse_lack(error: StatementError) -> None:
    """Raises RunFailure if an executor lacks what it needs to start a task."""
    lack = executor_lack(error)
    if lack:
        raise worker_mismatch("an executor", lack) from error


def executor_lack(error: StatementError) -> str:
    """What an executor lacks that cannot even start a task; empty for other errors."""
    missing = re.search(r"No module named '([\w.]+)'|(PyArrow) >?=? ?[\d.]+ must be installed", str(error))
    if missing:
        return f"the package {(missing[1] or missing[2]).lower()} is missing there"
    program = re.search(rf'{NO_PROGRAM} "([^"]+)"', str(error))
    if program:
        return f"the program {program[1]} (PYSPARK_PYTHON) is missing there"
    return "Python has another version there" if "PYTHON_VERSION_MISMATCH" in str(error) else ""
