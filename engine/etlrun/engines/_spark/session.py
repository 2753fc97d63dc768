"""A Spark session at work, through SQL and the DataFrame API only, so that Connect works as well as classic Spark."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from etlrun.engines._spark.errors import first_line, translated
from etlrun.engines._spark.lost import FEW_TRIES, be_patient, in_touch, is_lost, whoever_answers
from etlrun.language.arrow import arrow_schema
from etlrun.language.columns import Column, Columns
from etlrun.spec.engine import ParquetFiles, Session, StatementError

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, SparkSession

PATH, DAY = "__etlrun_path", "__etlrun_day"  # the file a row stands in, and the day of that file
# `__globPaths__`: a name is a name, and no pattern
READING = {"parquet.page.verify-checksum.enabled": "true", "__globPaths__": "false"}


class SparkSessionAtWork(Session):
    """Spark at work."""

    def __init__(self, spark: SparkSession, *, is_classic: bool) -> None:
        self.spark = spark
        self.is_classic = is_classic
        self.group = f"etlrun-{uuid.uuid4().hex[:8]}"
        self.done = (0, 0)
        if not is_classic:
            spark.registerProgressHandler(self._note_progress)

    @in_touch()
    def read_files(self, relation: str, columns: Columns, files: Iterable[ParquetFiles]) -> None:
        parts = [part for part in files if part.paths]
        dated = [part for part in parts if part.date is not None]
        frames = [self._frame(columns, part) for part in parts if part.date is None]
        frames += [self._dated_frame(columns, dated)] if dated else []
        frame = frames[0] if frames else self.spark.createDataFrame(arrow_schema(columns).empty_table())
        for other in frames[1:]:
            frame = frame.unionAll(other)
        frame.createOrReplaceTempView(_quoted(relation))

    def _frame(self, columns: Columns, part: ParquetFiles) -> DataFrame:
        from pyspark.sql import functions as F

        frame = self._read(part.paths, _schema(columns, part) if part.ours else "")
        if part.marker:
            frame = frame.filter(F.col(_quoted(part.marker)).isNull())
        return frame.select(*(_typed(item, part) for item in columns))

    def _dated_frame(self, columns: Columns, parts: list[ParquetFiles]) -> DataFrame:
        """All days in one scan; the day of a row is looked up by the file it stands in."""
        from pyspark.sql import functions as F

        days = {path: part.date for part in parts for path in part.paths}
        frame = self._read(tuple(days), "")
        known = [(_plain_uri(uri), days[unquote(urlsplit(uri).path)]) for uri in frame.inputFiles()]
        lookup = self.spark.createDataFrame(known, f"{PATH} string, {DAY} date")
        here = F.regexp_replace(F.col("_metadata.file_path"), "^file:/+", "file:/")
        values = [
            _typed(item, parts[0])
            if item.name in parts[0].names or item.domain is None
            else F.col(DAY).alias(item.name)
            for item in columns
        ]
        return frame.withColumn(PATH, here).join(F.broadcast(lookup), PATH).select(*values)

    def _read(self, paths: Iterable[str], schema: str) -> DataFrame:
        """The files as they are. With a schema no job is needed to find one."""
        reader = self.spark.read.options(**READING)
        return (reader.schema(schema) if schema else reader).parquet(*(_address(path) for path in paths))

    @in_touch()
    def take_rows(self, relation: str, rows: pyarrow.Table) -> None:
        self.spark.createDataFrame(rows).createOrReplaceTempView(_quoted(relation))

    def write(self, statement: str, folder: Path) -> None:
        with self._working():
            self.spark.sql(statement).write.parquet(_address(folder))

    def fetch(self, statement: str) -> pyarrow.Table:
        with self._working():
            return self.spark.sql(statement).toArrow()

    def progress(self) -> tuple[int, int]:
        if not self.is_classic:
            return self.done
        stages: list[Any] = []
        with whoever_answers():  # the statement that runs says so
            tracker = self.spark.sparkContext.statusTracker()
            stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
        return sum(stage.numCompletedTasks for stage in stages if stage), sum(
            stage.numTasks for stage in stages if stage
        )

    def _note_progress(
        self, stages: Any, inflight_tasks: int = 0, operation_id: str | None = None, done: bool = False
    ) -> None:
        found = list(stages or ())
        self.done = (sum(stage.num_completed_tasks for stage in found), sum(stage.num_tasks for stage in found))

    def cancel(self) -> None:
        with whoever_answers():
            if self.is_classic:
                self.spark.sparkContext.cancelJobGroup(self.group)
            else:
                be_patient(self.spark, FEW_TRIES)
                self.spark.interruptAll()

    def close(self) -> None:
        with whoever_answers():
            if not self.is_classic:
                be_patient(self.spark, FEW_TRIES)
            self.spark.stop()

    @property
    def version(self) -> str:
        return f"spark {self.spark.version}"

    @contextmanager
    def _working(self) -> Iterator[None]:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        with in_touch():
            if self.is_classic:
                self.spark.sparkContext.setJobGroup(self.group, "etlrun", interruptOnCancel=True)
            try:
                yield
            except (PySparkException, Py4JError) as error:
                if is_lost(error):
                    raise
                raise (
                    translated(error)
                    if isinstance(error, PySparkException)
                    else StatementError("engine", first_line(error))
                ) from error


def _typed(item: Column, part: ParquetFiles) -> SparkColumn:
    from pyspark.sql import functions as F

    return F.col(_quoted(part.name_in_file(item.name))).cast(_type_text(str(item.type))).alias(item.name)


def _schema(columns: Columns, part: ParquetFiles) -> str:
    """The columns of our own files as Spark's DDL."""
    kinds = [f"{_quoted(item.name)} {_type_text(str(item.type))}" for item in columns]
    return ", ".join([*kinds, *([f"{_quoted(part.marker)} string"] if part.marker else [])])


def _plain_uri(uri: str) -> str:
    return re.sub("^file:/+", "file:/", uri)


def _address(path: str | Path) -> str:
    """A path as Hadoop takes it: behind the scheme it stands as it is, `%20` and all."""
    return f"file://{path}"


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _type_text(text: str) -> str:
    return re.sub(r"\btimestamp\b", "timestamp_ntz", text)
