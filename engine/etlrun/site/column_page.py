"""The page of a source's or sink's column: its origins, and everything that is made from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal
from xml.etree.ElementTree import Element

from etlrun.diagnostics import counted
from etlrun.language.columns import Column
from etlrun.language.influence import Lineage, OriginColumn
from etlrun.lineage.of_project import PipelineLineage, Reached
from etlrun.site.addresses import anchor, column_address, pipeline_address
from etlrun.site.facts import SiteFacts
from etlrun.site.html_tree import Child, element, folded, link, listed, section, table
from etlrun.site.origins import about, file_link, origin_link, read_from
from etlrun.site.shell import page
from etlrun.spec.scope import HIDDEN

DEPTH = 2  # depth below the index
UP = "../" * DEPTH


def column_pages(facts: SiteFacts) -> Iterator[tuple[str, str]]:
    """The pages of all columns that pipelines read and publish, each with its address."""
    for name, lineage in facts.lineage.items():
        for source in lineage.checked.pipeline.sources:
            for item in lineage.checked.columns[source]:
                yield column_address(name, "source", source, item.name), _source_column(facts, lineage, source, item)
        for sink, relation in lineage.sinks.items():
            for item in lineage.checked.columns[relation]:
                if not item.name.startswith(HIDDEN):
                    yield column_address(name, "sink", sink, item.name), _sink_column(facts, lineage, sink, item)


def _source_column(facts: SiteFacts, lineage: PipelineLineage, source: str, item: Column) -> str:
    made = lineage.relations[source].columns[item.name]
    origin = OriginColumn(lineage.name, source, item.name)
    rows = [
        [link(f"{UP}{pipeline_address(pipeline)}#{anchor(sink)}", f"{pipeline}.{sink}")]
        for pipeline, sink in facts.down.rows_of(origin)
    ]
    return _page(
        facts,
        lineage,
        ("source", source),
        item,
        element("p", f"Read from {read_from(lineage, source)}."),
        _made_of(facts, lineage, made) if set(made.direct) != {origin} else None,
        _reached(facts, facts.down.of_source(origin)),
        section("Decides which rows there are in", listed(rows)) if rows else None,
    )


def _sink_column(facts: SiteFacts, lineage: PipelineLineage, sink: str, item: Column) -> str:
    readers = [
        [link(UP + column_address(pipeline, "source", source, read.name), f"{pipeline}.{source}.{read.name}")]
        for pipeline, source in facts.down.readers.get((lineage.name, sink), ())
        if (read := facts.lineage[pipeline].checked.columns[source].get(item.name)) is not None
    ]
    shown = [(title, ", ".join(uses)) for title, uses in _shown_by(facts, lineage.name, sink, item.name)]
    return _page(
        facts,
        lineage,
        ("sink", sink),
        item,
        _made_of(facts, lineage, lineage.published(sink).columns[item.name]),
        section("Read by", listed(readers)) if readers else None,
        _reached(facts, facts.down.of_published(lineage.name, sink, item.name)),
        section("Shown by", table(("dashboard", "as"), shown)) if shown else None,
    )


def _page(
    facts: SiteFacts,
    lineage: PipelineLineage,
    relation: tuple[Literal["source", "sink"], str],
    item: Column,
    *body: Child,
) -> str:
    kind, name = relation
    place = f"{lineage.name}.{name}"
    holder = lineage.relations[name if kind == "source" else lineage.sinks[name]]
    about_column = about(facts, item.description, holder.columns[item.name])
    facts_of = f"{item.type}{': ' if about_column else ''}{about_column}"
    where = element(
        "p",
        f"A column of the {kind} ",
        link(f"{UP}{pipeline_address(lineage.name)}#{anchor(name)}", place),
        class_="dim",
    )
    return page(f"{place}.{item.name}", facts.title, DEPTH, element("p", facts_of), where, *body)


def _made_of(facts: SiteFacts, lineage: PipelineLineage, made: Lineage) -> list[Child]:
    """The columns of which a value is made and, folded, those that only decide about it."""
    direct = [(origin_link(lineage.name, origin, DEPTH), kind) for origin, kind in sorted(made.direct.items())]
    deciding = [
        (origin_link(lineage.name, origin, DEPTH), ", ".join(kinds)) for origin, kinds in made.deciding().items()
    ]
    files = [[file_link(facts, file, DEPTH)] for file in sorted(made.files)]
    constant = element("p", "No column: its values are labels or constants of the pipeline.")
    decided = table(("column", "how"), deciding)
    return [
        section("Made of", table(("column", "how"), direct) if direct else constant),
        section("Decided by", folded(counted(len(deciding), "column"), decided) if direct else decided)
        if deciding
        else None,
        section("Mappings, prompts and functions", listed(files)) if files else None,
    ]


def _reached(facts: SiteFacts, reached: tuple[Reached, ...]) -> Element | None:
    rows = []
    for one in reached:
        address = column_address(one.pipeline, "sink", one.sink, one.column)
        shown = _shown_by(facts, one.pipeline, one.sink, one.column)
        rows.append(
            (
                link(UP + address, f"{one.pipeline}.{one.sink}.{one.column}"),
                "is made of it" if one.is_direct else "is decided by it",
                "; ".join(f"{title}: {', '.join(uses)}" for title, uses in shown) or "-",
            )
        )
    return section("Goes into", table(("column", "how", "shown by"), rows)) if rows else None


def _shown_by(facts: SiteFacts, pipeline: str, sink: str, column: str) -> list[tuple[str, tuple[str, ...]]]:
    """The dashboards that show a published column, each with its measures and cards."""
    return [
        (one.title, one.uses[column])
        for one in facts.dashboards.get(pipeline, ())
        if one.sink == sink and column in one.uses
    ]
