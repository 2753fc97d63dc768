"""Build the page of a dashboard: copy its published table, compute its numbers, and put the file in its place at once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import etlrun
from etlrun.contracts.connection import LedgerEntry
from etlrun.dashboards.check import CheckedDashboard
from etlrun.dashboards.cube import collect
from etlrun.dashboards.html import page_text
from etlrun.failures import RunFailure
from etlrun.runtime.run_records import StoredRun, stored_runs
from etlrun.warehouse.opening import database_reader


@dataclass(frozen=True)
class Built:
    """A page that was built: its file, its size in bytes, and the rows of the table it shows."""

    path: Path
    size: int
    rows: int


def build_page(dashboard: CheckedDashboard, folder: Path) -> Built:
    """Build the page into `folder`. Raises RunFailure where the table cannot be read or the page would be too large."""
    connection = dashboard.sink.connection
    work = Path(tempfile.mkdtemp(prefix="etlrun-dashboard-"))
    try:
        database = database_reader(dashboard.checked.project, dashboard.checked.profile)(connection)
        try:
            database.verify(dashboard.table, dashboard.columns)
            copied = database.copy(dashboard.table, dashboard.columns, work)
            entry = next(
                (found for found in database.entries() if found.table.lower() == dashboard.table.lower()), None
            )
        finally:
            database.close()
        data = collect(dashboard, copied.files)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    text = page_text(dashboard, data, list(_quality(dashboard, entry)), _foot(dashboard, entry, data.total))
    path = folder / f"{dashboard.spec.dashboard}.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError as error:
        message = f"the page {path} cannot be written ({error.strerror or error})"
        raise RunFailure("usage", "not-writable", message, "choose another folder with --output") from error
    return Built(path, len(text.encode()), data.total)


def _foot(dashboard: CheckedDashboard, entry: LedgerEntry | None, rows: int) -> str:
    where = f"{dashboard.sink.connection}.{dashboard.table}"
    run = f"run {entry.run_id}, finished {entry.finished_at}" if entry else "no run in the ledger"
    return f"{rows:,} rows of {where}; {run}; etlrun {etlrun.__version__}"


def _quality(dashboard: CheckedDashboard, entry: LedgerEntry | None) -> Iterator[dict[str, Any]]:
    """What the record of the run that published the table says: broken records, checks, answers."""
    runs = dashboard.checked.project.path(dashboard.checked.project.settings.runs)
    found = (run.record for run in stored_runs(runs) if isinstance(run, StoredRun))
    record = next((record for record in found if entry and record.run_id == entry.run_id), None)
    if record is None:
        yield {"ok": False, "text": "the record of the run that published the table is not on this machine"}
        return
    for name, source in record.sources.items():
        bad = source.get("bad_rows") or 0
        yield {"ok": not bad, "text": f"{name}: {bad:,} broken records, {source.get('rows') or 0:,} rows"}
    for check in record.checks:
        yield {"ok": check["status"] == "ok", "text": f"{check['relation']}: {check['check']}: {check['detail']}"}
    for name, model in record.models.items():
        share = model.get("coverage", {}).get("rows")
        if share is not None:
            yield {"ok": share > 0.95, "text": f"{name}: {share:.1%} of rows carry an answer"}
