"""A Spark session: classic or Connect, through SQL and the DataFrame API only."""

from __future__ import annotations

import logging
import os
import re
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from etlrun.engines._java import provide_java
from etlrun.failures import RunFailure
from etlrun.language.arrow import arrow_schema
from etlrun.language.columns import Column, Columns
from etlrun.language.dialects import SPARK_SETTINGS
from etlrun.spec.engine import ParquetFiles, Session, StatementError, Workspace

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, SparkSession

# What a statement's meaning relies on; no setting of a profile overrides these.
RULES = {
    **SPARK_SETTINGS,
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}
# What can only be said before a session starts: nothing that a specification says may reach files, classes or the log.
AT_START = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.runSQLOnFiles": "false",
    "spark.sql.reflect.allowList": "a^",
    "spark.redaction.regex": "(?i)secret|pass|token|key|credential|url",
    "spark.sql.catalogImplementation": "in-memory",
}

PATH, DAY = "__etlrun_path", "__etlrun_day"  # the file a row stands in, and the day of that file
LOOPBACK = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}  # a local driver needs no network


def start_session(workspace: Workspace, master: str, remote: str, memory: str, java: str, settings: Mapping[str, str]) -> SparkSessionAtWork:
    """A session on Spark Connect (`remote`, or SPARK_REMOTE) or on a master. Raises RunFailure where none can be had."""
    remote = remote or os.environ.get("SPARK_REMOTE", "")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    for chatter in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):  # ten kilobytes of stack for each analysis error
        logging.getLogger(chatter).setLevel(logging.CRITICAL + 1)
    if remote:
        return SparkSessionAtWork(_connect(remote, settings), is_classic=False)
    os.environ.update(provide_java(java))
    return SparkSessionAtWork(_start_classic(workspace, master, memory, settings), is_classic=True)


def _connect(remote: str, settings: Mapping[str, str]) -> SparkSession:
    from pyspark.errors import PySparkException

    try:
        from pyspark.sql.connect.session import SparkSession
    except ImportError as error:
        raise RunFailure("engine", "connect-missing", f"Spark Connect needs more packages ({error})", "pip install 'etlrun[connect]'") from error
    try:
        spark = SparkSession.builder.remote(remote).getOrCreate()
        for key, value in {**settings, **RULES}.items():
            spark.conf.set(key, value)
    except (PySparkException, OSError) as error:
        raise RunFailure("engine", "engine-unreachable", f"no Spark Connect server answers at {remote} ({_first_line(error)})",
                         "check the address, and that the server runs Spark 4") from error  # fmt: skip
    return spark


def _start_classic(workspace: Workspace, master: str, memory: str, settings: Mapping[str, str]) -> SparkSession:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    given = bool(os.environ.get("PYSPARK_GATEWAY_PORT") or os.environ.get("MASTER"))
    builder = SparkSession.builder.appName("etlrun")
    where = master or ("" if given else "local[*]")
    if where:
        builder = builder.master(where)
    local = {"spark.driver.memory": memory, "spark.sql.shuffle.partitions": str(2 * _cores(where)), **LOOPBACK} if where.startswith("local") else {}
    log = workspace.folder / "spark.log"
    quiet = {"spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={_logging(workspace.folder, log).as_uri()}"}
    for key, value in {**local, **quiet, **settings, **AT_START, **RULES}.items():
        builder = builder.config(key, value)
    try:
        with _noise_to(log):
            return builder.getOrCreate()
    except (PySparkException, Py4JError, OSError) as error:
        raise RunFailure("engine", "engine-unreachable", f"Spark does not start ({_first_line(error)})", f"see {log}") from error


class SparkSessionAtWork(Session):
    """Spark at work."""

    def __init__(self, spark: SparkSession, *, is_classic: bool) -> None:
        self.spark = spark
        self.is_classic = is_classic
        self.group = f"etlrun-{uuid.uuid4().hex[:8]}"
        self.done = (0, 0)
        if not is_classic:
            spark.registerProgressHandler(self._note_progress)

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

        frame = self._read(part.paths)
        if part.marker:
            frame = frame.filter(F.col(_quoted(part.marker)).isNull())
        return frame.select(*(_typed(item, part) for item in columns))

    def _dated_frame(self, columns: Columns, parts: list[ParquetFiles]) -> DataFrame:
        """All days in one scan; the day of a row is looked up by the file it stands in."""
        from pyspark.sql import functions as F

        days = {path: part.date for part in parts for path in part.paths}
        frame = self._read(tuple(days))
        known = [(_plain_uri(uri), days[unquote(urlsplit(uri).path)]) for uri in frame.inputFiles()]
        lookup = self.spark.createDataFrame(known, f"{PATH} string, {DAY} date")
        here = F.regexp_replace(F.col("_metadata.file_path"), "^file:/+", "file:/")
        values = [_typed(item, parts[0]) if item.name in parts[0].names or item.domain is None else F.col(DAY).alias(item.name) for item in columns]
        return frame.withColumn(PATH, here).join(F.broadcast(lookup), PATH).select(*values)

    def _read(self, paths: Iterable[str]) -> DataFrame:
        return self.spark.read.option("parquet.page.verify-checksum.enabled", "true").parquet(*(_escaped(path) for path in paths))

    def write(self, statement: str, folder: Path) -> None:
        with self._working():
            self.spark.sql(statement).write.parquet(folder.as_uri())

    def fetch(self, statement: str) -> pyarrow.Table:
        with self._working():
            return self.spark.sql(statement).toArrow()

    def progress(self) -> tuple[int, int]:
        if not self.is_classic:
            return self.done
        tracker = self.spark.sparkContext.statusTracker()
        stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
        return sum(stage.numCompletedTasks for stage in stages if stage), sum(stage.numTasks for stage in stages if stage)

    def _note_progress(self, stages: Any, inflight_tasks: int = 0, operation_id: str | None = None, done: bool = False) -> None:
        found = list(stages or ())
        self.done = (sum(stage.num_completed_tasks for stage in found), sum(stage.num_tasks for stage in found))

    def cancel(self) -> None:
        if self.is_classic:
            self.spark.sparkContext.cancelJobGroup(self.group)
        else:
            self.spark.interruptAll()

    def close(self) -> None:
        self.spark.stop()

    @property
    def version(self) -> str:
        return f"spark {self.spark.version}"

    @contextmanager
    def _working(self) -> Iterator[None]:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        if self.is_classic:
            self.spark.sparkContext.setJobGroup(self.group, "etlrun", interruptOnCancel=True)
        try:
            yield
        except PySparkException as error:
            raise _translated(error) from error
        except Py4JError as error:
            raise StatementError("engine", _first_line(error)) from error


CONDITIONS = {
    "ARITHMETIC_OVERFLOW": "overflow",
    "CAST_OVERFLOW": "overflow",
    "NUMERIC_VALUE_OUT_OF_RANGE": "overflow",
    "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION": "overflow",
    "DIVIDE_BY_ZERO": "division-by-zero",
    "REMAINDER_BY_ZERO": "division-by-zero",
    "CAST_INVALID_INPUT": "bad-cast",
    "CANNOT_PARSE_TIMESTAMP": "bad-cast",
    "INVALID_ARRAY_INDEX": "bad-index",
    "INVALID_ARRAY_INDEX_IN_ELEMENT_AT": "bad-index",
}


def _translated(error: Any) -> StatementError:
    """The facts of a Spark error: its condition, its first line, and where in the statement it arose."""
    text = str(error)
    code = str(error.getCondition() or "")
    if code.split(".", maxsplit=1)[0] not in CONDITIONS:
        found = re.search(r"\[([A-Z_]+)[\].]", text)
        code = found.group(1) if found and found.group(1) in CONDITIONS else code
    offset = None
    for context in error.getQueryContext() or ():
        offset = context.startIndex() if str(context.contextType()).endswith("SQL") else None
        break
    if "cancelled" in text and "job group" in text.lower() or code == "OPERATION_CANCELED":
        return StatementError("interrupted", "the statement was interrupted")
    return StatementError(CONDITIONS.get(code.split(".")[0], "engine"), _said(text, code), offset)


def _said(text: str, code: str) -> str:
    found = re.search(rf"\[{re.escape(code)}[^\]]*\] ([^\n]*)", text) if code else None
    if not found:
        return text.split("\n", 1)[0]
    return re.split(r" (?:Use [`']|Correct the value|If necessary|SQLSTATE)", found.group(1))[0].strip()


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).split("\n") if line.strip()), type(error).__name__)


def _cores(master: str) -> int:
    found = re.match(r"local\[(\d+)", master)
    return int(found.group(1)) if found else len(os.sched_getaffinity(0))


def _typed(item: Column, part: ParquetFiles) -> SparkColumn:
    from pyspark.sql import functions as F

    return F.col(_quoted(part.name_in_file(item.name))).cast(_type_text(str(item.type))).alias(item.name)


def _plain_uri(uri: str) -> str:
    return re.sub("^file:/+", "file:/", uri)


def _escaped(path: str) -> str:
    """A path as Spark takes it, nothing in it read as a pattern."""
    return re.sub(r"([*?\[\]{}\\])", r"\\\1", path)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _type_text(text: str) -> str:
    return re.sub(r"\btimestamp\b", "timestamp_ntz", text)


def _logging(folder: Path, log: Path) -> Path:
    path = folder / "log4j2.properties"
    path.write_text(LOGGING.format(log=log), encoding="utf-8")
    return path


LOGGING = """rootLogger.level = warn
rootLogger.appenderRef.file.ref = file
appender.file.type = File
appender.file.name = file
appender.file.fileName = {log}
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{HH:mm:ss}} %p %c{{1}}: %m%n%ex{{3}}
logger.query.name = SQLQueryContextLogger
logger.query.level = off
logger.frame.name = DataFrameQueryContextLogger
logger.frame.level = off
"""


@contextmanager
def _noise_to(log: Path) -> Iterator[None]:
    """What the starting JVM writes to standard error goes to a file."""
    sys.stderr.flush()
    kept = os.dup(2)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.dup2(target, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(target)
