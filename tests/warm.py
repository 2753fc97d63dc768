"""Real runs of a project inside this process, all on one Spark session: a run then takes a second, and a JVM starts once."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from etlrun.compiler.producers import check_file
from etlrun.contracts.engine import EngineSession, Workspace
from etlrun.diagnostics import SpecError
from etlrun.engines._spark.session import SparkSessionAtWork
from etlrun.engines._spark.starting import RULES
from etlrun.engines.duckdb import Duckdb
from etlrun.engines.spark import Spark
from etlrun.failures import RunFailure
from etlrun.runtime.run import RunOptions, run_pipeline
from etlrun.spec.project import Use


@dataclass(frozen=True)
class WarmSpark(Spark):
    """The engine of a session that is open already, and stays so; each run has views and settings of its own."""

    session: Any = None

    def start(self, workspace: Workspace, environment: Callable[[str], str]) -> EngineSession:
        spark = self.session.newSession()
        for name, value in RULES.items():
            spark.conf.set(name, value)
        return SparkSessionAtWork(spark, is_classic=True, end=lambda: None)


@dataclass
class Heard:
    """A reporter that keeps the warnings."""

    warnings: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """News are not kept."""

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def progress(self, label: str, done: int, total: int) -> None:
        """Nobody watches."""


@dataclass(frozen=True)
class Ended:
    """How a run ended: its failure, if it has one, with RUN for its id; the accounts of its sources, and the broken records of each."""

    failure: str
    sources: dict[str, dict[str, Any]]
    quarantine: dict[str, list[dict[str, Any]]]

    @property
    def is_bug(self) -> bool:
        return "Traceback" in self.failure


def spark_engines(session: Any) -> dict[str, Use]:
    """Spark with a session, by where text files are read."""
    return {f"spark, {read}": Use("spark", WarmSpark(read=read, session=session), ()) for read in ("driver", "tasks")}


DUCKDB = Use("duckdb", Duckdb(threads=2), ())


def run_warm(path: Path, engine: Use) -> Ended:
    """Run a pipeline file to its end with this engine."""
    heard = Heard()
    try:
        checked = check_file(path)
        checked = replace(checked, profile=replace(checked.profile, engine=engine))
        record = run_pipeline(checked, heard, RunOptions()).as_json()
        failure = ""
    except RunFailure as found:
        record = found.record or {}
        failure = f"{found.code}: {found.message} = {found.fix}"
    except SpecError as error:
        return Ended("\n".join(f"{found.code}: {found.message}" for found in error.diagnostics), {}, {})
    except Exception:  # noqa: BLE001 - a traceback is what is looked for
        return Ended(traceback.format_exc(), {}, {})
    run = str(record.get("run_id"))
    return Ended(failure.replace(run, "RUN"), record.get("sources", {}), _quarantine(checked.project.runs_path / run))


def _quarantine(folder: Path) -> dict[str, list[dict[str, Any]]]:
    found = sorted((folder / "quarantine").glob("*.jsonl"))
    return {path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in found}
