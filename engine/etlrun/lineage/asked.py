"""What somebody asks the lineage of: `PIPELINE`, `PIPELINE.RELATION`, `PIPELINE.SINK`, or one column of either."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etlrun.diagnostics import nearest
from etlrun.language.influence import OriginColumn, RelationLineage
from etlrun.lineage.of_project import PipelineLineage, Reached, reached_by


class UnknownNameError(Exception):
    """A name that nothing has; the text says which there are."""


@dataclass(frozen=True)
class AskedColumns:
    """Columns of a relation, under the name that was asked for (a relation's or a sink's)."""

    pipeline: PipelineLineage
    name: str
    relation: RelationLineage

    def reached(self, pipelines: Mapping[str, PipelineLineage]) -> dict[OriginColumn, list[Reached]]:
        """For the columns of a source: the published columns that each reaches."""
        if self.name not in self.pipeline.checked.pipeline.sources:
            return {}
        origins = [OriginColumn(self.pipeline.name, self.name, column) for column in self.relation.columns]
        return {origin: list(reached_by(origin, pipelines)) for origin in origins}


def find_asked(pipeline: PipelineLineage, text: str) -> tuple[AskedColumns, ...]:
    """The columns that `text`, what stands behind the pipeline's name, asks for; all published ones where it is empty.

    Raises UnknownNameError.
    """
    if not text:
        return tuple(AskedColumns(pipeline, sink, pipeline.published(sink)) for sink in pipeline.sinks)
    known = {**{name: name for name in pipeline.checked.columns}, **pipeline.sinks}
    name, _, column = text.partition(".")
    if name not in known:
        raise UnknownNameError(
            f"`{pipeline.name}` has no relation or sink `{name}` ({nearest(name, tuple(known)) or 'it has ' + ', '.join(known)})"
        )
    relation = pipeline.relations[known[name]]
    if not column:
        return (AskedColumns(pipeline, name, relation),)
    found = next((item for item in relation.columns if item.lower() == column.lower()), None)
    if found is None:
        names = tuple(relation.columns)
        raise UnknownNameError(
            f"`{name}` has no column `{column}` ({nearest(column, names) or 'its columns are ' + ', '.join(names)})"
        )
    return (AskedColumns(pipeline, name, RelationLineage({found: relation.columns[found]}, relation.rows)),)
