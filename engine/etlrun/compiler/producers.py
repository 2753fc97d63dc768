"""The pipelines of a project by name; each is read and checked when it is first needed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

from etlrun.compiler.check import Checked, check_pipeline
from etlrun.compiler.personal_columns import (
    PersonalTables,
    may_disclose,
    personal_tables,
    reads_tables,
    refuse_unallowed,
)
from etlrun.compiler.step_checks import with_step_checks
from etlrun.diagnostics import SpecError
from etlrun.language.columns import LABEL, Column, Columns
from etlrun.spec.cases import pipelines_below
from etlrun.spec.pipeline import read_pipeline
from etlrun.spec.project import Project
from etlrun.spec.project_file import find_project
from etlrun.spec.published import CircularPipelinesError, PublishedTable
from etlrun.spec.scope import HIDDEN

_NAME = re.compile(r"""^pipeline:[ \t]*["']?([^"'#\n]*?)["']?[ \t]*(?:#.*)?$""", re.MULTILINE)


def check_file(path: Path, profile: str = "", settings: Mapping[str, str] | None = None) -> Checked:
    """Read and check one pipeline file of its project. Raises SpecError with every mistake."""
    return ProjectPipelines(find_project(path), profile, settings or {}).check(path)


class ProjectPipelines:
    """The pipelines of a project under one profile and with the same settings."""

    def __init__(self, project: Project, profile: str, settings: Mapping[str, str]) -> None:
        self.project = project
        self.profile = profile
        self.settings = settings
        self._found: dict[Path, Checked | SpecError] = {}
        self._open: list[Path] = []

    def check(self, path: Path) -> Checked:
        """Read and check a pipeline file. Raises SpecError with every mistake, and CircularPipelinesError."""
        checked = self.check_names(path)
        if may_disclose(checked):
            tables, unread = self._personal_tables if reads_tables(checked) else ({}, ())
            if problems := refuse_unallowed(checked, tables, unread):
                raise SpecError(problems)
        return checked

    def check_names(self, path: Path) -> Checked:
        """Check a pipeline file, except its use of personal data. Raises SpecError and CircularPipelinesError."""
        key = path.resolve()
        if key in self._open:
            raise CircularPipelinesError(tuple(name_in(open_) for open_ in (*self._open[self._open.index(key) :], key)))
        if key not in self._found:
            self._found[key] = self._check(path, key)
        found = self._found[key]
        if isinstance(found, SpecError):
            raise found
        return found

    def _check(self, path: Path, key: Path) -> Checked | SpecError:
        try:
            with self._opened(key):
                pipeline = read_pipeline(path, self.project, self.settings)
                checked = with_step_checks(
                    check_pipeline(pipeline, self.project, self.project.profile(self.profile), self)
                )
                _verify_views(checked)
                return checked
        except SpecError as error:
            return error

    @contextmanager
    def _opened(self, key: Path) -> Iterator[None]:
        self._open.append(key)
        try:
            yield
        finally:
            self._open.pop()

    @cached_property
    def _personal_tables(self) -> tuple[PersonalTables, tuple[str, ...]]:
        """The tagged columns of the project's tables, and the files with mistakes that might tag more columns."""
        found: list[Checked] = []
        unread: list[str] = []
        for path in self.files:
            try:
                found.append(self.check_names(path))
            except (SpecError, CircularPipelinesError):
                unread.append(self.project.shown(path))
        return personal_tables(found), tuple(unread) if unread and self._has_tags() else ()

    def _has_tags(self) -> bool:
        """Whether a file of the project has the word `pii`."""
        shared = (path for folder in ("sources", "mappings") for path in self.project.path(folder).glob("*.yaml"))
        return any(b"pii" in path.read_bytes() for path in (*self.files, *shared))

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """The files of all pipelines of the project."""
        folder = Path(self.project.shown(self.project.path("pipelines")))
        return tuple(pipelines_below(folder)) if folder.is_dir() else ()

    def files_with(self, words: Collection[str]) -> Iterator[Path]:
        """The pipeline files that contain one of some words, ignoring case."""
        for path in self.files:
            with suppress(OSError, UnicodeDecodeError):
                text = path.read_text(encoding="utf-8").lower()
                if any(word.lower() in text for word in words):
                    yield path

    @cached_property
    def _paths(self) -> Mapping[str, Path]:
        return {name_in(path): path for path in reversed(self.files)}

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._paths))

    def tables_of(self, pipeline: str) -> Mapping[str, PublishedTable] | None:
        path = self._paths.get(pipeline)
        return published_tables(self.check_names(path)) if path is not None else None


def _verify_views(checked: Checked) -> None:
    """Raises SpecError if a database cannot compute the relation of a view sink."""
    if any(use.value.is_view() for use in checked.pipeline.sinks.values()):
        from etlrun.compiler.views import verify_views  # lowering is not needed otherwise

        problems = verify_views(checked)
        if problems:
            raise SpecError(problems)


def name_in(path: Path) -> str:
    """The name of the pipeline in a file, or otherwise the name of the file; the file may have mistakes."""
    try:
        found = _NAME.search(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        found = None
    return found[1] if found and found[1] else path.stem


def published_tables(checked: Checked) -> dict[str, PublishedTable]:
    """The tables that a pipeline publishes, by sink."""
    found = {}
    for sink, use in checked.pipeline.sinks.items():
        written = use.value.table_written(sink)
        if written is None:
            continue
        published = use.value.published(checked.columns[use.value.from_])
        columns = (item for item in published if not item.name.startswith(HIDDEN) and LABEL not in item.name)
        shown = Columns(tuple(Column(item.name, item.type, description=item.description) for item in columns))
        at = checked.pipeline.document.diagnose_key(("sinks", sink), "shared-sink", "")
        place = f"{at.file}:{at.line}:{at.column}"
        awaits = checked.columns[use.value.from_].awaits_labels
        found[sink] = PublishedTable(
            checked.pipeline.name, sink, written[0], written[1], shown, place, use.kind, awaits
        )
    return found
