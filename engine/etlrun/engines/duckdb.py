"""`duckdb` - DuckDB in this process, without a JVM: for development, tests, and data that fits on one machine.

```yaml
profiles:
  fast:
    engine: {duckdb: {}}
```
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from etlrun.contracts.engine import Engine, Workspace
from etlrun.spec.fields import key

if TYPE_CHECKING:
    from etlrun.engines._duckdb import DuckdbSession


@dataclass(frozen=True)
class Duckdb(Engine):
    """In this process, without a JVM: development, tests, data that fits one machine."""

    dialect: ClassVar[str] = "duckdb"

    threads: int | None = key("the number of threads; default: the number of cores", default=None, example=4)
    memory: str = key(
        "the memory limit, such as `4GB`; data above the limit is written to the run directory",
        default="",
        example="4GB",
    )

    def start(self, workspace: Workspace, environment: Callable[[str], str]) -> DuckdbSession:
        from etlrun.engines._duckdb import start_session

        return start_session(workspace, self.threads, environment(self.memory))
