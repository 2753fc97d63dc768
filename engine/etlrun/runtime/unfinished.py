"""Completes a run that failed after appending rows, before its pipeline runs again, so that no row is appended twice or lost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from etlrun.compiler.check import Checked
from etlrun.failures import RunFailure
from etlrun.runtime.basis import Ledgers
from etlrun.runtime.record import Record, Status
from etlrun.runtime.run import RunOptions, run_pipeline, spec_hash
from etlrun.runtime.run_place import run_place
from etlrun.runtime.run_records import StoredRun, stored_runs
from etlrun.storage.stores import open_stores
from etlrun.warehouse.opening import database_reader, filled
from etlrun.working import Reporter

if TYPE_CHECKING:
    from etlrun.lake.lake_sink import LakeSink

BROKEN_OFF: tuple[Status, ...] = ("failed", "interrupted", "killed")
EDIT = "; until then no run of the pipeline appends other rows; after a change of the pipeline, even of a comment, a run appends all rows again"


def run_or_end(checked: Checked, reporter: Reporter, options: RunOptions) -> Record:
    """Run a pipeline; but if its last run had appended only a part of its rows, only publish the rest. Returns the record. Raises RunFailure."""
    found = find_half_appended(checked) if options.publishes else None
    if found is None:
        return run_pipeline(checked, reporter, options)
    from etlrun.runtime.resume import resume

    run = found.folder.id
    reporter.warn(
        f"run {run} ended after it had appended a part of its rows: this run only publishes the rest of them; the next run reads new data"
    )
    try:
        return resume(checked, found.folder, found.record, reporter, options.wait)
    except RunFailure as failure:
        failure.record = found.record.as_json()
        failure.add(fix=EDIT)
        raise


def find_half_appended(checked: Checked) -> StoredRun | None:
    """The last run of a pipeline with the same params, if it appended some rows and not others. Raises RunFailure."""
    pipeline = checked.pipeline
    if not any(use.value.appends() for use in pipeline.sinks.values()):
        return None
    own = (pipeline.name, checked.profile.name, {name: str(value) for name, value in pipeline.values.items()})
    for stored in stored_runs(run_place(checked.project)):
        if not isinstance(stored, StoredRun):
            continue
        record = stored.record
        if (record.pipeline, record.profile, record.params) != own:
            continue
        if record.status == "done":
            return None
        is_open = record.status in BROKEN_OFF and bool(record.staged) and record.spec_hash == spec_hash(checked)
        if is_open and _has_appended(checked, stored):
            return stored
    return None


def _has_appended(checked: Checked, stored: StoredRun) -> bool:
    """Whether rows of a run are in a table: by its record, or by the table's ledger or log if the run was killed before it wrote the record."""
    from etlrun.lake.lake_sink import LakeSink

    appending = {sink: use.value for sink, use in checked.pipeline.sinks.items() if use.value.appends()}
    record = stored.record
    if any(sink in record.sinks and "appended_by" not in record.sinks[sink] for sink in appending):
        return True
    ledgers = Ledgers()
    places = [(value.place(sink)[0], value.table_name(sink)) for sink, value in appending.items()]
    if any(table and record.run_id in ledgers.runs_of(checked, connection, table) for connection, table in places):
        return True
    tables = [value for value in appending.values() if isinstance(value, LakeSink)]
    return any(record.run_id in _runs_of(checked, table, stored.folder.path) for table in tables)


def _runs_of(checked: Checked, sink: LakeSink, scratch: Path) -> set[str]:
    """The runs in the log of a lake table."""
    stores = open_stores(checked.project, checked.profile, filled)
    reader = database_reader(checked.project, checked.profile)
    known = sink.known(checked.project.root, reader, stores, scratch)
    return {run for run, _ in known.runs} if known else set()
