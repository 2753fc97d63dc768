"""What the pages of a project are made of: the lineage of its pipelines, and beside it what runs and dashboards are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from etlrun.compiler.project_graph import ProjectGraph
from etlrun.language.influence import OriginColumn
from etlrun.lineage.of_project import PipelineLineage, Reached
from etlrun.lineage.personal_origins import Personal
from etlrun.spec.prompts import Prompt


@dataclass(frozen=True)
class ShownRun:
    """A run as a page shows it."""

    run_id: str
    status: str
    started_at: str
    seconds: float
    checks: tuple[Mapping[str, str], ...]


@dataclass(frozen=True)
class SiteFacts:
    """A project: `runs` are those of each pipeline, latest first; `dashboards` are the names of those that show it; `tests` of its tests."""

    title: str
    graph: ProjectGraph
    lineage: Mapping[str, PipelineLineage]
    runs: Mapping[str, tuple[ShownRun, ...]]
    dashboards: Mapping[str, tuple[str, ...]]
    tests: Mapping[str, tuple[str, ...]]
    mappings: Mapping[str, Mapping[str, tuple[str, ...]]]
    reached: Mapping[OriginColumn, tuple[Reached, ...]]
    personal: Personal
    prompts: Mapping[str, Prompt]

    def users_of(self, file: str) -> Iterator[str]:
        """The pipelines in which a file of the project, a mapping or a prompt, has a part."""
        for name, lineage in self.lineage.items():
            made = (one for found in lineage.relations.values() for one in (found.rows, *found.columns.values()))
            if any(file in one.files for one in made):
                yield name

    def readers(self, pipeline: str, sink: str) -> Iterator[tuple[str, str]]:
        """The pipelines that read a table, each with the source that does."""
        for name in self.graph.pipelines:
            for source, tables in self.graph.read_tables(name).items():
                if any((table.pipeline, table.sink) == (pipeline, sink) for table in tables):
                    yield name, source


def all_reached(lineage: Mapping[str, PipelineLineage]) -> dict[OriginColumn, tuple[Reached, ...]]:
    """The published columns that every column of a source has a part in."""
    found: dict[OriginColumn, list[Reached]] = {}
    for pipeline in lineage.values():
        for sink in pipeline.sinks:
            for column, made in pipeline.published(sink).columns.items():
                for origin in made.origins:
                    found.setdefault(origin, []).append(Reached(pipeline.name, sink, column, origin in made.direct))
    return {origin: tuple(reached) for origin, reached in found.items()}
