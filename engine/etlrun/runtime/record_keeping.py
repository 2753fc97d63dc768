"""Keeps what is useful of a run that has ended: its record, its broken and failing rows, and the rows that can still be published."""

from __future__ import annotations

from contextlib import suppress

from etlrun.failures import RunFailure
from etlrun.runtime.record import Record
from etlrun.runtime.run_folder import INPUTS, LEFT_BEHIND, STAGE, RunFolder
from etlrun.working import Reporter

UNKNOWN = "so other machines see it as running, and ten minutes later as killed; what it has published is complete"


def keep_record(folder: RunFolder, record: Record, reporter: Reporter, *, staged: bool) -> None:
    """Save the record of a run, and remove its temporary files; `staged` rows stay. A store that fails is a warning."""
    folder.sweep(staged=not staged)
    try:
        with suppress(OSError):
            folder.upload(INPUTS, "quarantine", "failing")
        with suppress(OSError):
            folder.write_record(record.as_record())
        folder.sweep_store(*LEFT_BEHIND, *([] if staged else [STAGE]))
    except RunFailure as failure:
        reporter.warn(f"the end of this run could not be saved: {failure.message}; {UNKNOWN}")
