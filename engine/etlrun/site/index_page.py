"""The first page: the pipelines of a project, and a search over all their columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Literal

from etlrun.site.addresses import anchor, column_address, mapping_address, pipeline_address, prompt_address
from etlrun.site.facts import SiteFacts
from etlrun.site.html_tree import Child, element, link, listed, section, table
from etlrun.site.shell import page

Kind = Literal["source", "sink"]


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
    words = element("span", pipeline.description, class_="words")
    return link(address, name), pipeline.owner or "-", sinks or "-", status, words


def _columns(facts: SiteFacts) -> str:
    """Every column of a source, chain and sink, as the script of the page reads them."""
    names = list(facts.lineage)
    columns = [entry for number, name in enumerate(names) for entry in _columns_of(facts, number, name)]
    return json.dumps({"pipelines": names, "columns": columns}, ensure_ascii=False, separators=(",", ":"))


def _columns_of(facts: SiteFacts, number: int, name: str) -> Iterator[list[object]]:
    lineage = facts.lineage[name]
    checked = lineage.checked
    of: list[tuple[Kind, str, str]] = [("source", source, source) for source in checked.pipeline.sources]
    of += [("sink", sink, relation) for sink, relation in lineage.sinks.items()]
    for kind, shown, relation in of:
        for item in checked.columns[relation]:
            made = lineage.relations[relation].column(item.name)
            if made is not None:  # otherwise it is hidden
                tagged = ", pii" if facts.personal.parts_of(made) else ""
                address = column_address(name, kind, shown, item.name).removeprefix("columns/").removesuffix(".html")
                yield [number, shown, item.name, f"{item.type}{tagged}", address]
