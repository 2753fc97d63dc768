"""Fencing of a table in a database: whether it already has the rows of this run, or of a run that started later."""

from __future__ import annotations

from collections.abc import Collection

from etlrun.contracts.connection import Load
from etlrun.contracts.newer_runs import refuse_newer_runs


def is_published(load: Load, period: str, found: Collection[tuple[str, str]]) -> bool:
    """Whether the table already has the rows of this run, under the `period` of the ledger.

    `found` are period and run of what the ledger has for the rows that the load would replace or add to. Raises RunFailure where one
    of these runs started after this one.
    """
    if (period, load.run_id) in found:
        return True
    refuse_newer_runs(load.table, load.run_id, [run for _, run in found])
    return False
