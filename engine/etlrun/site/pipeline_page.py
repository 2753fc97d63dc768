"""The page of a pipeline: its graph, inputs, every step with its columns and SQL, checks, and published columns with their origins."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from etlrun.compiler.plan import DIALECTS
from etlrun.diagnostics import counted
from etlrun.language.columns import Columns
from etlrun.language.influence import Lineage, OriginColumn
from etlrun.lineage.of_project import PipelineLineage
from etlrun.site.addresses import anchor, case_address, column_address, pipeline_address
from etlrun.site.case_page import last_result
from etlrun.site.facts import ShownCase, ShownRun, SiteFacts
from etlrun.site.graph_picture import Box, picture
from etlrun.site.html_tree import Child, element, folded, link, listed, section, table
from etlrun.site.origins import about, file_link, origin_link, read_from
from etlrun.site.shell import page
from etlrun.spec.scope import HIDDEN

RUNS = 10  # shown per pipeline


def pipeline_page(facts: SiteFacts, name: str) -> str:
    """The page."""
    lineage = facts.lineage[name]
    pipeline = lineage.checked.pipeline
    owner = f"owner: {pipeline.owner or 'none'}" + (f"; tags: {', '.join(pipeline.tags)}" if pipeline.tags else "")
    params = table(
        ("param", "type", "value"),
        [(item, param.type, str(pipeline.values.get(item, "must be set"))) for item, param in pipeline.params.items()],
    )
    body: list[Child] = [
        element("p", pipeline.description),
        element("p", owner, class_="dim"),
        section("Graph", picture(_boxes(facts, lineage))),
        section("Params", params) if pipeline.params else None,
        [_sink(facts, lineage, sink) for sink in pipeline.sinks],
        [_source(facts, lineage, source) for source in pipeline.sources],
        [_chain(facts, lineage, chain) for chain in pipeline.chains],
        section("Checks", _checks(lineage, facts.runs.get(name, ()))) if pipeline.checks else None,
        section("Tests", _tests(facts.tests[name])) if facts.tests.get(name) else None,
        section("Dashboards", listed(one.title for one in facts.dashboards[name]))
        if facts.dashboards.get(name)
        else None,
        section("Runs", _runs(facts.runs[name])) if facts.runs.get(name) else None,
    ]
    return page(name, facts.title, 1, body)


def _boxes(facts: SiteFacts, lineage: PipelineLineage) -> dict[str, Box]:
    pipeline, boxes = lineage.checked.pipeline, {}
    read = facts.graph.read_tables(lineage.name)
    for source in pipeline.sources:
        others = [table_.pipeline for table_ in read.get(source, ())]
        for other in others:
            boxes[f"pipeline {other}"] = Box(other, f"../{pipeline_address(other)}", "pipeline", ())
        boxes[source] = Box(source, f"#{anchor(source)}", "source", tuple(f"pipeline {other}" for other in others))
    for chain, uses in pipeline.chains.items():
        reads = tuple(dict.fromkeys(other for use in uses for other, _ in use.value.reads()))
        boxes[chain] = Box(chain, f"#{anchor(chain)}", "chain", reads)
    for sink, relation in lineage.sinks.items():
        boxes[f"sink {sink}"] = Box(sink, f"#{anchor(sink)}", "sink", (relation,))
    return boxes


def _sink(facts: SiteFacts, lineage: PipelineLineage, sink: str) -> Element:
    use = lineage.checked.pipeline.sinks[sink]
    relation = lineage.published(sink)
    columns = lineage.checked.columns[lineage.sinks[sink]]
    rows = [
        (
            link(f"../{column_address(lineage.name, 'sink', sink, item.name)}", item.name),
            str(item.type),
            about(facts, item.description, relation.columns[item.name]),
            *_made(facts, lineage, relation.columns[item.name]),
        )
        for item in _shown(columns)
    ]
    readers: list[Child] = [
        [link(f"../{pipeline_address(name)}", name), f" as {source}"]
        for name, source in facts.down.readers.get((lineage.name, sink), ())
    ]
    connection, written = use.value.table_written(sink) or ("", "")
    where = f"{written} of {connection}" if connection else getattr(use.value, "path", "")
    deciding = _made(facts, lineage, relation.rows)[1]
    return section(
        f"Publishes {sink}",
        element("p", f"{lineage.sinks[sink]} goes to {where}.", [" Read by ", readers] if readers else None),
        table(("column", "type", "is", "made of", "decided by", "files"), rows),
        folded("What decides which rows there are", element("p", deciding or "nothing")),
        id_=anchor(sink),
    )


def _made(facts: SiteFacts, lineage: PipelineLineage, made: Lineage) -> tuple[Child, Child, Child]:
    direct: list[Child] = [
        [origin_link(lineage.name, origin), "" if kind == "identity" else f" ({kind})", " "]
        for origin, kind in sorted(made.direct.items())
    ]
    deciding: list[Child] = [
        [origin_link(lineage.name, origin), f" ({', '.join(kinds)}) "] for origin, kinds in made.deciding().items()
    ]
    return direct or "-", deciding or "-", [[file_link(facts, file, 1), " "] for file in sorted(made.files)] or "-"


def _source(facts: SiteFacts, lineage: PipelineLineage, source: str) -> Element:
    rows: list[tuple[Child, ...]] = []
    for item in lineage.checked.columns[source]:
        reached = facts.down.of_source(OriginColumn(lineage.name, source, item.name))
        texts = (", ".join(f"{one.pipeline}.{one.sink}.{one.column}" for one in reached if one.is_direct == kind) or "-" for kind in (True, False))  # fmt: skip
        is_ = about(facts, item.description, lineage.relations[source].columns[item.name])
        page_ = link(f"../{column_address(lineage.name, 'source', source, item.name)}", item.name)
        rows.append((page_, str(item.type), is_, *texts))
    names = ("column", "type", "is", "part of", "decides about")
    return section(
        f"Reads {source}", element("p", f"From {read_from(lineage, source)}."), table(names, rows), id_=anchor(source)
    )


def _chain(facts: SiteFacts, lineage: PipelineLineage, chain: str) -> Element:
    checked = lineage.checked
    parts: list[Child] = []
    before: set[str] = set()
    for number, use in enumerate(checked.pipeline.chains[chain]):
        columns = [f"{item.name} {item.type}" for item in _shown(checked.steps[chain][number])]
        new = [text for text in columns if text not in before]
        parts.append(
            [f"{use.kind}: {counted(len(columns), 'column')}", f", new: {', '.join(new)}" if new and before else ""]
        )
        before = set(columns)
    made = lineage.relations[chain].columns
    rows = [
        (item.name, str(item.type), about(facts, item.description, made[item.name]))
        for item in _shown(checked.columns[chain])
    ]
    return section(
        f"Makes {chain}",
        element("ol", [element("li", part) for part in parts]),
        folded("Columns", table(("column", "type", "is"), rows)),
        [folded("SQL", element("pre", text)) for text in _sql(lineage, chain)],
        id_=anchor(chain),
    )


def _sql(lineage: PipelineLineage, chain: str) -> Iterator[str]:
    for relation in lineage.plan.relations:
        if relation.name.split(".")[0] == chain and (tree := relation.tree) is not None:
            yield DIALECTS["duckdb"](tree, pretty=True)


def _checks(lineage: PipelineLineage, runs: tuple[ShownRun, ...]) -> Element:
    """Every check, with its result in the last run that checked."""
    results = next((run.checks for run in runs if run.checks), ())
    found = {(item["relation"], item["check"]): f"{item['status']}: {item['detail']}" for item in results}
    rows = [
        (relation, use.kind, use.value.severity, found.get((relation, use.kind), "-"))
        for relation, uses in lineage.checked.pipeline.checks.items()
        for use in uses
    ]
    return table(("relation", "check", "severity", "last result"), rows)


def _tests(tests: tuple[ShownCase, ...]) -> Element:
    rows: list[tuple[Child, ...]] = [
        (link(f"../{case_address(one.file, one.case.name)}", one.case.name), last_result(one.last)) for one in tests
    ]
    return table(("test", "last result"), rows)


def _runs(runs: tuple[ShownRun, ...]) -> Element:
    rows = [
        (run.run_id, element("span", run.status, class_=run.status), run.started_at, f"{run.seconds:.1f} s")
        for run in runs[:RUNS]
    ]
    return table(("run", "status", "started", "took"), rows)


def _shown(columns: Columns) -> Columns:
    return columns.keep(item.name for item in columns if not item.name.startswith(HIDDEN))
