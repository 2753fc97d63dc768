"""`spark` - Apache Spark 4: in this process, on a cluster, or with Spark Connect.

`remote` (or the environment variable SPARK_REMOTE) connects to a Spark Connect server. Otherwise `master` is used, or
the master of spark-submit. SQL always runs with ANSI rules and in the time zone UTC, even if `conf` sets something
else.

Values of `conf` from environment variables (`${NAME}`) do not appear in command lines or event logs. Java options
(`extraJavaOptions`) are an exception, because they are a command line: a value from an environment variable, or one
that looks like a secret, is an error there. A Spark Connect server has some settings that can only be set before it
starts. Start it with `spark.sql.reflect.allowList=a^`: this setting blocks calls of Java methods from SQL, in addition
to the checks of etlrun. Without Spark Connect, etlrun sets it.

A start of Spark takes several seconds. `etlrun warm-up` records it once for a machine; later starts need about half the
processor time.

With `read: tasks` (or `auto`, on a cluster) the executors read text files. Each task reads some files, or 128 MB of one
file with one record per line, and writes Parquet into the run's folder. Rows, quarantine and messages are the same as
without executors. Where the first aggregate of a chain can be computed in parts, a task writes one row per group instead
of all rows; `etlrun plan` says where. A task needs one core, and `task_memory` in addition to the memory of the JVM. Local files must be on
a disk that the executors can access, and `runs:` in a store, or on such a disk. Executors use stores with their own credentials;
credentials are never sent with a task. With `auto`, if the executors cannot read a source, the driver reads it and the
run prints the reason.

The executors read the rows of Parquet files on a disk in place, each file in its own types. With `read: tasks`, they also
read Parquet files and lake tables in a store. The driver reads only the ends of the files (footers). Each task downloads
some files, about 128 MB, to the disk of its machine, and writes their rows in the declared types to where it writes those
of text files. A file is read whole by one task, which needs free space for about twice its size.

With `read: tasks`, or if they write rows into the store of `runs:` (see `staging`), executors need etlrun, duckdb and pyarrow in the same
versions as this machine. If they do not have them,
`etlrun pack OUT.tar.gz` writes an archive, and `packages` sends it to them. The archive contains no Python: executors
need the same minor version of Python (set PYSPARK_PYTHON to its path). With Spark Connect, if the executors lack
pyarrow, set `spark.executorEnv.PYTHONPATH=./etlrun_packages` on the server.

```yaml
profiles:
  prod:
    engine: {spark: {remote: "${SPARK_REMOTE}"}}
  nightly:
    engine: {spark: {master: "spark://master:7077", read: tasks, task_memory: 1 GB}}
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Literal

from etlrun.contracts.engine import Engine, EngineSession, TaskSettings, Workspace
from etlrun.contracts.health import HealthFinding
from etlrun.spec.fields import Scalar, Size, key
from etlrun.spec.packages import needing_packages

OTHERWISE = ", or choose --engine duckdb"


@dataclass(frozen=True)
class Spark(Engine):
    """Apache Spark 4: in this process, on a cluster, or by Spark Connect."""

    dialect: ClassVar[str] = "spark"

    master: str = key(
        "the URL of the master; default: that of spark-submit, otherwise `local[*]`", default="", example="yarn"
    )
    remote: str = key("a Spark Connect server: `sc://host:port`", default="")
    memory: str = key("the memory of a driver in this process", default="2g")
    java: str = key(
        "the folder of Java 17 or later; default: JAVA_HOME, PATH, or the extra `etlrun[java]`",
        default="",
        example="/usr/lib/jvm/java-21",
    )
    read: Literal["auto", "tasks", "driver"] = key(
        "where text files, and Parquet files and lake tables in a store, are read: `driver` in this process, `tasks` on "
        "the executors, `auto` on the executors if they can read them",
        default="driver",
    )
    staging: Literal["auto", "disk", "store"] = key(
        "where executors write the rows of a run: `disk` in the folder of the run, which all machines share; `store` in the "
        "store of `runs:`; `auto` in the store on a cluster if `runs:` is a URL, otherwise on the disk",
        default="auto",
    )
    task_memory: Size = key(
        "the memory of DuckDB in each task that reads files", default=Size(512_000_000), example="1 GB"
    )
    packages: str = key(
        "the archive that `etlrun pack` wrote, for executors without etlrun: an absolute path, or a URL that Spark can "
        "download",
        default="",
        example="/mnt/share/etlrun.tar.gz",
    )
    conf: Mapping[str, Scalar] = key(
        "Spark settings, by name", factory=dict, example={"spark.sql.shuffle.partitions": 64}
    )

    def examine(self) -> Iterator[HealthFinding]:
        import os

        from etlrun.engines._java import find_java

        with needing_packages("spark", "the engine spark", OTHERWISE):
            import pyspark  # noqa: F401
        if self.remote or os.environ.get("SPARK_REMOTE"):
            yield HealthFinding("ok", "spark", "Spark Connect, which needs no Java here")
            return
        java = find_java(self.java)
        yield HealthFinding("ok", "java", f"version {java.version} at {java.home}")

    def tasks(self, environment: Callable[[str], str]) -> TaskSettings | None:
        from etlrun.engines._spark.starting import is_local

        if self.read == "driver" or (
            self.read == "auto" and is_local(environment(self.master), environment(self.remote))
        ):
            return None
        return TaskSettings(f"{self.task_memory // 1_000_000}MB", is_optional=self.read == "auto")

    @property
    def requires_store(self) -> bool:
        return self.staging == "store"

    def stages_in_store(self, environment: Callable[[str], str]) -> bool:
        from etlrun.engines._spark.starting import is_local

        is_elsewhere = not is_local(environment(self.master), environment(self.remote))
        return self.staging == "store" or (self.staging == "auto" and is_elsewhere)

    @contextmanager
    def kept(self) -> Iterator[None]:
        from etlrun.engines._spark.application import kept

        with kept():
            yield

    def start(self, workspace: Workspace, environment: Callable[[str], str]) -> EngineSession:
        from etlrun.engines._spark.starting import start_session

        with needing_packages("spark", "the engine spark", OTHERWISE):
            import pyspark  # noqa: F401

        settings = {name: value for name, value in self.conf.items() if "${" not in value}
        secrets = {name: environment(value) for name, value in self.conf.items() if name not in settings}
        return start_session(
            workspace,
            environment(self.master),
            environment(self.remote),
            environment(self.memory),
            environment(self.java),
            environment(self.packages),
            settings,
            secrets,
        )
