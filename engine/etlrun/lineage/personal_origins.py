"""Which columns hold personal values: those that a source tags `pii`, the labels of tagged mappings, and all that is made of either."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etlrun.language.influence import Lineage, OriginColumn
from etlrun.lineage.of_project import PipelineLineage
from etlrun.spec.mappings import file_of_mapping
from etlrun.spec.project import load_mapping


@dataclass(frozen=True)
class Personal:
    """What is tagged `pii`: columns of sources, and files of mappings."""

    columns: frozenset[OriginColumn] = frozenset()
    files: frozenset[str] = frozenset()

    def parts_of(self, lineage: Lineage) -> tuple[str, ...]:
        """The tagged columns and files that a value is made of; what only decides about it is not among them."""
        columns = sorted(self.columns.intersection(lineage.direct))
        return (*(f"{one.pipeline}.{one}" for one in columns), *sorted(self.files & lineage.labels_of))


def find_personal(pipelines: Mapping[str, PipelineLineage]) -> Personal:
    """What the pipelines of a project read that is tagged."""
    columns: set[OriginColumn] = set()
    files: set[str] = set()
    for name, lineage in pipelines.items():
        checked = lineage.checked
        for source, use in checked.pipeline.sources.items():
            own = {column.lower() for column in use.value.personal()}
            columns |= {
                OriginColumn(name, source, item.name) for item in checked.columns[source] if item.name.lower() in own
            }
        found = (load_mapping(checked.project, mapping) for mapping in checked.mappings)
        files |= {file_of_mapping(mapping.name) for mapping in found if mapping is not None and mapping.is_personal}
    return Personal(frozenset(columns), frozenset(files))
