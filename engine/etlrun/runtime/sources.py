"""Checks every source of a run before anything is read: missing, old or wrong files and tables stop the run here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from etlrun.codes import CODES
from etlrun.compiler.check import Checked
from etlrun.compiler.producers import ProjectPipelines, published_tables
from etlrun.compiler.project_graph import check_all
from etlrun.contracts.source import Inventory, ReadResult, Source, Trouble
from etlrun.failures import RunFailure
from etlrun.reading.inventory import shown, take_inventory
from etlrun.reading.source import FileSource
from etlrun.runtime.blame import located
from etlrun.spec.ages import allowed_at_most, read_age, shown_age
from etlrun.spec.project import Use
from etlrun.storage.stores import open_stores
from etlrun.warehouse.opening import database_reader, filled
from etlrun.working import Reporter

SHOWN = 12
NOT_THERE = ("missing-table", "connection-missing")


def look_at_tables(checked: Checked, names: Iterable[str]) -> None:
    """Check first that the tables of the sources in `names` exist. Raises RunFailure for the first that does not."""
    stores = open_stores(checked.project, checked.profile, filled)
    for name in names:
        use = checked.pipeline.sources[name]
        try:
            use.value.look_ahead(checked.columns[name], database_reader(checked.project, checked.profile), stores)
        except RunFailure as failure:
            if is_first_run(checked, use, failure):
                continue
            if failure.code in (*NOT_THERE, "missing-column"):
                by = _who_publishes(checked, name, use, failure.code)
                if by and failure.code == "missing-table":  # a table with a similar name is not the missing one
                    failure.diagnostic = replace(failure.diagnostic, fix="")
                    by = by.removeprefix("; ")
                failure.add(fix=by)
            raise located(checked, use.where, failure) from failure.__cause__


def reads_in_tasks(checked: Checked) -> bool:
    """Whether executors of the profile's engine read text files."""
    try:
        return checked.profile.engine.value.tasks(filled) is not None
    except RunFailure:  # a variable of the engine is not set, which the run reports
        return False


def is_first_run(checked: Checked, use: Use, failure: RunFailure) -> bool:
    """Whether a failure is about a missing table that the pipeline itself will publish."""
    sinks = checked.pipeline.sinks.items()
    written = (sink.value.table_written(name) for name, sink in sinks)
    own = {(place[0], place[1].lower()) for place in written if place is not None}
    return failure.code in NOT_THERE and use.value.table_read() in own


def _who_publishes(checked: Checked, name: str, use: Use, code: str) -> str:
    """The fix that names the pipeline to run first, if one of the project publishes the table that a source reads."""
    pipelines, _ = check_all(ProjectPipelines(checked.project, checked.profile.name, {}))
    tables = (table for one in pipelines for table in published_tables(one).values())
    place = use.value.table_read()
    table = next((table for table in tables if (table.connection, table.table.lower()) == place), None)
    if table is None or table.pipeline == checked.pipeline.name:
        return ""
    if code in NOT_THERE:
        return f"; the pipeline `{table.pipeline}` publishes it: etlrun {table.pipeline}"
    if any(table.columns.get(column.name) is None for column in checked.columns[name]):
        return ""
    return f"; the pipeline `{table.pipeline}` has changed since it ran: etlrun migrate {table.pipeline} --apply, then etlrun {table.pipeline}"


def find_files(checked: Checked, names: list[str], reporter: Reporter) -> dict[str, Inventory]:
    """Find the files of the sources in `names`. Raises RunFailure with all problems."""
    found: dict[str, Inventory] = {}
    stores = open_stores(checked.project, checked.profile, filled)
    for name in names:
        wanted = checked.pipeline.sources[name].value.wanted(checked.places)
        found[name] = take_inventory(wanted, stores) if wanted else Inventory(())
    refuse(checked, [(name, trouble) for name, inventory in found.items() for trouble in inventory.troubles])
    for name, inventory in found.items():
        _refuse_old_files(checked, name, inventory)
        _tell_absences(name, checked.pipeline.sources[name].value, inventory, reporter)
    return found


def refuse(checked: Checked, troubles: list[tuple[str, Trouble]]) -> None:
    """Raises RunFailure if there are problems, each with its source."""
    if not troubles:
        return
    name, first = troubles[0]
    lines = [f"`{name}`: {trouble.message}: {trouble.path}" for name, trouble in troubles[:SHOWN]]
    more = [f"and {len(troubles) - SHOWN} more"] if len(troubles) > SHOWN else []
    failure = RunFailure("source", first.code, "\n".join([*lines, *more]), first.fix)
    raise located(checked, checked.pipeline.sources[name].where, failure)


def _refuse_old_files(checked: Checked, name: str, inventory: Inventory) -> None:
    """Raises RunFailure if the newest file is older than the source allows, or if there are no files."""
    use = checked.pipeline.sources[name]
    most = read_age(getattr(use.value, "max_age", ""))
    if most is None:
        return
    found = _too_old(name, inventory, most)
    if found:
        message = f"{found}, but {allowed_at_most(use.value.max_age)}"
        failure = RunFailure("source", "old-files", message, CODES["old-files"].fix)
        raise located(checked, (*use.where, "max_age"), failure)


def _too_old(name: str, inventory: Inventory, most: timedelta) -> str:
    """The problem of a source without a file as new as `most`."""
    if not inventory.files:
        return f"`{name}` has no file"
    newest = max(inventory.files, key=lambda file: file.modified)
    written = datetime.fromtimestamp(newest.modified / 1e9, UTC)
    age = datetime.now(UTC) - written
    if age <= most:
        return ""
    return f"the newest file of `{name}` is {shown_age(age)} old ({newest.path}, written at {written:%Y-%m-%d %H:%M:%S} UTC)"


def _tell_absences(name: str, source: Source, inventory: Inventory, reporter: Reporter) -> None:
    if not isinstance(source, FileSource):
        return
    if inventory.missing and source.missing != "skip":
        reporter.warn(f"`{name}`: no file for {shown(inventory.missing)}")
    if inventory.empty and source.empty != "skip":
        reporter.warn(f"`{name}`: an empty file for {shown(inventory.empty)}")


def account(read_result: ReadResult, inventory: Inventory) -> dict[str, Any]:
    """The entry of a source in the record of a run."""
    found: dict[str, Any] = {"rows": read_result.rows, "bad_rows": read_result.bad_rows, "files": len(inventory.files)}
    if read_result.blank:
        found["blank"] = read_result.blank
    if read_result.cached:
        found["cached"] = read_result.cached
    if inventory.missing:
        found["missing"] = [str(day) for day in inventory.missing]
    return found
