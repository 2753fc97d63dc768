"""`spark` - Apache Spark 4: in this process, on a cluster, or by Spark Connect.

`remote` (or the variable SPARK_REMOTE) selects Connect; else `master` (or the one that spark-submit gave) is used. Statements run under
ANSI rules in the UTC time zone, whatever `conf` says. What `conf` takes from the environment (`${NAME}`) stands in no command line and in
no event log. Java's own options (`extraJavaOptions`) are the exception: they are a command line, and what looks like a secret in them, or
comes from the environment, is refused. A server of Spark Connect decides itself what can only be set before it starts: give it
`spark.sql.reflect.allowList=a^`, which shuts Java's methods off behind the checks of etlrun, as the other ways of running do.

```yaml
profiles:
  prod:
    engine: {spark: {remote: "${SPARK_REMOTE}"}}
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from etlrun.contracts.engine import Engine, EngineSession, Workspace
from etlrun.contracts.health import HealthFinding
from etlrun.spec.fields import Scalar, key
from etlrun.spec.packages import needing_packages

OTHERWISE = ", or choose --engine duckdb"


@dataclass(frozen=True)
class Spark(Engine):
    """Apache Spark 4: in this process, on a cluster, or by Spark Connect."""

    dialect: ClassVar[str] = "spark"

    master: str = key("the master's URL; `local[*]` where none is given from outside", default="", example="yarn")
    remote: str = key("a Spark Connect server: `sc://host:port`", default="")
    memory: str = key("the memory of a local driver", default="2g")
    java: str = key(
        "the folder of a Java 17 or later; else JAVA_HOME, PATH or the extra `etlrun[java]`",
        default="",
        example="/usr/lib/jvm/java-21",
    )
    conf: Mapping[str, Scalar] = key("Spark's own settings", factory=dict, example={"spark.sql.shuffle.partitions": 64})

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
            settings,
            secrets,
        )
