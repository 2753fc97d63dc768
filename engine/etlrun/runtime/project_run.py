"""Run the pipelines of a project in dependency order: unchanged pipelines are skipped, and a failure stops only its dependents."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any, Literal

from etlrun.compiler.check import Checked
from etlrun.compiler.project_graph import ProjectGraph
from etlrun.diagnostics import SpecError, format_text
from etlrun.failures import RunFailure
from etlrun.reading.inventory import take_inventory
from etlrun.runtime.basis import Ledgers, find_basis, why_again
from etlrun.runtime.record import Record
from etlrun.runtime.run_place import RunPlace, run_place
from etlrun.runtime.run_records import StoredRun, stored_runs
from etlrun.stopping import safe_point
from etlrun.storage.stores import open_stores
from etlrun.warehouse.opening import filled
from etlrun.working import EVERY_SECONDS, in_background

LAST = "project.json"  # beside the folders of runs: what became of each pipeline of the last run of the project
Outcome = Literal["waiting", "done", "dry-run", "unchanged", "failed", "refused", "stopped", "skipped"]
OPEN: tuple[Outcome, ...] = ("waiting", "failed", "refused", "stopped", "skipped")  # what `etlrun retry` does
NOTHING_NEW = "nothing changed since its last run: same files, tables and specification"
ENDED: Mapping[int, Outcome] = {3: "refused", 4: "stopped"}  # by exit code
Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class PipelineOutcome:
    """The result of a pipeline, why it ran or not, and the record of its run, if any."""

    pipeline: str
    status: Outcome
    reason: str
    record: Mapping[str, Any] | None = None
    failure: RunFailure | None = None

    @property
    def exit_code(self) -> int:
        return self.failure.exit_code if self.failure else 1 if self.status == "failed" else 0


class Reasons:
    """Why each pipeline of a project would run now. Reads the ledgers and the records of earlier runs, and changes nothing."""

    def __init__(self, graph: ProjectGraph, *, is_full: bool) -> None:
        self.graph = graph
        self.is_full = is_full
        self.ledgers = Ledgers()
        self.last = _last_runs(graph)

    def why(self, name: str) -> str:
        """Why a pipeline must run; empty if it is up to date. Raises RunFailure."""
        if self.is_full:
            return "--full runs all pipelines"
        checked = self.graph.pipelines[name]
        if not checked.pipeline.sinks:
            return "it publishes nothing, so it always runs"
        last = self.last.get(_key(checked))
        if last is None:
            return "it has not run yet"
        wanted = {source: use.value.wanted(checked.places) for source, use in checked.pipeline.sources.items()}
        stores = open_stores(checked.project, checked.profile, filled)
        inventories = {source: take_inventory(files, stores) for source, files in wanted.items() if files is not None}
        return why_again(checked, find_basis(checked, inventories, self.ledgers), last, self.ledgers)

    def published(self, name: str) -> None:
        """A pipeline has published: forget the ledger entries of its tables, which are outdated."""
        sinks = self.graph.pipelines[name].pipeline.sinks.items()
        self.ledgers.forget(use.value.place(sink)[0] for sink, use in sinks)


def _key(checked: Checked) -> Key:
    params = sorted((name, str(value)) for name, value in checked.pipeline.values.items())
    return checked.pipeline.name, tuple(params)


def _last_runs(graph: ProjectGraph) -> dict[Key, Record]:
    """The last run of each pipeline, with its params, that published all."""
    left = {_key(checked) for checked in graph.pipelines.values()}
    found: dict[Key, Record] = {}
    if not graph.pipelines:
        return found
    project = next(iter(graph.pipelines.values())).project
    for stored in stored_runs(run_place(project)):
        if not left:
            break
        if isinstance(stored, StoredRun) and stored.record.status == "done" and stored.record.sinks:
            key = (stored.record.pipeline, tuple(sorted(stored.record.params.items())))
            if key in left:
                left.remove(key)
                found[key] = stored.record
    return found


class ProjectRun:
    """A run of some pipelines of a project, at most `jobs` at once.

    `run_one` runs a pipeline and gives its record; `notice` is given each outcome as soon as it is known. What is left open is kept in
    `runs`, where that is given, for `etlrun retry`.
    """

    def __init__(
        self,
        reasons: Reasons,
        chosen: Sequence[str],
        run_one: Callable[[str, str], Record],
        notice: Callable[[PipelineOutcome], None],
        jobs: int = 1,
        runs: RunPlace | None = None,
    ) -> None:
        self.reasons = reasons
        self.upstream = {
            name: [other for other in reasons.graph.upstream.get(name, ()) if other in chosen] for name in chosen
        }
        self.run_one = run_one
        self.notice = notice
        self.jobs = jobs
        self.runs = runs
        self.outcomes = {name: PipelineOutcome(name, "waiting", "") for name in chosen}

    def run(self) -> tuple[PipelineOutcome, ...]:
        """Run all of them, each after the pipelines whose tables it reads."""
        running: dict[Future[PipelineOutcome], str] = {}
        self._keep()
        while True:
            safe_point()
            for name in self._ready(set(running.values())):
                if len(running) < self.jobs:
                    running[in_background(lambda name=name: self._one(name))] = name  # type: ignore[misc]
            if not running:
                break
            for done in wait(running, EVERY_SECONDS, FIRST_COMPLETED).done:
                self._settle(running.pop(done), done.result())
        return tuple(self.outcomes.values())

    def _ready(self, running: set[str]) -> list[str]:
        """The pipelines that may start; pipelines that depend on a failed one are marked as skipped."""
        ready = []
        for name, outcome in list(self.outcomes.items()):
            if outcome.status != "waiting" or name in running:
                continue
            before = [self.outcomes[other] for other in self.upstream[name]]
            stopped = next((other for other in before if other.status in OPEN and other.status != "waiting"), None)
            if stopped is not None:
                self._settle(name, PipelineOutcome(name, "skipped", f"`{stopped.pipeline}` {stopped.status}"))
            elif not any(other.status == "waiting" for other in before):
                ready.append(name)
        return ready

    def _one(self, name: str) -> PipelineOutcome:
        reason = ""
        try:
            reason = self.reasons.why(name)
            if not reason:
                return PipelineOutcome(name, "unchanged", NOTHING_NEW)
            record = self.run_one(name, reason)
        except RunFailure as failure:
            status = ENDED.get(failure.exit_code, "failed")
            return PipelineOutcome(name, status, reason, failure.record, failure)
        except SpecError as error:  # in a file that only a run opens, such as a model's
            return PipelineOutcome(name, "failed", format_text(error.diagnostics))
        return PipelineOutcome(name, "dry-run" if record.status == "dry-run" else "done", reason, record.as_json())

    def _settle(self, name: str, outcome: PipelineOutcome) -> None:
        self.outcomes[name] = outcome
        if outcome.status != "unchanged":
            self.reasons.published(name)
        self._keep()
        self.notice(outcome)

    def _keep(self) -> None:
        """Write the outcomes so far into the file that `etlrun retry` reads."""
        if self.runs is None:
            return
        found = {name: outcome.status for name, outcome in self.outcomes.items()}
        self.runs.write(LAST, json.dumps(found, ensure_ascii=False, indent=1))


def foresee(graph: ProjectGraph, chosen: Sequence[str]) -> dict[str, str]:
    """Why each of these pipelines would run; empty for a pipeline that would be skipped. Raises RunFailure."""
    reasons = Reasons(graph, is_full=False)
    found: dict[str, str] = {}
    for name in chosen:
        before = next((other for other in graph.made_from(name) if found.get(other)), None)
        found[name] = f"`{before}` runs before it" if before else reasons.why(name)
    return found


def left_open(runs: RunPlace) -> tuple[str, ...]:
    """The pipelines that the last run of a project did not finish. Raises RunFailure if there was none."""
    try:
        found = json.loads(runs.read(LAST) or "null")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise RunFailure(
            "usage", "unknown-run", "no earlier run of the whole project was found", "`etlrun run` runs it"
        )
    return tuple(name for name, status in found.items() if status in OPEN)
