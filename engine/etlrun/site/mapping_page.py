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
    used = [link(f"../{pipeline_address(pipeline)}", pipeline) for pipeline in facts.users_of(file)]
    tagged = ", tagged pii" if file in facts.personal.files else ""
    return page(
        name,
        facts.title,
        1,
        element("p", f"{len(rows)} labels, in {file}{tagged}."),
        section("Used by", listed(used)) if used else None,
        section("Labels", table(("label", "codes"), rows)),
    )
