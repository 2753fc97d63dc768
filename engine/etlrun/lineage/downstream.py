"""What is made of a column further down: published columns of its own pipeline, and those of the pipelines that read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from etlrun.compiler.project_graph import ProjectGraph
from etlrun.compiler.relation_lineage import plan_lineage
from etlrun.language.influence import OriginColumn
from etlrun.lineage.of_project import PipelineLineage, Reached

Sink = tuple[str, str]  # a pipeline, and a sink of it
Place = tuple[str, str, str]  # a pipeline, a source of it, and a column in lower case


@dataclass(frozen=True)
class Downstream:
    """`reached` are the published columns of the same pipeline that each column of a source has a part in, `rows` the sinks whose rows it decides.

    `readers` are the pipelines that read a sink, each with the source that does.
    """

    reached: Mapping[Place, tuple[Reached, ...]]
    rows: Mapping[Place, tuple[Sink, ...]]
    readers: Mapping[Sink, tuple[tuple[str, str], ...]]

    def of_source(self, origin: OriginColumn) -> tuple[Reached, ...]:
        """The published columns that a column of a source reaches, nearest first."""
        return self._follow(self.reached.get(_place(origin), ()))

    def of_published(self, pipeline: str, sink: str, column: str) -> tuple[Reached, ...]:
        """The published columns of other pipelines that a published one reaches, nearest first."""
        return self._follow(self._next(Reached(pipeline, sink, column, is_direct=True)))

    def rows_of(self, origin: OriginColumn) -> tuple[Sink, ...]:
        """The sinks whose rows a column of a source decides."""
        return self.rows.get(_place(origin), ())

    def _follow(self, first: Iterable[Reached]) -> tuple[Reached, ...]:
        found: dict[tuple[str, str, str], Reached] = {}
        waiting = list(first)
        while waiting:
            one = waiting.pop(0)
            key = (one.pipeline, one.sink, one.column)
            if key not in found or one.is_direct and not found[key].is_direct:
                found[key] = one
                waiting += self._next(one)
        return tuple(found.values())

    def _next(self, one: Reached) -> list[Reached]:
        places = (
            (pipeline, source, one.column.lower())
            for pipeline, source in self.readers.get((one.pipeline, one.sink), ())
        )
        return [
            replace(further, is_direct=further.is_direct and one.is_direct)
            for place in places
            for further in self.reached.get(place, ())
        ]


def find_downstream(graph: ProjectGraph, lineage: Mapping[str, PipelineLineage]) -> Downstream:
    """What the columns of all sources of a project reach."""
    reached: dict[Place, list[Reached]] = {}
    rows: dict[Place, list[Sink]] = {}
    readers: dict[Sink, list[tuple[str, str]]] = {}
    for name, pipeline in lineage.items():
        read = graph.read_tables(name)
        for source, tables in read.items():
            for table in tables:
                readers.setdefault((table.pipeline, table.sink), []).append((name, source))
        own = plan_lineage(pipeline.plan, {}) if read else pipeline.relations  # trails begin in its own sources
        for sink, relation in pipeline.sinks.items():
            for column, made in own[relation].columns.items():
                for origin in made.origins:
                    one = Reached(name, sink, column, origin in made.direct)
                    reached.setdefault(_place(origin), []).append(one)
            for origin in own[relation].rows.origins:
                rows.setdefault(_place(origin), []).append((name, sink))
    return Downstream(
        {place: tuple(found) for place, found in reached.items()},
        {place: tuple(found) for place, found in rows.items()},
        {sink: tuple(found) for sink, found in readers.items()},
    )


def _place(origin: OriginColumn) -> Place:
    return origin.pipeline, origin.relation, origin.column.lower()
