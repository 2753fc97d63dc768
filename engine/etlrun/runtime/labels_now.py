"""The labels that a run would find now, for commands that look at a pipeline without running it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from etlrun.compiler.check import Checked
from etlrun.compiler.found_labels import open_pivots, with_labels
from etlrun.runtime.run import RunOptions, run_pipeline
from etlrun.working import Reporter


def with_labels_of_now(checked: Checked, relations: Collection[str], reporter: Reporter) -> Checked:
    """The pipeline with the labels that its pivots find now, from a run of `relations` that publishes nothing.

    It is unchanged if no pivot takes its labels from a column. Raises RunFailure.
    """
    if all(pivot.source.found is not None for pivot in open_pivots(checked)):
        return checked
    bare = replace(checked, pipeline=replace(checked.pipeline, checks={}, sinks={}))
    record = run_pipeline(bare, reporter, RunOptions(publishes=False, relations=tuple(dict.fromkeys(relations))))
    return with_labels(checked, record.labels)
