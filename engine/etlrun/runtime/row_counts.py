"""Compares the rows that would be published with the `min_rows` of each sink."""

from __future__ import annotations

from collections.abc import Mapping

from etlrun.compiler.check import Checked
from etlrun.diagnostics import counted
from etlrun.runtime.stage import Staged


def sinks_with_too_few_rows(checked: Checked, staged: Mapping[str, Staged]) -> dict[str, str]:
    """A message for each sink of the pipeline whose relation is in `staged` with fewer rows than its `min_rows`."""
    rows = {
        sink: staged[use.value.from_].rows for sink, use in checked.pipeline.sinks.items() if use.value.from_ in staged
    }
    return {
        sink: f"`{sink}` would be published with {counted(count, 'row')}; its `min_rows` is {least:,}"
        for sink, count in rows.items()
        if count < (least := checked.pipeline.sinks[sink].value.min_rows)
    }
