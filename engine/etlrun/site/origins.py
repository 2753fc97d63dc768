"""Describes origins on pages: a column, a file of the project, the input of a source."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from etlrun.language.influence import Lineage, OriginColumn
from etlrun.lineage.of_project import PipelineLineage
from etlrun.site.addresses import column_address, mapping_address, prompt_address
from etlrun.site.facts import SiteFacts
from etlrun.site.html_tree import Child, link


def origin_link(pipeline: str, origin: OriginColumn, depth: int = 1) -> Element:
    """A link to the page of a column of a source; its pipeline is named if it is not `pipeline`."""
    address = column_address(origin.pipeline, "source", origin.relation, origin.column)
    return link("../" * depth + address, str(origin) if origin.pipeline == pipeline else f"{origin.pipeline}.{origin}")


def file_link(facts: SiteFacts, file: str, depth: int) -> Child:
    """A file of the project, as a link if it has a page."""
    folder, _, name = file.rpartition(".")[0].partition("/")
    pages = {"mappings": (facts.mappings, mapping_address), "prompts": (facts.prompts, prompt_address)}
    known, address = pages.get(folder, ({}, mapping_address))
    return link("../" * depth + address(name), file) if name in known else file


def about(facts: SiteFacts, description: str, made: Lineage) -> str:
    """The description of a column, and whether it is personal."""
    return f"{description} (pii)".strip() if facts.personal.parts_of(made) else description


def read_from(lineage: PipelineLineage, source: str) -> str:
    """The input of a source, in words."""
    use = lineage.checked.pipeline.sources[source]
    if use.value.own_rows() is not None:
        return f"a {use.kind}"
    read = use.value.table_read()
    return f"table {read[1]} of {read[0]}" if read and read[0] else f"{use.kind} files {getattr(use.value, 'path', '')}"
