"""The data for the pages of a project: the lineage of its pipelines, and known runs, dashboards and tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from etlrun.compiler.project_graph import ProjectGraph
from etlrun.lineage.downstream import Downstream
from etlrun.lineage.of_project import PipelineLineage
from etlrun.lineage.personal_origins import Personal
from etlrun.spec.cases import Case
from etlrun.spec.prompts import Prompt


@dataclass(frozen=True)
class ShownRun:
    """A run, as shown on a page."""

    run_id: str
    status: str
    started_at: str
    seconds: float
    checks: tuple[Mapping[str, str], ...]


@dataclass(frozen=True)
class LastResult:
    """The last result of a test; it is current if neither the test nor what it tests has changed since."""

    passed: bool
    at: str
    engine: str
    is_of_today: bool


@dataclass(frozen=True)
class ShownCase:
    """A test, as shown on a page, with the path of its file in the project."""

    file: str
    case: Case
    last: LastResult | None


@dataclass(frozen=True)
class ShownDashboard:
    """A dashboard, as shown on a page: its sink, and the uses of each column, in words."""

    title: str
    sink: str
    uses: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class SiteFacts:
    """A project: `runs`, `dashboards` and `tests` are those of each pipeline, the latest run first."""

    title: str
    graph: ProjectGraph
    lineage: Mapping[str, PipelineLineage]
    runs: Mapping[str, tuple[ShownRun, ...]]
    dashboards: Mapping[str, tuple[ShownDashboard, ...]]
    tests: Mapping[str, tuple[ShownCase, ...]]
    mappings: Mapping[str, Mapping[str, tuple[str, ...]]]
    down: Downstream
    personal: Personal
    prompts: Mapping[str, Prompt]

    def users_of(self, file: str) -> Iterator[str]:
        """The pipelines that use a file of the project, a mapping or a prompt."""
        for name, lineage in self.lineage.items():
            made = (one for found in lineage.relations.values() for one in (found.rows, *found.columns.values()))
            if any(file in one.files for one in made):
                yield name
