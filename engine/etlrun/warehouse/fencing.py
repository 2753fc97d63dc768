"""The rule that keeps an older run from putting its rows over newer ones, whatever database keeps the ledger."""

from __future__ import annotations

from collections.abc import Collection

from etlrun.failures import RunFailure
from etlrun.spec.database import Load


def is_published(load: Load, period: str, found: Collection[tuple[str, str]]) -> bool:
    """Whether this very run is in its table already, under the `period` of the ledger.

    `found` are period and run of what the ledger has for the rows that the load would replace or add to. Raises RunFailure where one
    of these runs started after this one.
    """
    if (period, load.run_id) in found:
        return True
    newer = max((run for _, run in found if started(run) > started(load.run_id)), default="")
    if newer:
        raise RunFailure(
            "sink",
            "newer-run",
            f"the table `{load.table}` holds the rows of {newer}, which started after this run",
            "its rows are newer; run the pipeline again if these are wanted",
        )
    return False


def started(run_id: str) -> str:
    """The part of a run's id that says when it started; the rest only tells runs of one second apart."""
    return run_id.rpartition("-")[0] or run_id
