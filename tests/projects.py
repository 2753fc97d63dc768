"""Small projects on disk, and the real command run in them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import duckdb

from forking import can_fork, run_forked

PROJECT = """profile: fast
profiles:
  fast: {engine: {duckdb: {threads: 2}}, connections: {warehouse: {duckdb: warehouse.duckdb}}}
  local: {engine: {spark: {master: "local[2]", memory: 1g}}, connections: {warehouse: {duckdb: warehouse.duckdb}}}
"""


@dataclass(frozen=True)
class Result:
    """What a command left: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def with_catalog(project: Project) -> None:
    """Give the profile of a project a connection `lake`, a catalog of Iceberg tables."""
    catalog = 'lake: {iceberg: {uri: "sqlite:///lake/catalog.db", warehouse: lake/tables}}'
    project.write("etlrun.yaml", PROJECT.replace("warehouse.duckdb}}", f"warehouse.duckdb}}, {catalog}}}"))


class Project:
    """A folder with etlrun.yaml, in which commands run."""

    def __init__(self, folder: Path, seconds: float = 300) -> None:
        self.folder = folder
        self.seconds = seconds  # that a command may take
        self.write("etlrun.yaml", PROJECT)

    def write(self, path: str, content: str | bytes) -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        return target

    def pipeline(self, text: str, name: str = "p") -> str:
        """Write pipelines/NAME.yaml and give its path."""
        self.write(f"pipelines/{name}.yaml", text if text.startswith("pipeline:") else f"pipeline: {name}\n{text}")
        return f"pipelines/{name}.yaml"

    def run(self, *arguments: str, limit: Callable[[], None] | None = None, **environment: str) -> Result:
        """Run `etlrun` with these arguments to its end."""
        given = self.environment(environment)
        if limit is None and can_fork(given):
            return Result(*run_forked(arguments, self.folder, given, self.seconds))
        done = subprocess.run(
            self._command(arguments),
            cwd=self.folder,
            env=given,
            capture_output=True,
            text=True,
            timeout=self.seconds,
            preexec_fn=limit,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def start(
        self, *arguments: str, output: int | IO[str] = subprocess.PIPE, **environment: str
    ) -> subprocess.Popen[str]:
        """Start `etlrun`, which writes to `output`, and come back at once."""
        return subprocess.Popen(
            self._command(arguments),
            cwd=self.folder,
            env=self.environment(environment),
            text=True,
            stdout=output,
            stderr=subprocess.PIPE,
            preexec_fn=_heed_interrupts,
        )

    def run_until(self, seen: str, number: signal.Signals, *arguments: str, **environment: str) -> Result:
        """Start `etlrun`, send it a signal once `seen` stands on its standard error, and wait for its end."""
        process = self.start(*arguments, **environment)
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if seen in line:
                process.send_signal(number)
                break
        out, err = process.communicate(timeout=60)
        return Result(process.returncode, out, "".join(lines) + err)

    def table(self, name: str, database: str = "warehouse.duckdb") -> list[tuple[Any, ...]]:
        """The rows of a published table, in the order in which they stand."""
        with duckdb.connect(str(self.folder / database), read_only=True) as connection:
            return connection.execute(f'SELECT * FROM "{name}"').fetchall()

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "etlrun", *arguments]

    def environment(self, given: dict[str, str]) -> dict[str, str]:
        """The variables of a command: those of the tests but for what belongs to `etlrun` and Spark, and the given ones."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("ETLRUN_", "SPARK_", "PYSPARK_"))
        }
        return {**inherited, **given}


def _heed_interrupts() -> None:
    """Let Ctrl-C reach a command even where the tests themselves run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Come back once `condition` holds; fail when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)
