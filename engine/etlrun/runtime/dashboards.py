"""Build the page of a dashboard: copy its published rows, compute its numbers, and write the file atomically."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import etlrun
from etlrun.dashboards.checked import CheckedDashboard
from etlrun.dashboards.cube import collect
from etlrun.dashboards.html import page_text
from etlrun.dashboards.ossie import VERSION, ossie_text
from etlrun.dashboards.spec import RowTable
from etlrun.diagnostics import counted
from etlrun.failures import RunFailure
from etlrun.runtime.dashboard_rows import ShownRows, read_rows


@dataclass(frozen=True)
class Built:
    """The result of a build: the file to open, its description, and lines for the user."""

    path: Path
    summary: str
    notices: tuple[str, ...] = ()


def build_page(dashboard: CheckedDashboard, folder: Path) -> Built:
    """Build the page into `folder`. Raises RunFailure if the table cannot be read or the page would be too large."""
    work = Path(tempfile.mkdtemp(prefix="etlrun-dashboard-"))
    try:
        shown = read_rows(dashboard, work)
        data = collect(dashboard, shown.files)
    except RunFailure as failure:
        raise failure.at(dashboard.file.document.diagnose(("sink",), failure.code, "")) from failure.__cause__
    finally:
        shutil.rmtree(work, ignore_errors=True)
    text = page_text(dashboard, data, list(_quality(shown)), _foot(dashboard, shown, data.total))
    path = folder / f"{dashboard.name}.html"
    write_at_once(path, text)
    summary = f"{dashboard.name}: {counted(data.total, 'row')} in a page of {len(text.encode()) / 1000:,.0f} kB"
    holds_all = any(isinstance(use.value, RowTable) and use.value.rows == "all" for use in dashboard.file.cards)
    notice = (
        f"{path.name} contains every row of {dashboard.place}: everyone who gets the file can read all {data.total:,}"
    )
    return Built(path, summary, (notice,) if holds_all else ())


def build_ossie(dashboard: CheckedDashboard, folder: Path) -> Built:
    """Build the semantic model into `folder`; reads no rows. Raises RunFailure."""
    path = folder / f"{dashboard.name}.ossie.json"
    write_at_once(path, ossie_text(dashboard))
    notice = f"experimental: Apache Ossie is a draft ({VERSION}), and its schema may change"
    return Built(path, f"{dashboard.name}: {counted(len(dashboard.spec.measures), 'measure')}", (notice,))


def write_at_once(path: Path, text: str) -> None:
    """Write a file atomically. Raises RunFailure."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        new.write_text(text, encoding="utf-8", newline="\n")
        new.replace(path)
    except OSError as error:
        message = f"{path} cannot be written ({error.strerror or error})"
        raise RunFailure("usage", "not-writable", message, "choose another folder with --output") from error


def _foot(dashboard: CheckedDashboard, shown: ShownRows, rows: int) -> str:
    run = (
        f"run {shown.run_id}, finished {shown.finished_at}"
        if shown.run_id
        else "the run that published the rows is not known"
    )
    params = (
        ", ".join(f"{name} {value}" for name, value in shown.record.params.items() if name != "data")
        if shown.record
        else ""
    )
    parts = (
        f"{counted(rows, 'row')} of {dashboard.place}",
        run,
        params,
        *shown.moved_on,
        f"etlrun {etlrun.__version__}",
    )
    return "; ".join(part for part in parts if part)


def _quality(shown: ShownRows) -> Iterator[dict[str, Any]]:
    """Data from the record of the run that published the rows: broken records, checks, answers; first, what has happened since."""
    for word in shown.moved_on:
        yield {"ok": False, "text": word}
    record = shown.record
    if record is None:
        yield {"ok": False, "text": "the record of the run that published the rows is not on this machine"}
        return
    for name, source in record.sources.items():
        bad = source.get("bad_rows") or 0
        yield {
            "ok": not bad,
            "text": f"{name}: {counted(bad, 'broken record')}, {counted(source.get('rows') or 0, 'row')}",
        }
    for check in record.checks:
        yield {"ok": check["status"] == "ok", "text": f"{check['relation']}: {check['check']}: {check['detail']}"}
    for name, model in record.models.items():
        share = model.get("coverage", {}).get("rows")
        if share is not None:
            yield {"ok": share > 0.95, "text": f"{name}: {share:.1%} of rows have an answer"}
