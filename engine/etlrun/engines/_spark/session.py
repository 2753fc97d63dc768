"""A Spark session, used only through SQL and the DataFrame API, so that Spark Connect works like classic Spark."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etlrun.contracts.engine import (
    FAILED,
    GROUP,
    EngineSession,
    FileColumn,
    InputFiles,
    LinkedFiles,
    ParquetFiles,
    SentFunction,
    StatementError,
    WrittenFiles,
)
from etlrun.engines._file_values import SPARK, passed
from etlrun.engines._spark.errors import translated, translated_java
from etlrun.engines._spark.executor_calls import applied, crashes_of
from etlrun.engines._spark.lost import FEW_TRIES, connection_errors, in_touch, is_lost, set_retries
from etlrun.engines._spark.shared_files import refuse_unseen, write_shared
from etlrun.engines._spark.staged_files import StagedFiles
from etlrun.engines._spark.tasks import refuse_lack, task_frame
from etlrun.language.arrow import arrow_schema
from etlrun.language.columns import BIGINT, NULL, Column, Columns, Type, array, mapping, struct
from etlrun.reading.links import as_damaged_file
from etlrun.reading.staged_rows import failure_in
from etlrun.storage.staging_area import StagingArea

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql import DataFrame, SparkSession

READING = {"parquet.page.verify-checksum.enabled": "true"}


class SparkSessionAtWork(EngineSession):
    """An open Spark session; `end` releases its resources."""

    has_executors = True

    def __init__(
        self,
        spark: SparkSession,
        *,
        is_classic: bool,
        end: Callable[[], None] | None = None,
        is_on_cluster: bool = False,
        area: StagingArea | None = None,
    ) -> None:
        self.spark = spark
        self.staged = StagedFiles(spark, area) if area else None
        self.is_classic = is_classic
        self.is_on_cluster = is_on_cluster
        self.end = end
        self.group = f"etlrun-{uuid.uuid4().hex[:8]}"
        self.done = (0, 0)
        self.linked: list[str] = []  # folders
        if not is_classic:
            spark.registerProgressHandler(self._note_progress)

    @in_touch()
    def read_files(self, relation: str, columns: Columns, files: Iterable[InputFiles]) -> None:
        files = [part for part in files if isinstance(part, LinkedFiles) or part.paths]
        self.linked += [part.folder for part in files if isinstance(part, LinkedFiles)]
        frames = [
            self._linked_frame(columns, part) if isinstance(part, LinkedFiles) else self._frame(columns, part)
            for part in files
        ]
        frame = frames[0] if frames else self.spark.createDataFrame(arrow_schema(columns).empty_table())
        for other in frames[1:]:
            frame = frame.unionAll(other)
        frame.createOrReplaceTempView(_quoted(relation))

    def _frame(self, columns: Columns, part: ParquetFiles) -> DataFrame:
        from pyspark.sql import functions as F

        if self.staged:
            return self.staged.frame(columns, part, _schema(columns, ParquetFiles(())))
        frame = self.spark.read.options(**READING).schema(_schema(columns, part)).parquet(*map(_pattern, part.paths))
        if part.marker:
            frame = frame.filter(F.col(_quoted(part.marker)).isNull())
        names = ("NULL" if item.name in part.lacking else _quoted(item.name) for item in columns)
        return frame.selectExpr(*map(_typed, names, columns))

    def _linked_frame(self, columns: Columns, part: LinkedFiles) -> DataFrame:
        """Read the files in one scan. With a schema, Spark needs no job to infer one. The folder name of a file is the number of its constants."""
        read = _linked_schema(part)
        group = [f"{GROUP} int"] if part.groups else []
        schema = ", ".join([*(f"{_quoted(name)} {_type_text(kind)}" for name, kind in read.items()), *group])
        reader = self.spark.read.options(**READING, basePath=_address(part.folder)).schema(
            schema or "`__etlrun_none` string"
        )
        stored, constant = part.divided(columns)
        values = {item.name: _linked_value(item, at, read) for item, at in zip(stored, part.columns, strict=True)}
        further = zip(constant, zip(*part.groups, strict=True), strict=True)
        values |= {item.name: _constant(item, texts) for item, texts in further}
        return reader.parquet(_pattern(part.folder)).selectExpr(*(values[item.name] for item in columns))

    @in_touch()
    def take_rows(self, relation: str, rows: pyarrow.Table) -> None:
        # Spark cannot read a nested column without column chunks.
        whole = rows if rows.num_rows else rows.schema.empty_table()
        self.spark.createDataFrame(whole).createOrReplaceTempView(_quoted(relation))

    def write(self, statement: str, folder: Path, partition_by: Sequence[str] = ()) -> WrittenFiles | None:
        with self._working():
            return self._write(self.spark.sql(statement), folder, partition_by)

    def fetch(self, statement: str) -> pyarrow.Table:
        with self._working():
            return self.spark.sql(statement).toArrow()

    def run_tasks(self, payload: bytes, count: int) -> list[str]:
        try:
            with self._working():
                rows = task_frame(self.spark, payload, count).toArrow().to_pylist()
        except StatementError as error:
            refuse_lack(error)
            raise
        return [row["answer"] for row in sorted(rows, key=lambda row: row["number"])]

    def write_applied(self, statement: str, function: SentFunction, folder: Path) -> WrittenFiles | None:
        kinds = [f"{_quoted(item.name)} {_type_text(item.type)}" for item in function.columns]
        with crashes_of(function.reference), self._working():
            frame = applied(self.spark.sql(statement), function, ", ".join([*kinds, f"{FAILED} string"]))
            return self._write(frame, folder)

    def _write(self, frame: DataFrame, folder: Path, partition_by: Sequence[str] = ()) -> WrittenFiles | None:
        if self.staged:
            return self.staged.write(frame, folder, partition_by)
        if self.is_on_cluster:
            write_shared(frame, folder, _address(folder))
        else:
            frame.write.parquet(_address(folder))
        return None

    def progress(self) -> tuple[int, int]:
        if not self.is_classic:
            return self.done
        stages: list[Any] = []
        with connection_errors():  # the running statement reports it
            tracker = self.spark.sparkContext.statusTracker()
            active = set(tracker.getActiveStageIds())
            jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(self.group)]
            stages = [tracker.getStageInfo(stage) for job in jobs if job for stage in job.stageIds if stage in active]
        return sum(stage.numCompletedTasks for stage in stages if stage), sum(
            stage.numTasks for stage in stages if stage
        )

    def _note_progress(
        self, stages: Any, inflight_tasks: int = 0, operation_id: str | None = None, done: bool = False
    ) -> None:
        found = list(stages or ())
        self.done = (sum(stage.num_completed_tasks for stage in found), sum(stage.num_tasks for stage in found))

    def cancel(self) -> None:
        with connection_errors():
            if self.is_classic:
                self.spark.sparkContext.cancelJobGroup(self.group)
            else:
                set_retries(self.spark, FEW_TRIES)
                self.spark.interruptAll()

    def close(self) -> None:
        with connection_errors():
            if not self.is_classic:
                set_retries(self.spark, FEW_TRIES)
            (self.end or self.spark.stop)()

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
                refuse_unseen(str(error))
                failure = failure_in(str(error))
                if failure:
                    raise failure from error
                found = translated(error) if isinstance(error, PySparkException) else translated_java(error)
                if self.staged:
                    refuse_lack(found)
                raise as_damaged_file(found, str(error), self.linked) from error


def _typed(value: str, item: Column) -> str:
    return f"CAST({value} AS {_type_text(item.type)}) AS {_quoted(item.name)}"


def _linked_value(item: Column, column: FileColumn, read: Mapping[str, Type]) -> str:
    if column.type == NULL:
        return _typed("NULL", item)
    kind = read[column.place[0]]
    for member in column.place[1:]:
        kind = dict(kind.fields)[member]
    value = _member(".".join(map(_quoted, column.place)), kind, _type_in_file(column))
    return _typed(passed(value, item.name, column.changes, SPARK), item)


def _constant(item: Column, texts: Sequence[str | None]) -> str:
    """The value of a column for the folder of a row's file, looked up by number in one literal, however many folders there are."""
    listed = json.dumps(texts, ensure_ascii=False).replace("\\", "\\\\").replace("'", "\\'")
    found = f"CAST(from_json('{listed}', 'array<string>') AS array<{_type_text(item.type)}>)"
    return f"{found}[{GROUP}] AS {_quoted(item.name)}"


def _schema(columns: Columns, part: ParquetFiles) -> str:
    """The columns of etlrun's own files as Spark DDL."""
    there = (item for item in columns if item.name not in part.lacking)
    kinds = [f"{_quoted(item.name)} {_type_text(item.type)}" for item in there]
    return ", ".join([*kinds, *([f"{_quoted(part.marker)} string"] if part.marker else [])])


def _linked_schema(part: LinkedFiles) -> Mapping[str, Type]:
    """The schema to read other files with, by column: of a struct only the members that some column reads."""
    top: dict[str, Type] = {}
    for column in part.columns:
        if column.type != NULL:
            kind = _type_in_file(column)
            for member in reversed(column.place[1:]):
                kind = struct((member, kind))
            name = column.place[0]
            top[name] = _merged(top[name], kind) if name in top else kind
    return top


def _merged(one: Type, other: Type) -> Type:
    """A type that has the members of both."""
    if one.element is not None and other.element is not None:
        return array(_merged(one.element, other.element))
    if one.entry is not None and other.entry is not None:
        return mapping(one.entry[0], _merged(one.entry[1], other.entry[1]))
    known = dict(one.fields)
    for name, kind in other.fields:
        known[name] = _merged(known[name], kind) if name in known else kind
    return struct(*known.items()) if known else one


def _member(value: str, read: Type, wanted: Type) -> str:
    """A value with only the members of another type: a cast of a struct matches members by position."""
    if read == wanted:
        return value
    if read.element is not None and wanted.element is not None:
        return f"transform({value}, x -> {_member('x', read.element, wanted.element)})"
    if read.entry is not None and wanted.entry is not None:
        return f"transform_values({value}, (k, x) -> {_member('x', read.entry[1], wanted.entry[1])})"
    kinds = dict(read.fields)
    members = [
        f"{_member(f'{value}.{_quoted(name)}', kinds[name], kind)} AS {_quoted(name)}" for name, kind in wanted.fields
    ]
    return f"CASE WHEN {value} IS NOT NULL THEN struct({', '.join(members)}) END"


def _type_in_file(column: FileColumn) -> Type:
    if "nanoseconds" in column.changes:
        return BIGINT
    return Type("timestamp_ltz") if "instant" in column.changes else column.type


def _address(path: str | Path) -> str:
    """A path for Hadoop: after the scheme it is not decoded, so `%20` stays `%20`."""
    return f"file://{path}"


def _pattern(path: str) -> str:
    """A path with its pattern characters escaped, where Spark expects a pattern."""
    return re.sub(r"([*?\[\]{}\\])", r"\\\1", _address(path))


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _type_text(kind: Type) -> str:
    """A type as Spark DDL."""
    if kind.element is not None:
        return f"array<{_type_text(kind.element)}>"
    if kind.entry is not None:
        return f"map<{', '.join(map(_type_text, kind.entry))}>"
    if kind.name == "struct":
        return "struct<" + ", ".join(f"{_quoted(name)}: {_type_text(inner)}" for name, inner in kind.fields) + ">"
    return "timestamp_ntz" if kind.name in ("timestamp", "timestamptz") else str(kind)
