"""The first page: the pipelines of a project, and a search over all their columns."""

from __future__ import annotations

import json
from collections.abc import Iterator

from etlrun.site.addresses import anchor, mapping_address, pipeline_address, prompt_address
from etlrun.site.facts import SiteFacts
from etlrun.site.html_tree import Child, element, link, listed, section, table
from etlrun.site.shell import page


def index_page(facts: SiteFacts) -> str:
    """The page."""
    search = section(
        "Find a column",
        element("label", "A part of its name, relation or pipeline ", element("input", type="search", id_="search")),
        element("p", id_="count", role="status"),
        element("ul", id_="results"),
    )
    names = ("pipeline", "owner", "publishes", "last run", "is")
    pipelines = section("Pipelines", table(names, [_row(facts, name) for name in facts.lineage]))
    mappings = [link(mapping_address(name), name) for name in facts.mappings]
    prompts = [link(prompt_address(name), name) for name in facts.prompts]
    return page(
        facts.title, facts.title, 0, pipelines, search, section("Mappings", listed(mappings)) if mappings else None,
        section("Prompts", listed(prompts)) if prompts else None,
        data=_columns(facts),
    )  # fmt: skip


def _row(facts: SiteFacts, name: str) -> tuple[Child, ...]:
    pipeline = facts.lineage[name].checked.pipeline
    address = pipeline_address(name)
    sinks: list[Child] = [[link(f"{address}#{anchor(sink)}", sink), " "] for sink in pipeline.sinks]
    run = next(iter(facts.runs.get(name, ())), None)
    status: Child = element("span", f"{run.status} {run.started_at}", class_=run.status) if run else "-"
    return link(address, name), pipeline.owner or "-", sinks or "-", status, pipeline.description


def _columns(facts: SiteFacts) -> str:
    """Every column of a source, chain and sink, as the script of the page reads them."""
    pages = [[name, pipeline_address(name)] for name in facts.lineage]
    columns = [entry for number, name in enumerate(facts.lineage) for entry in _columns_of(facts, number, name)]
    return json.dumps({"pages": pages, "columns": columns}, ensure_ascii=False, separators=(",", ":"))


def _columns_of(facts: SiteFacts, number: int, name: str) -> Iterator[list[object]]:
    checked = facts.lineage[name].checked
    relations = {**{source: source for source in checked.pipeline.sources}, **facts.lineage[name].sinks}
    for shown, relation in relations.items():
        for item in checked.columns[relation]:
            made = facts.lineage[name].relations[relation].column(item.name)
            tagged = ", pii" if made is not None and facts.personal.parts_of(made) else ""
            yield [number, shown, item.name, f"{item.type}{tagged}", anchor(shown)]
