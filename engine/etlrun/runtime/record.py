"""The record of a run: what `--json` prints, the run folder keeps and `etlrun runs` lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from etlrun.failures import RunFailure

Status = Literal["running", "done", "dry-run", "failed", "refused", "stopped", "interrupted", "killed"]
STATUS_OF: dict[int, Status] = {3: "refused", 4: "stopped", 130: "interrupted", 143: "interrupted"}


@dataclass
class Record:
    """The record of a run."""

    pipeline: str
    file: str
    run_id: str
    engine: str
    profile: str
    started_at: str
    host: str
    pid: int
    spec_hash: str
    version: str
    process: str = ""  # tells `pid` from later processes, and `host` from containers with the same name
    params: dict[str, str] = field(default_factory=dict)
    basis: dict[str, str] = field(default_factory=dict)  # what the result rests on; equal ones give equal results
    parts: dict[str, str] = field(default_factory=dict)  # of the specification, each with a digest
    labels: dict[str, list[str]] = field(
        default_factory=dict
    )  # that pivots found in a column, by the place of the step
    engine_version: str = ""  # once it has started
    status: Status = "running"
    seconds: float = 0.0
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    relations: dict[str, dict[str, Any]] = field(default_factory=dict)
    checks: list[dict[str, str]] = field(default_factory=list)
    sinks: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    staged: dict[str, Any] = field(default_factory=dict)  # what a later `etlrun resume` would publish
    error: dict[str, Any] | None = None

    @property
    def keeps_stage(self) -> bool:
        """Whether the staged rows are kept: to inspect rows that failed a check, or to publish them later."""
        return self.status == "refused" or (self.status in ("failed", "interrupted") and bool(self.staged))

    def stop(self) -> None:
        """The process was asked to end: a run that has not ended is interrupted."""
        if self.status == "running":
            self.status = "interrupted"

    def fail(self, failure: RunFailure) -> None:
        self.status = STATUS_OF.get(failure.exit_code, "failed")
        self.error = error_object(failure)

    def as_json(self) -> dict[str, Any]:
        """The object of `--json`; keys without a value are left out."""
        found = {
            "pipeline": self.pipeline,
            "run_id": self.run_id,
            "status": self.status,
            "engine": self.engine,
            "seconds": round(self.seconds, 2),
            "sources": self.sources,
            "relations": self.relations,
            "checks": self.checks,
            "sinks": self.sinks,
            "models": self.models,
        }
        return {**found, "error": self.error} if self.error else found

    def as_record(self) -> dict[str, Any]:
        """The object that the run folder keeps."""
        facts = {
            "file": self.file,
            "profile": self.profile,
            "params": self.params,
            "basis": self.basis,
            "parts": self.parts,
            "labels": self.labels,
            "started_at": self.started_at,
            "host": self.host,
            "pid": self.pid,
            "process": self.process,
            "spec_hash": self.spec_hash,
            "version": self.version,
            "engine_version": self.engine_version,
            "staged": self.staged,
        }
        return {**self.as_json(), **facts}


def error_object(failure: RunFailure) -> dict[str, Any]:
    """A failure as `--json` shows it."""
    found = {
        "code": failure.code,
        "message": failure.message,
        "fix": failure.fix,
        "file": failure.diagnostic.file,
        "line": failure.diagnostic.line,
        "column": failure.diagnostic.column,
    }
    return {name: value for name, value in found.items() if value}
