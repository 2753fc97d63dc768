"""`spark` - Apache Spark 4: in this process, on a cluster, or by Spark Connect.

`remote` (or the variable SPARK_REMOTE) selects Connect; else `master` (or the one that spark-submit gave) is used. Statements run under
ANSI rules in the UTC time zone, whatever `conf` says. What `conf` takes from the environment (`${NAME}`) stands in no command line and in
no event log. Java's own options (`extraJavaOptions`) are the exception: they are a command line, and what looks like a secret in them, or
comes from the environment, is refused. A server of Spark Connect decides itself what can only be set before it starts: give it
`spark.sql.reflect.allowList=a^`, which shuts Java's methods off behind the checks of etlrun, as the other ways of running do.

With `read: tasks` (or `auto`, on a cluster) text files are read on the executors: each task reads some of the files, or 128 MB of one with a record in
each line, with the same reader as any run, writes Parquet into the run's folder, and gives back an account: rows, quarantine and messages
are those of a run that reads here. A task takes one core, and `task_memory` besides the JVM's memory. A source and `runs:` must lie where
executors see them. An executor fetches an object of a store itself, with credentials from its own environment or identity: none travels
with a task. With `auto` a source that executors cannot read is read here, and a line says why.

Executors need etlrun, duckdb and pyarrow in the versions of this machine. Where they lack them, `etlrun pack OUT.tar.gz` writes an archive, which
`packages` sends them. It holds no Python: they need one of this minor version (the variable PYSPARK_PYTHON says where theirs is). With Spark Connect
the server sets `spark.executorEnv.PYTHONPATH=./etlrun_packages` itself, where its executors lack pyarrow.

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
        "where text files are read: `driver` in this process, `tasks` on the executors, `auto` on the executors if they "
        "can read them",
        default="driver",
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
