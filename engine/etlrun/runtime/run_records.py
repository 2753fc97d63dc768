"""Reads the records of earlier runs. Each is validated by a schema before it is used; invalid ones are skipped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, get_args

from etlrun.failures import RunFailure
from etlrun.private import refuse_open
from etlrun.runtime.liveness import is_alive
from etlrun.runtime.record import Record, Status
from etlrun.runtime.run_folder import LEFT_BEHIND, RECORD, RUN_ID, STAGE, RunFolder, sweep_unfinished
from etlrun.runtime.run_place import RunPlace
from etlrun.spec.validity import is_allowed

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

KEEP_DAYS = 7  # for a stage that was not resumed
MOST_PROCESSES = 2**31 - 1

_TEXT = {"type": "string"}
_ROWS = {"type": "integer", "minimum": 0}
_FILE = {
    "type": "object",
    "required": ["path", "rows", "sha256"],
    "properties": {
        "path": _TEXT,
        "rows": _ROWS,
        "size": _ROWS,
        "tag": _TEXT,
        "partition": {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    },
    "additionalProperties": False,
}
_STAGED = {
    "type": "object",
    "required": ["rows", "checksum", "files"],
    "properties": {"rows": _ROWS, "checksum": _TEXT, "files": {"type": "array", "items": _FILE}},
}
_NAMED_OBJECTS = {"type": "object", "additionalProperties": {"type": "object"}}
_TEXTS = ("pipeline", "file", "run_id", "engine", "profile", "started_at", "host", "spec_hash", "version")
SCHEMA = {
    "type": "object",
    "required": [*_TEXTS, "pid", "status", "seconds"],
    "properties": {
        **dict.fromkeys([*_TEXTS, "engine_version"], _TEXT),
        "run_id": {"type": "string", "pattern": f"^{RUN_ID.pattern}$"},
        "process": _TEXT,
        "pid": {"type": "integer", "minimum": 0, "maximum": MOST_PROCESSES},
        "status": {"enum": list(get_args(Status))},
        "seconds": {"type": "number"},
        "params": {"type": "object", "additionalProperties": _TEXT},
        "basis": {"type": "object", "additionalProperties": _TEXT},
        "parts": {"type": "object", "additionalProperties": _TEXT},
        "labels": {"type": "object", "additionalProperties": {"type": "array", "items": _TEXT}},
        "sources": _NAMED_OBJECTS,
        "relations": _NAMED_OBJECTS,
        "models": _NAMED_OBJECTS,
        "checks": {"type": "array", "items": {"type": "object"}},
        "sinks": {
            "type": "object",
            "additionalProperties": {"type": "object", "required": ["rows"], "properties": {"rows": _ROWS}},
        },
        "staged": {"type": "object", "additionalProperties": _STAGED},
        "error": {"type": ["object", "null"]},
    },
}


@dataclass(frozen=True)
class StoredRun:
    """An earlier run. A run whose process ended without recording it counts as `killed`."""

    folder: RunFolder
    record: Record
    is_lost: bool = False  # its process has ended, and its stored record does not say so


@dataclass(frozen=True)
class Unreadable:
    """An invalid record, and the reason."""

    folder: RunFolder
    reason: str

    def __str__(self) -> str:
        place, whole = self.folder.shown(self.folder.path / RECORD), self.folder.shown(self.folder.path)
        return f"{place} is not a run record and is skipped ({self.reason}); remove {whole} if it is not needed"


def stored_runs(runs: RunPlace) -> Iterator[StoredRun | Unreadable]:
    """All runs, latest first. Runs are marked as killed only in memory. Raises RunFailure if the store of runs fails."""
    for folder in runs.folders(runs.ids()):
        yield _judged(folder)


def find_run(runs: RunPlace, run: str) -> StoredRun:
    """The run whose id is or begins with `run`. Raises RunFailure if there is none, or several, or its record is invalid."""
    found = [name for name in runs.ids() if name.startswith(run)]
    if len(found) != 1:
        what = "there is no run" if not found else f"{len(found)} runs begin with"
        raise RunFailure("usage", "unknown-run", f"{what} `{run}`", "`etlrun runs` lists them")
    (folder,) = RunPlace(runs.path.resolve(), runs.store).folders(found)
    refuse_open(runs.path)
    stored = _read(folder)
    if isinstance(stored, Unreadable):
        detail = f"{folder.shown(folder.path / RECORD)} is not a run record ({stored.reason})"
        raise RunFailure("usage", "unknown-run", detail, "run the pipeline again")
    return stored


def sweep_old(runs: RunPlace, days: int = KEEP_DAYS) -> list[Unreadable]:
    """Remove files of killed and interrupted runs, and stages and failing rows older than `days` days; records and quarantines stay. Returns skipped ones.

    Until then, a checked stage stays for `etlrun resume`. Raises RunFailure if the store of runs fails.
    """
    oldest = (datetime.now(UTC) - timedelta(days=days)).strftime("%Y%m%dT%H%M%SZ")
    skipped = []
    sweep_unfinished(runs.path)
    runs.sweep_copies()
    for found in map(_judged, runs.folders(runs.unfinished())):
        if isinstance(found, Unreadable):
            skipped.append(found)
        else:
            _sweep(found, is_old=found.folder.id < oldest)
    return skipped


def _sweep(run: StoredRun, *, is_old: bool) -> None:
    """Remove the files that a run does not need any more."""
    folder, record = run.folder, run.record
    if record.status == "running":
        return
    if run.is_lost:
        folder.write_record(record.as_record())
    # A task of Spark may write a file after its run has ended; `etlrun resume` uses the files of one with a stage.
    unstaged = is_old or record.status == "done" or not record.staged
    is_left = unstaged or record.status == "killed"
    if is_left:
        folder.sweep(staged=unstaged)
    if is_old:
        folder.drop_failing()
    left = (*(LEFT_BEHIND if is_left else ()), *([STAGE] if unstaged else []), *(["failing"] if is_old else []))
    folder.sweep_store(*left)
    folder.end_life()


def _judged(folder: RunFolder) -> StoredRun | Unreadable:
    """The run in a folder, as killed if its process has ended without a word."""
    found = _read(folder)
    if _is_lost(found):
        folder.refresh()  # its last record may have come between the look at the record and at the process
        found = _read(folder)
        if isinstance(found, StoredRun) and found.record.status == "running":
            found.record.status = "killed"
            return StoredRun(folder, found.record, is_lost=True)
    return found


def _is_lost(found: StoredRun | Unreadable) -> bool:
    return (
        isinstance(found, StoredRun) and found.record.status == "running" and not is_alive(found.folder, found.record)
    )


def _read(folder: RunFolder) -> StoredRun | Unreadable:
    """The run in a folder. Only the path of the folder is used, never a path inside the record."""
    path = folder.path / RECORD
    if path.parent.is_symlink() or not path.is_file():
        return Unreadable(folder, "it is a link, or not a file")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return Unreadable(folder, f"it cannot be read: {error}")
    wrong = None if is_allowed(found, SCHEMA) else next(_validator().iter_errors(found), None)
    if wrong is not None:
        return Unreadable(folder, f"{wrong.json_path}: {wrong.message[:200]}")
    if found["run_id"] != path.parent.name:
        return Unreadable(folder, "its `run_id` differs from the name of its folder")
    known = {item.name for item in fields(Record)}
    record = Record(**{name: value for name, value in found.items() if name in known})
    return StoredRun(folder, record)


@cache
def _validator() -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(SCHEMA)
