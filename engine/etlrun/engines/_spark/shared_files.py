"""Finds executors without the disk of the driver: they do not see its files, or write to a disk of their own, and Spark reports success."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from etlrun.failures import RunFailure
from etlrun.reading.task_folder import SHARE_RUNS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROWS = "rows"
_MISSING = re.compile(r"(?:File |reading file )file:/*(/.+?)(?:\. File)? does not exist")


def write_shared(frame: DataFrame, folder: Path, address: str) -> None:
    """Write the rows into the new folder `folder`, as which `address` is known to Spark. Raises RunFailure if some are not there."""
    import pyarrow.parquet as pq
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    observation = Observation()
    frame.observe(observation, F.count(F.lit(1)).alias(ROWS)).write.parquet(address)
    written = observation.get.get(ROWS) or 0
    found = sum(pq.read_metadata(path).num_rows for path in folder.glob("*.parquet"))
    if found != written:
        message = f"executors wrote {written:,} rows to {folder}, and this machine finds {found:,} of them there"
        raise RunFailure("engine", "not-shared", message, SHARE_RUNS)


def refuse_unseen(text: str) -> None:
    """Raises RunFailure for an error of Spark about a missing file if this machine sees the file."""
    missing = _MISSING.search(text)
    if missing and os.path.exists(missing[1]):
        message = f"an executor does not see {missing[1]}, which exists on this machine"
        raise RunFailure("engine", "not-shared", message, SHARE_RUNS)
