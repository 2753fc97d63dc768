"""What `etlrun plan` says about aggregation by file, and about `parts:`: how many files a run would not read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etlrun.compiler.check import Checked
    from etlrun.compiler.file_aggregation import FileAggregation
    from etlrun.compiler.partial_aggregates import NotByFile
    from etlrun.contracts.source import Inventory

ONLY_TASKS = "only tasks aggregate the parts in the store of runs (`read: tasks`)"


def aggregations(checked: Checked) -> dict[str, FileAggregation | NotByFile]:
    """The sources whose rows a run would aggregate file by file, and why it would not for others."""
    from etlrun.compiler.plan import make_plan
    from etlrun.compiler.read_columns import staged_relations
    from etlrun.runtime.partial_parts import aggregations_of

    plan = make_plan(checked)
    return aggregations_of(plan, staged_relations(plan), is_checked=True)


def cached(
    checked: Checked, name: str, inventory: Inventory, aggregation: FileAggregation | NotByFile | None
) -> dict[str, Any]:
    """How many of the files of a source earlier runs have read, if the profile keeps parts, and whether its rows are aggregated by file."""
    from etlrun.compiler.file_aggregation import FileAggregation
    from etlrun.failures import RunFailure
    from etlrun.runtime.partial_parts import known, pays
    from etlrun.runtime.parts import parts_of
    from etlrun.runtime.sources import reads_in_tasks
    from etlrun.runtime.staging import staging_area

    source, files = checked.pipeline.sources[name].value, inventory.files
    try:
        parts = parts_of(
            checked.project,
            checked.profile.parts,
            name,
            source,
            checked.columns[name],
            inventory,
            staging_area(checked),
        )
    except (OSError, RunFailure):  # the run reports it
        return {}
    if not isinstance(aggregation, FileAggregation):
        why_not = {"aggregated_by_file": {"why_not": aggregation.why}} if aggregation else {}
        return why_not if parts is None else {"cached": sum(map(parts.has, files)), **why_not}
    by_file: dict[str, Any] = {"for": aggregation.final.name.partition(".")[0]}
    if parts is None:
        return {"aggregated_by_file": by_file}
    if not reads_in_tasks(checked):
        if not parts.is_here:
            return {"cached": sum(map(parts.has, files)), "aggregated_by_file": {"why_not": ONLY_TASKS}}
        if not pays(parts, aggregation, files):
            by_file["later"] = True
    return {"cached": known(parts, aggregation, files), "aggregated_by_file": by_file}


def aggregated_text(source: dict[str, Any]) -> list[str]:
    """The line about the aggregation of a source."""
    found = source.get("aggregated_by_file", {})
    if "why_not" in found:
        return [f"    not aggregated file by file: {found['why_not']}"]
    if "later" in found:
        return [
            f"    aggregated file by file for {found['for']} in later runs, once half of the files are in the cache"
        ]
    where = (
        "the cache keeps the result of each file" if "cached" in source else "each task writes its groups, not its rows"
    )
    return [f"    aggregated file by file for {found['for']}; {where}"] if found else []
