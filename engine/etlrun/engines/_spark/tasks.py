"""Runs the tasks of a job on Spark's executors: one partition per task, which returns one row with the answer.

The function is sent to an executor by value and needs only pyarrow to start there; so it can report what else is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from etlrun.contracts.engine import StatementError
from etlrun.engines._spark.errors import NO_PROGRAM
from etlrun.failures import RunFailure
from etlrun.reading.slice_job import worker_mismatch

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql import DataFrame, SparkSession

PACKAGES = "etlrun_packages"  # the folder into which executors unpack the archive of `etlrun pack`
ANSWERS = "number long, answer string"
Batches = Iterator["pyarrow.RecordBatch"]


def task_frame(spark: SparkSession, payload: bytes, count: int) -> DataFrame:
    """One row of ANSWERS per task, in any order."""
    return spark.range(0, count, 1, count).mapInArrow(_function(payload, PACKAGES), ANSWERS)


def _function(payload: bytes, packages: str) -> Callable[[Batches], Batches]:
    def run(batches: Batches) -> Batches:
        import glob
        import json
        import os
        import platform
        import sys

        import pyarrow as pa

        for place in filter(os.path.isdir, (packages, *glob.glob(f"*/{packages}"))):
            if os.path.abspath(place) not in sys.path:
                sys.path.insert(0, os.path.abspath(place))
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


def worker_mismatch_in(error: StatementError) -> RunFailure | None:
    """The failure of an executor that cannot even start a task; None for other errors."""
    missing = re.search(r"No module named '([\w.]+)'|(PyArrow) >?=? ?[\d.]+ must be installed", str(error))
    if missing:
        return worker_mismatch("an executor", f"the package {(missing[1] or missing[2]).lower()} is missing there")
    program = re.search(rf'{NO_PROGRAM} "([^"]+)"', str(error))
    if program:
        return worker_mismatch("an executor", f"the program {program[1]} (PYSPARK_PYTHON) is missing there")
    if "PYTHON_VERSION_MISMATCH" in str(error):
        return worker_mismatch("an executor", "Python has another version there")
    return None
