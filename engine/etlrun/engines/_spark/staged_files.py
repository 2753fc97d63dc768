"""Rows between Spark and a staging area: tasks on the executors write and read them as Arrow data, so that Spark needs no access to the store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from etlrun.contracts.engine import ParquetFiles, WrittenFile, WrittenFiles
from etlrun.engines._spark.by_value import PACKAGES, import_packages, send_by_value
from etlrun.language.columns import Columns
from etlrun.reading.neighbours import neighbours
from etlrun.reading.staged_rows import FileToRead, ReadJob, WriteJob, answer_of, payload_of
from etlrun.storage.digests import digest_of
from etlrun.storage.staging_area import StagingArea, damaged

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql import DataFrame, SparkSession

TASK_BYTES = 1 << 25  # of Parquet files that one task reads
BROADCAST = {
    # Spark takes rows of tasks for few before it has read them, so it must not decide by that which table to send to all executors.
    "spark.sql.autoBroadcastJoinThreshold": "-1",
    "spark.sql.adaptive.autoBroadcastJoinThreshold": "10485760",
}
Batches = Iterator["pyarrow.RecordBatch"]


@dataclass
class StagedFiles:
    """The files in the staging area of a session. `uploaded` are those of the driver's folder that are already there, and `digests` the SHA-256
    of those that tasks wrote."""

    spark: SparkSession
    area: StagingArea
    uploaded: set[str] = field(default_factory=set)
    digests: dict[str, str] = field(default_factory=dict)

    def write(self, frame: DataFrame, folder: Path, partition_by: Sequence[str] = ()) -> WrittenFiles:
        """Write the rows of `frame`, each task into a file for each partition by the columns `partition_by`. Raises RunFailure."""
        from pyspark.sql import functions as F

        send_by_value(__name__)
        names = tuple(frame.columns)
        payload = payload_of(WriteJob(self.area, str(folder), names, tuple(partition_by)))
        numbered = frame.toDF(*(f"c{number}" for number in range(len(names))))  # a name with a dot is a path
        keys = [F.col(f"c{names.index(name)}") for name in partition_by]
        if keys:  # few files for each partition, but several tasks for a large one
            numbered = numbered.hint("rebalance", *keys).sortWithinPartitions(*keys)
        rows = numbered.mapInArrow(_writer(payload, PACKAGES), "answer string").toArrow().column(0).to_pylist()
        answers = [answer_of(text) for text in rows]
        files = sorted((file for answer in answers for file in answer.files), key=lambda file: file.path)
        if not files:
            return WrittenFiles((self._nothing(frame, folder),))
        self.digests.update({file.path: file.sha256 for file in files})
        return WrittenFiles(tuple(files), min((answer.report for answer in answers if answer.report), default=""))

    def frame(self, columns: Columns, part: ParquetFiles, schema: str) -> DataFrame:
        """The rows of files, those of the driver's disk are uploaded before; `schema` are the columns in Spark's words. Raises RunFailure."""
        here = [path for path in part.paths if path not in self.uploaded and os.path.exists(path)]
        self.area.upload(here)
        self.uploaded.update(here)
        send_by_value(__name__)
        groups = tuple(neighbours(self._found(part), lambda file: file.size, TASK_BYTES))
        payload = payload_of(ReadJob(self.area, columns, groups, part))
        count = len(groups)
        return self.spark.range(0, count, 1, count).mapInArrow(_reader(payload, PACKAGES), schema)

    def _found(self, part: ParquetFiles) -> list[FileToRead]:
        """The files in the store, in their order. Raises RunFailure if one is missing."""
        folders = _folders(part.paths, self.area)
        found = {path: size for folder in folders for path, size in self.area.sizes(folder).items()}
        missing = next((path for path in part.paths if path not in found), "")
        if missing:
            raise damaged(self.area.url_of(missing))
        return [
            FileToRead(path, found[path], digest or self.digests.get(path, ""))
            for path, digest in part.digest_by_path.items()
        ]

    def _nothing(self, frame: DataFrame, folder: Path) -> WrittenFile:
        """A file without rows: the columns of a result that has none. Raises RunFailure."""
        import pyarrow.parquet as pq

        path = folder / "part-00000.parquet"
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(frame.limit(0).toArrow(), path)
        self.area.upload([path])
        return WrittenFile(str(path), 0, path.stat().st_size, digest_of(path), 0)


def _folders(paths: Iterable[str], area: StagingArea) -> list[str]:
    """The innermost folders that contain `paths`: one in each folder of the area."""
    by_top: dict[str, list[str]] = {}
    for path in paths:
        by_top.setdefault(Path(path).relative_to(area.folder).parts[0], []).append(os.path.dirname(path))
    return [os.path.commonpath(folders) for folders in by_top.values()]


def _writer(payload: bytes, packages: str) -> Callable[[Batches], Batches]:
    def run(batches: Batches) -> Batches:
        import pyarrow as pa
        from pyspark import TaskContext

        import_packages(packages)
        from etlrun.reading.staged_rows import write_partition

        context = TaskContext.get()
        number = 0 if context is None else context.partitionId()
        yield pa.RecordBatch.from_pydict({"answer": [write_partition(payload, number, batches)]})

    return run


def _reader(payload: bytes, packages: str) -> Callable[[Batches], Batches]:
    def run(batches: Batches) -> Batches:
        import_packages(packages)
        from etlrun.reading.staged_rows import read_group

        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from read_group(payload, number)

    return run
