"""The rows of a dashboard: a copy of the published rows of its sink, and the run that published them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from etlrun.contracts.connection import Database, LedgerEntry
from etlrun.dashboards.checked import CheckedDashboard
from etlrun.dashboards.column_uses import columns_read
from etlrun.diagnostics import counted
from etlrun.failures import RunFailure
from etlrun.language.arrow import type_of_arrow
from etlrun.language.columns import TIMESTAMP, TIMESTAMPTZ, Type
from etlrun.runtime.record import Record
from etlrun.runtime.run_place import run_place
from etlrun.runtime.run_records import StoredRun, stored_runs
from etlrun.sinks.files import Files
from etlrun.warehouse.opening import database_reader

TRIES = 3


@dataclass(frozen=True)
class ShownRows:
    """Parquet files with the rows, the run that published them, and its record where this machine has it.

    `moved_on` says what has happened since that run, for readers of the page.
    """

    files: tuple[Path, ...]
    run_id: str
    finished_at: str
    record: Record | None
    moved_on: tuple[str, ...]


def read_rows(dashboard: CheckedDashboard, work: Path) -> ShownRows:
    """Copy the rows of the dashboard's sink into `work`. Raises RunFailure."""
    records = _records(dashboard)
    if isinstance(dashboard.sink, Files):
        return _of_file(dashboard, work, records)
    try:
        database = database_reader(dashboard.checked.project, dashboard.checked.profile)(dashboard.sink.connection)
        try:
            return _of_table(dashboard, database, work, records)
        finally:
            database.close()
    except RunFailure as failure:
        fix = _to_publish(dashboard, failure.code)
        raise RunFailure("usage", failure.code, failure.message, fix) from failure if fix else failure


def _to_publish(dashboard: CheckedDashboard, code: str) -> str:
    """The commands that bring the table up to date with the pipeline; empty if it already is."""
    name = dashboard.checked.pipeline.name
    if code == "missing-column":
        return f"the pipeline has changed since it ran: etlrun migrate {name} --apply, then etlrun run {name}"
    return f"run the pipeline first: etlrun run {name}" if code in ("missing-table", "connection-missing") else ""


def _of_table(dashboard: CheckedDashboard, database: Database, work: Path, records: Sequence[Record]) -> ShownRows:
    database.verify(dashboard.table, dashboard.columns)
    entries = _entries(dashboard, database)
    for number in range(TRIES):  # a run may publish while we read; then its rows may be those that were read
        folder = work / str(number)
        folder.mkdir()
        copied, before = database.copy(dashboard.table, columns_read(dashboard), folder), entries
        entries = _entries(dashboard, database)
        if entries == before:
            break
    if not entries:
        return ShownRows(copied.files, "", "", None, ())
    latest = entries[0]
    record = next((found for found in records if found.run_id == latest.run_id), None)
    words = [*_changed(entries, copied.rows), *_later(records, latest.run_id)]
    return ShownRows(copied.files, latest.run_id, latest.finished_at, record, tuple(words))


def _of_file(dashboard: CheckedDashboard, work: Path, records: Sequence[Record]) -> ShownRows:
    assert isinstance(dashboard.sink, Files)
    path = dashboard.checked.project.path(dashboard.sink.path)
    if not path.is_file():
        message = f"the file {dashboard.sink.path} of the sink `{dashboard.spec.sink}` does not exist"
        raise RunFailure("usage", "missing-table", message, _to_publish(dashboard, "missing-table"))
    _verify(dashboard, path)
    copied = Path(shutil.copy(path, work))  # a run may replace it while we read
    published = (item for item in records if item.status == "done" and dashboard.spec.sink in item.sinks)
    record = next(published, None)
    if record is None:
        return ShownRows((copied,), "", "", None, ())
    return ShownRows((copied,), record.run_id, _end(record), record, tuple(_later(records, record.run_id)))


def _verify(dashboard: CheckedDashboard, path: Path) -> None:
    """Raises RunFailure if the file does not have the columns of the pipeline."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        there = {field.name: type_of_arrow(field.type) for field in pq.read_schema(path)}
    except (OSError, pa.ArrowException) as error:
        message = f"the file {path} is not a Parquet file ({str(error).splitlines()[0]})"
        raise RunFailure("usage", "missing-table", message, _to_publish(dashboard, "missing-table")) from error
    missing = [f"`{column.name}`" for column in dashboard.columns if column.name not in there]
    other = [
        f"`{item.name}` as {item.type}" for item in dashboard.columns if not _holds(there.get(item.name), item.type)
    ]
    if missing or other:
        message = f"the file {path} has no column {', '.join(missing or other)}"
        fix = f"run the pipeline again to replace the file: etlrun run {dashboard.checked.pipeline.name}"
        raise RunFailure("usage", "table-mismatch", message, fix)


def _holds(there: Type | None, declared: Type) -> bool:
    """Whether a file's column has the declared type; an instant in a file has a time zone, so it has no column type."""
    if declared == TIMESTAMPTZ:
        return there in (None, TIMESTAMP)
    return there is not None and (there.name == declared.name or (there.is_numeric and declared.is_numeric))


def _entries(dashboard: CheckedDashboard, database: Database) -> list[LedgerEntry]:
    """The loads of the table, latest first."""
    return [entry for entry in database.entries() if entry.table.lower() == dashboard.table.lower()]


def _records(dashboard: CheckedDashboard) -> tuple[Record, ...]:
    """The records of the pipeline's runs on this machine, latest first."""
    project, name = dashboard.checked.project, dashboard.checked.pipeline.name
    found = (run.record for run in stored_runs(run_place(project)) if isinstance(run, StoredRun))
    return tuple(record for record in found if record.pipeline == name)


def _changed(entries: Sequence[LedgerEntry], rows: int) -> Iterator[str]:
    """A note if the table no longer has the rows that were loaded into it."""
    loaded = sum(entry.rows for entry in entries)
    if all(entry.write in ("replace", "replace_where") for entry in entries) and loaded != rows:
        yield f"the table has changed since this run, which left {counted(loaded, 'row')} in it"


def _later(records: Sequence[Record], run_id: str) -> Iterator[str]:
    """A note if a later run published nothing."""
    later = next(
        (record for record in records if record.run_id > run_id and record.status not in ("done", "dry-run")), None
    )
    if later:
        yield f"a later run, {later.run_id}, is not shown: {later.status}"


def _end(record: Record) -> str:
    start = datetime.fromisoformat(record.started_at)
    return (start + timedelta(seconds=record.seconds)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
