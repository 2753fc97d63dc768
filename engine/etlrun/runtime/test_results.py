"""The last results of tests: `etlrun test` saves them in the folder of runs, and the documentation shows them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etlrun.compiler.check import Checked
from etlrun.failures import RunFailure
from etlrun.private import private_folder
from etlrun.runtime.basis import files_beside
from etlrun.spec.cases import CaseFile
from etlrun.spec.located import Document
from etlrun.spec.project import Project

FILE = "tests.json"
_TEXT = {"type": "string"}
_RESULT = {
    "type": "object",
    "required": ["passed", "at", "engine", "digest"],
    "properties": {"passed": {"type": "boolean"}, "at": _TEXT, "engine": _TEXT, "digest": _TEXT},
}
SCHEMA = {
    "type": "object",
    "additionalProperties": {"type": "object", "additionalProperties": _RESULT},
}


@dataclass(frozen=True)
class CaseResult:
    """How a test of a file ended."""

    file: CaseFile
    name: str
    checked: Checked
    passed: bool


def keep_results(results: Iterable[CaseResult], engine: str) -> None:
    """Save the results of tests, together with those of other tests. If the folder of runs cannot be written, nothing is saved."""
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    by_project: dict[Path, list[CaseResult]] = {}
    for result in results:
        by_project.setdefault(result.checked.project.root, []).append(result)
    for found in by_project.values():
        project = found[0].checked.project
        known = read_results(project)
        for result in found:
            ended = {"passed": result.passed, "at": at, "engine": engine}
            digest = tests_digest(result.file.document, result.checked)
            known.setdefault(file_in(project, result.file.path), {})[result.name] = {**ended, "digest": digest}
        with contextlib.suppress(OSError, RunFailure):  # a folder that nobody may write, or everybody
            _write(_path(project), json.dumps(known, ensure_ascii=False, indent=1, sort_keys=True) + "\n")


def read_results(project: Project) -> dict[str, dict[str, Any]]:
    """The results of a project's tests, by file and name; empty if the file does not exist or is not from etlrun."""
    from jsonschema import Draft202012Validator

    try:
        found = json.loads(_path(project).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return dict(found) if Draft202012Validator(SCHEMA).is_valid(found) else {}


def tests_digest(tests: Document, checked: Checked) -> str:
    """A digest of everything that affects the results of a file of tests: its text, the pipeline's, and the files that it uses."""
    pipeline = checked.pipeline.document
    texts = [part.text for part in (tests, pipeline, *pipeline.shared)]
    return hashlib.sha256("\0".join((*texts, *files_beside(checked).values())).encode()).hexdigest()


def file_in(project: Project, path: Path) -> str:
    """The name of a file in results: its path in the project."""
    return os.path.relpath(path.resolve(), project.root.resolve()).replace(os.sep, "/")


def _path(project: Project) -> Path:
    return project.runs_path / FILE


def _write(path: Path, text: str) -> None:
    private_folder(path.parent)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
