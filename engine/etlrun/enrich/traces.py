"""Finds traces of a key outside the label store: in files of the project, and in files of earlier runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from etlrun.spec.answer_files import overrides_path, read_overrides
from etlrun.spec.normal_form import plain_form
from etlrun.spec.project import Project
from etlrun.spec.prompts import Prompt

WRITTEN = ("prompts", "golden", "mappings")  # folders of a project whose texts people write
LEFT_BEHIND = (".jsonl", ".json", ".log", ".parquet")  # files of runs


@dataclass(frozen=True)
class Trace:
    """A file that contains a text, relative to the working folder, and how to remove the text."""

    path: str
    fix: str


def find_traces(project: Project, prompts: Sequence[Prompt], wanted: Sequence[str], *, parts: bool) -> Iterator[Trace]:
    """The files that contain keys (normal forms) or, with `parts`, keys that contain the texts. Kept parts of input files are not searched."""
    for prompt in prompts:
        path = overrides_path(project.root, prompt.name)
        held = read_overrides(project.root, prompt.name, os.path.relpath(path), prompt.outputs, prompt.keys)
        if any(text in key if parts else text == key for text in wanted for key in held):
            yield Trace(os.path.relpath(path), "edit the file")
    for folder in WRITTEN:
        for path in sorted((project.root / folder).rglob("*")):
            if path.is_file() and _holds_text(path, wanted):
                yield Trace(os.path.relpath(path), "edit the file")
    for path in sorted({path.resolve() for folder in (project.root, Path.cwd()) for path in folder.glob("*.csv")}):
        if _is_review(path) and _holds_text(path, wanted):
            yield Trace(os.path.relpath(path), "delete the file")
    for run in sorted(project.runs_path.glob("*-*")):
        for path in sorted(path for path in run.rglob("*") if path.suffix in LEFT_BEHIND and path.is_file()):
            if (_holds_rows if path.suffix == ".parquet" else _holds_text)(path, wanted):
                yield Trace(os.path.relpath(path), "delete the file")


def copies_of_inputs(project: Project) -> str:
    """The folder in which runs keep parts of input files for later runs; `""` if there is none."""
    path = project.runs_path / "parts"
    return os.path.relpath(path) if path.is_dir() else ""


def _is_review(path: Path) -> bool:
    """Whether `etlrun llm review` wrote a CSV file, by its header."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return "row_points" in file.readline(10_000)


def _holds_text(path: Path, wanted: Sequence[str]) -> bool:
    with path.open(encoding="utf-8", errors="replace") as file:
        return any(text in line for line in map(plain_form, file) for text in wanted)


def _holds_rows(path: Path, wanted: Sequence[str]) -> bool:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    rows = (row for batch in file.iter_batches(10_000) for row in batch.to_pylist())
    values = (value for row in rows for value in row.values() if value is not None)
    return any(text in plain_form(str(value)) for value in values for text in wanted)
