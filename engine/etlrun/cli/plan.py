"""`etlrun plan`: shows what a run would read, ask, compute and publish.

It reads only names, sizes and the ledger. If models would be called, it also computes their keys, without calling any model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from etlrun.cli.options import PipelineFile, checked_pipeline, choosing, selecting
from etlrun.cli.plan_cache import aggregated_text, aggregations, cached
from etlrun.cli.reporting import reporting
from etlrun.cli.run_periods import ChosenValues, spanning
from etlrun.cli.words import table_text, tell
from etlrun.diagnostics import counted
from etlrun.failures import RunFailure
from etlrun.language.columns import LABEL

if TYPE_CHECKING:
    from etlrun.compiler.check import Checked
    from etlrun.compiler.file_aggregation import FileAggregation
    from etlrun.compiler.partial_aggregates import NotByFile
    from etlrun.compiler.project_graph import ProjectGraph
    from etlrun.contracts.source import Inventory


@click.command("plan")
@click.argument("pipeline", metavar="[PIPELINE]", required=False, type=PipelineFile())
@choosing
@selecting
@spanning("plan a run")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    pipeline: Path | None,
    profile: str,
    engine: str,
    settings: tuple[str, ...],
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    first: str,
    last: str,
    listed: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show what a run would do, without doing it.

    Without PIPELINE: which pipelines `etlrun run` would run, in which order, and why; --select and --exclude work as for
    `etlrun run`. With PIPELINE: what it would read, how each relation is computed, what models would cost, and what the sinks
    would do. With --from and --to, or --for: for which values `etlrun run` would run PIPELINE, and why.

    No model is called and nothing is published. If a pipeline uses models, its data is read with DuckDB, to count the keys that
    have no answer yet.

    Exit code 1 if something would make the run fail.
    """
    if values := ChosenValues(first, last, listed):
        if select or exclude:
            raise click.UsageError(
                "--select and --exclude are for the project, and --from, --to and --for for one PIPELINE"
            )
        graph = values.graph([pipeline] if pipeline else [], profile, engine, settings)
        _plan_graph(graph, tuple(graph.pipelines), as_json=as_json)
    if pipeline is None:
        from etlrun.cli.run_project import chosen_pipelines, project_graph

        graph = project_graph(profile, engine, settings)
        _plan_graph(graph, chosen_pipelines(graph, select, exclude), as_json=as_json)
    if select or exclude:
        raise click.UsageError("--select and --exclude are for a plan of the project: leave out PIPELINE")
    _plan_pipeline(checked_pipeline(pipeline, profile, engine, settings), as_json=as_json)


def _plan_pipeline(checked: Checked, *, as_json: bool) -> None:
    """Show what a run of one pipeline would do, and exit."""
    unread, by_file = _unread(checked), aggregations(checked)
    sources = {
        name: _source(checked, name, by_file.get(name)) | unread.get(name, {}) for name in checked.pipeline.sources
    }
    sinks = {name: _sink(checked, name) for name in checked.pipeline.sinks}
    summary: dict[str, Any] = {
        "pipeline": checked.pipeline.name,
        "engine": checked.profile.engine.kind,
        "profile": checked.profile.name,
        "params": {name: str(checked.pipeline.values[name]) for name in checked.pipeline.params},
        "sources": sources,
        "relations": _relations(checked),
        "sinks": sinks,
    }
    if not any(source.get("troubles") for source in sources.values()):
        summary["models"] = _models(checked)
    if as_json:
        click.echo(json.dumps(summary, ensure_ascii=False))
    else:
        tell(_text(summary))
    raise SystemExit(
        1
        if any(found.get("troubles") for found in (*sources.values(), *sinks.values(), summary.get("models", {})))
        else 0
    )


def _plan_graph(graph: ProjectGraph, chosen: Sequence[str], *, as_json: bool) -> NoReturn:
    """Show the order of runs, why each would run or not, and missing files; and exit."""
    from etlrun.runtime.project_run import NOTHING_NEW, foresee

    found = foresee(graph, chosen)
    rows = [(name, "runs" if why else "unchanged", why or NOTHING_NEW) for name, why in found.items()]
    stopped = [(name, "fails", trouble) for name in found if (trouble := _first_trouble(graph, name, found))]
    by_name = {row[0]: row for row in (*rows, *stopped)}
    if as_json:
        keys = ("pipeline", "would", "why")
        click.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in by_name.values()], ensure_ascii=False))
    else:
        tell(table_text(("pipeline", "would", "why"), list(by_name.values())))
    raise SystemExit(1 if stopped else 0)


def _first_trouble(graph: ProjectGraph, name: str, why: Mapping[str, str]) -> str:
    """The first missing file of a run; empty if none is missing, or an earlier pipeline may write it."""
    if not why[name] or any(why.get(other) for other in graph.made_from(name)):
        return ""
    checked = graph.pipelines[name]
    sources = (
        _source(checked, source) for source, use in checked.pipeline.sources.items() if use.value.wanted(checked.places)
    )
    return next((trouble for source in sources for trouble in source.get("troubles", ())), "")


def _source(checked: Checked, name: str, aggregation: FileAggregation | NotByFile | None = None) -> dict[str, Any]:
    from etlrun.reading.inventory import take_inventory
    from etlrun.storage.stores import open_stores
    from etlrun.warehouse.opening import filled

    use = checked.pipeline.sources[name]
    wanted = use.value.wanted(checked.places)
    if (rows := use.value.own_rows()) is not None:
        return {"kind": use.kind, "rows": len(rows)}
    if wanted is None:
        return _table(checked, name)
    inventory = take_inventory(wanted, open_stores(checked.project, checked.profile, filled))
    found = {
        "kind": use.kind,
        "files": len(inventory.files),
        "bytes": inventory.bytes,
        **cached(checked, name, inventory, aggregation),
        **_days(inventory, len(wanted.days)),
    }
    return (
        {**found, "troubles": [f"{trouble.message}: {trouble.path}" for trouble in inventory.troubles]}
        if inventory.troubles
        else found
    )


def _table(checked: Checked, name: str) -> dict[str, Any]:
    from etlrun.runtime.sources import look_at_tables, reads_in_tasks

    use = checked.pipeline.sources[name]
    connection, table = use.value.table_read()
    place = {"connection": connection, "table": getattr(use.value, "table", table)}
    found = {"kind": use.kind, **(place if connection else {"path": use.value.path})}
    if connection and reads_in_tasks(checked):
        found["read_by"] = use.value.reader
    try:
        look_at_tables(checked, [name])
    except RunFailure as failure:
        return {**found, "troubles": [f"{failure.message} ({failure.fix})"]}
    return found


def _unread(checked: Checked) -> dict[str, dict[str, Any]]:
    """The columns that a run would not read, in the order of each source."""
    from etlrun.compiler.plan import make_plan
    from etlrun.compiler.read_columns import staged_relations, unread_columns

    plan = make_plan(checked)
    found = unread_columns(plan, staged_relations(plan), is_checked=True)
    return {
        name: {"unread": [column for column in checked.columns[name].names if column in columns]}
        for name, columns in found.items()
        if columns
    }


def _days(inventory: Inventory, wanted: int) -> dict[str, Any]:
    if not wanted:
        return {}
    found: dict[str, Any] = {"days": wanted, "present": len({file.date for file in inventory.files})}
    if inventory.missing:
        found["missing"] = [str(day) for day in inventory.missing]
    if inventory.empty:
        found["empty"] = [str(day) for day in inventory.empty]
    return found


def _relations(checked: Checked) -> dict[str, Any]:
    chains = checked.pipeline.chains
    return {
        name: {
            "steps": [use.kind for use in chains[name]],
            "columns": {item.name: str(item.type) for item in checked.columns[name]},
            **({"labels": labels} if (labels := _labels(checked, name)) else {}),
        }
        for name in checked.order
        if name in chains
    }


def _labels(checked: Checked, chain: str) -> list[dict[str, Any]]:
    """The columns from which the pivots of a chain take their labels."""
    sources = (use.value.label_source() for use in checked.pipeline.chains[chain])
    return [{"from": source.from_, "at_most": source.at_most} for source in sources if source is not None]


def _models(checked: Checked) -> dict[str, Any]:
    """The estimated cost of every step that calls models; reasons why it cannot be estimated go to `troubles`."""
    from etlrun.enrich.bills import find_bills
    from etlrun.runtime.asked_keys import gather_keys

    if not any(list(use.value.models()) for chain in checked.pipeline.chains.values() for use in chain):
        return {}
    try:
        with reporting(checked.pipeline.name, quiet=True) as reporter:
            bills = find_bills(checked, gather_keys(checked, reporter))
    except RunFailure as failure:
        return {"troubles": [f"{failure.message} ({failure.fix})"]}
    return {name: [asdict(bill) for bill in found] for name, found in bills.items()}


def _sink(checked: Checked, name: str) -> dict[str, Any]:
    from etlrun.runtime.publishing import foresee

    use = checked.pipeline.sinks[name]
    try:
        return {"kind": use.kind, "from": use.value.from_, "does": foresee(checked, name, use)}
    except RunFailure as failure:
        return {
            "kind": use.kind,
            "from": use.value.from_,
            "does": "cannot be published",
            "troubles": [f"{failure.message} ({failure.fix})"],
        }


def _text(summary: dict[str, Any]) -> str:
    params = "".join(f" {name}={value}" for name, value in summary["params"].items())
    lines = [f"{summary['pipeline']} on {summary['engine']} (profile {summary['profile']}){params}", "", "reads"]
    for name, source in summary["sources"].items():
        lines.append(f"  {name}: {_source_text(source)}")
        lines += aggregated_text(source)
        lines += [f"    trouble: {trouble}" for trouble in source.get("troubles", ())]
    lines += ["", "makes"]
    for name, relation in summary["relations"].items():
        lines.append(f"  {name}: {' > '.join(relation['steps'])}")
        lines.append(f"    {', '.join(f'{column} {kind}' for column, kind in relation['columns'].items())}")
        for labels in relation.get("labels", ()):
            text = f"{LABEL}: each label of {labels['from']}, at most {labels['at_most']:,}"
            lines.append(f"    {text}; a statement of its own reads them first")
    lines += _models_text(summary.get("models", {}))
    lines += ["", "publishes"] if summary["sinks"] else ["", "publishes nothing"]
    for name, sink in summary["sinks"].items():
        lines.append(f"  {name}: {sink['does']}")
        lines += [f"    trouble: {trouble}" for trouble in sink.get("troubles", ())]
    return "\n".join(lines)


def _models_text(models: dict[str, Any]) -> list[str]:
    from etlrun.enrich.consent import bill_text
    from etlrun.enrich.estimates import Bill

    if not models:
        return []
    lines = ["", "asks (an estimate without any request; the keys were computed by duckdb)"]
    lines += [f"  trouble: {trouble}" for trouble in models.get("troubles", ())]
    for name, bills in models.items():
        if name != "troubles":
            lines.append(f"  {name.rpartition('.')[0]}")
            lines += [f"    {line}" for line in bill_text([Bill(**bill) for bill in bills])]
    return lines


def _source_text(source: dict[str, Any]) -> str:
    unread = f"; unread: {', '.join(source['unread'])}" if "unread" in source else ""
    if "table" in source:
        by = {"driver": "; read by the driver", "tasks": "; read by the executors, if it is large"}
        read_by = by.get(source.get("read_by", ""), "")
        return f"table {source['table']} of {source['connection']}{read_by}{unread}"
    if "path" in source:
        return f"the {source['kind']} table {source['path']}{unread}"
    if "rows" in source:
        return f"a {source['kind']} of {counted(source['rows'], 'row')}"
    text = counted(source["files"], source["kind"] + " file")
    if "cached" in source:
        text += f", {source['cached']:,} in the cache"
    text += f", {source['bytes'] / 1e6:,.1f} MB"
    if "days" in source:
        text += f"; {source['present']} of {counted(source['days'], 'day')}"
    for word in ("missing", "empty"):
        if source.get(word):
            text += f"; {word}: {', '.join(source[word])}"
    return text
