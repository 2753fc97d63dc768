"""The page of a mapping: its labels and their codes."""

from __future__ import annotations

from etlrun.site.addresses import pipeline_address
from etlrun.site.facts import SiteFacts
from etlrun.site.html_tree import element, link, listed, section, table
from etlrun.site.shell import page


def mapping_page(facts: SiteFacts, name: str) -> str:
    """The page."""
    rows = [(label, ", ".join(codes)) for label, codes in facts.mappings[name].items()]
    file = f"mappings/{name}.yaml"
    used = [
        link(f"../{pipeline_address(pipeline)}", pipeline)
        for pipeline, lineage in facts.lineage.items()
        if any(file in made.files for found in lineage.relations.values() for made in (found.rows, *found.columns.values()))
    ]  # fmt: skip
    return page(
        name,
        facts.title,
        1,
        element("p", f"{len(rows)} labels, in {file}."),
        section("Used by", listed(used)) if used else None,
        section("Labels", table(("label", "codes"), rows)),
    )
