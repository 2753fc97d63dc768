"""What `etlrun plan` says about `parts:`: how many files a run would not read, and whether it aggregates a source file by file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etlrun.compiler.check import Checked
    from etlrun.compiler.file_aggregation import FileAggregation
    from etlrun.compiler.partial_aggregates import NotByFile
    from etlrun.contracts.source import Inventory


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
    """How many of the files of a source earlier runs have read, and what is kept of each; nothing if the profile keeps no parts."""
    from etlrun.compiler.partial_aggregates import NotByFile
    from etlrun.runtime.partial_parts import partials_of
    from etlrun.runtime.parts import parts_of

    source = checked.pipeline.sources[name].value
    try:
        parts = parts_of(checked.project, checked.profile.parts, name, source, checked.columns[name], inventory)
    except OSError:  # the run reports it
        return {}
    if parts is None:
        return {}
    if aggregation is None:
        return {"cached": parts.count(inventory.files)}
    if isinstance(aggregation, NotByFile):
        return {"cached": parts.count(inventory.files), "aggregated_by_file": {"why_not": aggregation.why}}
    partials = partials_of(parts, aggregation)
    known = sum(partials.has(file) or parts.has(file) for file in inventory.files)
    return {"cached": known, "aggregated_by_file": {"for": aggregation.final.name.partition(".")[0]}}


def aggregated_text(aggregated: dict[str, str]) -> list[str]:
    """The line about a source."""
    if "for" in aggregated:
        return [f"    aggregated file by file for {aggregated['for']}; the cache keeps the result of each file"]
    return [f"    not aggregated file by file: {aggregated['why_not']}"] if aggregated else []
