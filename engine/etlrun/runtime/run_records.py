"""Reads the records of earlier runs. Each is validated by a schema before it is used; invalid ones are skipped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from etlrun.failures import RunFailure
from etlrun.private import refuse_open
from etlrun.runtime.liveness import is_alive
from etlrun.runtime.record import Record, Status
from etlrun.runtime.run_folder import RECORD, RunFolder, sweep_unfinished
from etlrun.spec.validity import is_allowed

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
KEEP_DAYS = 7  # for a stage that was not resumed
MOST_PROCESSES = 2**31 - 1

_TEXT = {"type": "string"}
_ROWS = {"type": "integer", "minimum": 0}
_FILE = {
    "type": "object",
    "required": ["path", "rows", "sha256"],
    "properties": {"path": _TEXT, "rows": _ROWS, "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"}},
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


@dataclass(frozen=True)
class Unreadable:
    """An invalid record, and the reason."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path} is not a run record and is skipped ({self.reason}); remove {self.path.parent} if it is not needed"


def stored_runs(runs: Path) -> Iterator[StoredRun | Unreadable]:
    """All runs below `runs`, latest first. Runs are marked as killed only in memory."""
    for path in sorted(runs.glob(f"*/{RECORD}"), reverse=True):
        found = _read(path)
        if isinstance(found, StoredRun) and _is_lost(found):
            found.record.status = "killed"
        yield found


def find_run(runs: Path, run: str) -> StoredRun:
    """The run whose id is or begins with `run`. Raises RunFailure if there is none, or several, or its record is invalid."""
    found = [path for path in sorted(runs.resolve().glob(f"*/{RECORD}")) if path.parent.name.startswith(run)]
    if len(found) != 1:
        what = "there is no run" if not found else f"{len(found)} runs begin with"
        raise RunFailure("usage", "unknown-run", f"{what} `{run}`", "`etlrun runs` lists them")
    refuse_open(runs)
    stored = _read(found[0])
    if isinstance(stored, Unreadable):
        detail = f"{stored.path} is not a run record ({stored.reason})"
        raise RunFailure("usage", "unknown-run", detail, "run the pipeline again")
    return stored


def sweep_old(runs: Path, days: int = KEEP_DAYS) -> list[Unreadable]:
    """Remove files of killed runs, and stages and failing rows older than `days` days; records and quarantines stay. Returns skipped ones.

    Until then, a checked stage stays for `etlrun resume`.
    """
    oldest = (datetime.now(UTC) - timedelta(days=days)).strftime("%Y%m%dT%H%M%SZ")
    skipped = []
    sweep_unfinished(runs)
    for found in map(_read, sorted(runs.glob(f"*/{RECORD}"))):
        if isinstance(found, Unreadable):
            skipped.append(found)
            continue
        folder, record = found.folder, found.record
        is_old = folder.id < oldest
        if _is_lost(found):
            record.status = "killed"
            folder.write_record(record.as_record())
        if record.status == "killed":
            folder.sweep(staged=is_old or not record.staged)
        elif record.status != "running" and is_old:
            folder.sweep(staged=True)
        if record.status != "running" and is_old:
            folder.drop_failing()
    return skipped


def _is_lost(run: StoredRun) -> bool:
    return run.record.status == "running" and not is_alive(run.folder.path / RECORD, run.record)


def _read(path: Path) -> StoredRun | Unreadable:
    """The run of a record. Only the path of its own folder is used, never a path inside the record."""
    if path.parent.is_symlink() or not path.is_file():
        return Unreadable(path, "it is a link, or not a file")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return Unreadable(path, f"it cannot be read: {error}")
    wrong = None if is_allowed(found, SCHEMA) else next(_validator().iter_errors(found), None)
    if wrong is not None:
        return Unreadable(path, f"{wrong.json_path}: {wrong.message[:200]}")
    if found["run_id"] != path.parent.name:
        return Unreadable(path, "its `run_id` differs from the name of its folder")
    known = {item.name for item in fields(Record)}
    record = Record(**{name: value for name, value in found.items() if name in known})
    return StoredRun(RunFolder(path.parent.name, path.parent), record)


@cache
def _validator() -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(SCHEMA)
