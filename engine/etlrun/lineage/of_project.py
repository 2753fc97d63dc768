"""The lineage of the pipelines of a project: a table that one of them publishes carries its trails into those that read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from etlrun.collector import not_collecting
from etlrun.compiler.check import Checked
from etlrun.compiler.plan import Plan, make_plan
from etlrun.compiler.project_graph import ProjectGraph
from etlrun.compiler.relation_lineage import plan_lineage
from etlrun.language.influence import OriginColumn, RelationLineage, beginning, together
from etlrun.spec.published import PublishedTable


@dataclass(frozen=True)
class PipelineLineage:
    """The lineage of every relation of a pipeline, and the relation that each sink publishes."""

    plan: Plan
    relations: Mapping[str, RelationLineage]

    @property
    def checked(self) -> Checked:
        return self.plan.checked

    @property
    def name(self) -> str:
        return self.checked.pipeline.name

    @property
    def sinks(self) -> dict[str, str]:
        return {name: use.value.from_ for name, use in self.checked.pipeline.sinks.items()}

    def published(self, sink: str) -> RelationLineage:
        return self.relations[self.sinks[sink]]


@not_collecting()
def project_lineage(graph: ProjectGraph) -> dict[str, PipelineLineage]:
    """The lineage of every pipeline, each after those whose tables it reads."""
    found: dict[str, PipelineLineage] = {}
    for name, checked in graph.pipelines.items():
        given = {
            source: _passed_on(checked, source, tables, found) for source, tables in graph.read_tables(name).items()
        }
        plan = make_plan(checked)
        found[name] = PipelineLineage(plan, plan_lineage(plan, given))
    return found


def _passed_on(
    checked: Checked, source: str, tables: tuple[PublishedTable, ...], found: Mapping[str, PipelineLineage]
) -> RelationLineage:
    """A source whose trails begin in the pipelines that publish its table; a column that none of them publishes begins here."""
    published = [found[table.pipeline].published(table.sink) for table in tables if table.pipeline in found]
    own = beginning(checked.pipeline.name, source, checked.columns[source].names)
    columns = {}
    for name, lineage in own.columns.items():
        passed = [there for relation in published if (there := relation.column(name)) is not None]
        columns[name] = together(passed) if passed else lineage
    return RelationLineage(columns, together(relation.rows for relation in published))


@dataclass(frozen=True)
class Reached:
    """A published column that a column of a source reaches; `is_direct` where it is made of it."""

    pipeline: str
    sink: str
    column: str
    is_direct: bool


def reached_by(origin: OriginColumn, pipelines: Mapping[str, PipelineLineage]) -> Iterator[Reached]:
    """Every published column of the project that `origin` has a part in."""
    for pipeline in pipelines.values():
        for sink in pipeline.sinks:
            for column, lineage in pipeline.published(sink).columns.items():
                if origin in lineage.origins:
                    yield Reached(pipeline.name, sink, column, origin in lineage.direct)
