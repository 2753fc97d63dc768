"""Read every source of a run, before any work starts: what is missing, broken or wrong stops it here."""

from __future__ import annotations

import math
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from etlrun.codes import CODES
from etlrun.compiler.check import Checked
from etlrun.compiler.producers import ProjectPipelines, published_tables
from etlrun.compiler.project_graph import check_all
from etlrun.contracts.engine import ParquetFiles
from etlrun.contracts.source import Inventory, ReadRequest, ReadResult, Source, Trouble
from etlrun.diagnostics import counted
from etlrun.failures import RunFailure
from etlrun.language.arrow import write_parquet
from etlrun.language.columns import Columns
from etlrun.reading.explaining import explain_bytes, first_bytes
from etlrun.reading.fetching import COPIES, Fetching, with_parts
from etlrun.reading.inventory import shown, take_inventory, trouble_in
from etlrun.reading.source import FileSource, TextSource
from etlrun.runtime.blame import located
from etlrun.runtime.inputs import Inputs
from etlrun.runtime.parts import SourceParts, parts_of
from etlrun.runtime.run_folder import RunFolder
from etlrun.spec.ages import allowed_at_most, read_age, shown_age
from etlrun.spec.project import Use
from etlrun.spec.urls import is_url
from etlrun.storage.stores import open_stores
from etlrun.tracing import span
from etlrun.warehouse.opening import database_reader, filled
from etlrun.working import Reporter, work

SHOWN = 12
NOT_THERE = ("missing-table", "connection-missing")


def look_at_tables(checked: Checked, names: Iterable[str]) -> None:
    """Ask, before any work, whether the sources in `names` that are no files are there. Raises RunFailure for the first that is not."""
    stores = open_stores(checked.project, checked.profile, filled)
    for name in names:
        use = checked.pipeline.sources[name]
        try:
            use.value.look_ahead(checked.columns[name], database_reader(checked.project, checked.profile), stores)
        except RunFailure as failure:
            if _is_first_run(checked, use, failure):
                continue
            if failure.code in (*NOT_THERE, "missing-column"):
                by = _who_publishes(checked, name, use, failure.code)
                if by and failure.code == "missing-table":  # a table of a similar name is not what is missing
                    failure.diagnostic = replace(failure.diagnostic, fix="")
                    by = by.removeprefix("; ")
                failure.add(fix=by)
            raise located(checked, use.where, failure) from failure.__cause__


def _is_first_run(checked: Checked, use: Use, failure: RunFailure) -> bool:
    """Whether a failure says that a table is missing which the pipeline itself is about to publish."""
    sinks = checked.pipeline.sinks.items()
    written = (sink.value.table_written(name) for name, sink in sinks)
    own = {(place[0], place[1].lower()) for place in written if place is not None}
    return failure.code in NOT_THERE and use.value.table_read() in own


def _no_rows(columns: Columns, folder: Path) -> ReadResult:
    """A table before anything was published to it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "rows.parquet"
    write_parquet(path, columns, ())
    return ReadResult((ParquetFiles((str(path),)),), 0)


def _who_publishes(checked: Checked, name: str, use: Use, code: str) -> str:
    """What to run first, where a pipeline of the project publishes the table that a source reads."""
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
    """The files of the sources in `names`. Raises RunFailure with everything that stands in the way of reading them."""
    found: dict[str, Inventory] = {}
    stores = open_stores(checked.project, checked.profile, filled)
    for name in names:
        wanted = checked.pipeline.sources[name].value.wanted(checked.places)
        found[name] = take_inventory(wanted, stores) if wanted else Inventory(())
    _refuse(checked, [(name, trouble) for name, inventory in found.items() for trouble in inventory.troubles])
    for name, inventory in found.items():
        _refuse_old_files(checked, name, inventory)
        _tell_absences(name, checked.pipeline.sources[name].value, inventory, reporter)
    return found


def _refuse(checked: Checked, troubles: list[tuple[str, Trouble]]) -> None:
    """Raises RunFailure where there are troubles, each with the source that it is of."""
    if not troubles:
        return
    name, first = troubles[0]
    lines = [f"`{name}`: {trouble.message}: {trouble.path}" for name, trouble in troubles[:SHOWN]]
    more = [f"and {len(troubles) - SHOWN} more"] if len(troubles) > SHOWN else []
    failure = RunFailure("source", first.code, "\n".join([*lines, *more]), first.fix)
    raise located(checked, checked.pipeline.sources[name].where, failure)


def _refuse_old_files(checked: Checked, name: str, inventory: Inventory) -> None:
    """Raises RunFailure where nothing new has arrived for longer than the source allows, or nothing at all."""
    use = checked.pipeline.sources[name]
    most = read_age(getattr(use.value, "max_age", ""))
    if most is None:
        return
    found = _too_old(name, inventory, most)
    if found:
        message = f"{found}, and {allowed_at_most(use.value.max_age)}"
        failure = RunFailure("source", "old-files", message, CODES["old-files"].fix)
        raise located(checked, (*use.where, "max_age"), failure)


def _too_old(name: str, inventory: Inventory, most: timedelta) -> str:
    """What is wrong where no file of a source is as new as `most`."""
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


def read_sources(
    checked: Checked, inputs: Inputs, names: list[str], folder: RunFolder, reporter: Reporter
) -> dict[str, ReadResult]:
    """The rows of the sources in `names`. Raises RunFailure for what cannot be read, and for more broken records than are allowed."""
    found: dict[str, ReadResult] = {}
    for name in names:
        use = checked.pipeline.sources[name]
        try:
            with span(f"read {name}", {"etlrun.source": name, "etlrun.source.kind": use.kind}) as reading:
                parts = _parts(checked, use, name, inputs.inventories[name], reporter)
                inventory = _fetched(checked, name, inputs.inventories[name], folder, reporter, parts)
                inputs.keep_digests(inventory)
                found[name] = _read(checked, use, name, inventory, folder, reporter, parts)
                if (rows := found[name].rows) is not None:
                    reading.attributes["etlrun.rows"] = rows
            for notice in found[name].notices:
                reporter.warn(notice)
            if isinstance(use.value, TextSource):
                head = partial(_head, checked, inventory, folder.sources(name))
                _judge_bad_rows(name, use.value, found[name], head, folder, reporter)
                _refuse_empty_days(name, found[name], inventory)
                shutil.rmtree(folder.sources(name) / COPIES, ignore_errors=True)
        except RunFailure as failure:
            raise located(checked, use.where, failure) from failure.__cause__
    return found


def _fetched(
    checked: Checked,
    name: str,
    inventory: Inventory,
    folder: RunFolder,
    reporter: Reporter,
    parts: SourceParts | None = None,
) -> Inventory:
    """The inventory of a source, with parts or copies of what is in a store. Raises RunFailure."""
    if not any(is_url(file.at) for file in inventory.files):
        return inventory
    if parts is not None:
        inventory = with_parts(inventory, parts, folder.sources(name))
    stores = open_stores(checked.project, checked.profile, filled)
    fetching = Fetching(inventory, folder.sources(name) / COPIES, stores)
    if not fetching.files:
        return inventory
    reporter.say(f"fetching {counted(len(fetching.files), 'object')} of {name}, {fetching.size / 1e6:,.1f} MB")

    def look() -> None:
        reporter.progress(f"fetching {name}", fetching.done * 100 // fetching.size, 100)

    found = work(fetching.fetch, look, fetching.stopped.set)
    form = checked.pipeline.sources[name].value.form
    copies = [file for file in found.files if file.part is None]
    _refuse(checked, [(name, trouble) for file in copies for trouble in trouble_in(file, form)])
    return found


def _read(
    checked: Checked,
    use: Use,
    name: str,
    inventory: Inventory,
    folder: RunFolder,
    reporter: Reporter,
    parts: SourceParts | None,
) -> ReadResult:
    keep = isinstance(use.value, TextSource) and use.value.bad_rows != "drop"
    order = ReadRequest(
        name,
        inventory,
        folder.sources(name),
        folder.quarantine(name) if keep else None,
        reporter.progress,
        database_reader(checked.project, checked.profile),
        quarantine_limit=use.value.quarantine_limit if isinstance(use.value, TextSource) else 0,
        parts=parts,
        stores=open_stores(checked.project, checked.profile, filled),
    )

    def look() -> None:
        percent = order.control.percent()
        reporter.progress(f"reading {name}", max(0, int(percent)), 100 if percent >= 0 else 0)

    found = work(partial(_read_or_nothing, checked, use, order), look, order.control.interrupt)
    if parts is None:
        return found
    if parts.trouble:
        reporter.warn(f"`{name}`: what was read cannot be kept for later runs ({parts.trouble}): {parts.folder}")
    return replace(found, cached=parts.used)


def _read_or_nothing(checked: Checked, use: Use, order: ReadRequest) -> ReadResult:
    """What a source reads: no rows of a table that the pipeline itself publishes later for the first time."""
    columns = checked.columns[order.name]
    try:
        read_result: ReadResult = use.value.read(order, columns)
    except RunFailure as failure:
        if _is_first_run(checked, use, failure):
            return _no_rows(columns, order.folder)
        raise
    return read_result


def _parts(checked: Checked, use: Use, name: str, inventory: Inventory, reporter: Reporter) -> SourceParts | None:
    """What earlier runs read of a source, where its profile keeps it."""
    try:
        return parts_of(checked.project, checked.profile.parts, name, use.value, checked.columns[name], inventory)
    except OSError as error:
        reporter.warn(f"`{name}`: `parts` is not used, and all files are read ({error.strerror}): {error.filename}")
        return None


def _judge_bad_rows(
    name: str,
    source: TextSource,
    read_result: ReadResult,
    head: Callable[[str], bytes],
    folder: RunFolder,
    reporter: Reporter,
) -> None:
    if not read_result.bad_rows:
        return
    records = (read_result.rows or 0) + read_result.bad_rows
    share = read_result.bad_rows / records
    where = f"; see {folder.quarantine(name)}" if folder.quarantine(name).exists() else ""
    reasons = ", ".join(f"{reason} ({count:,})" for reason, count in read_result.reasons[:3])
    found = f"`{name}`: {read_result.bad_rows:,} of {counted(records, 'record')} cannot be read: {reasons}{where}"
    if source.bad_rows != "fail" and share <= source.max_bad_rows:
        reporter.warn(found)
        return
    shown = "\n".join(read_result.samples)
    explained = _explained(source, read_result, head)
    if explained is not None:
        raise RunFailure("source", "wrong-format", f"{explained[0]}\n{found}\n{shown}", explained[1])
    if source.bad_rows == "fail":
        fix = "fix the files, or let `bad_rows: quarantine` set them aside"
        raise RunFailure("source", "bad-rows", f"{found}\n{shown}", fix)
    whole = _column_at_fault(read_result.samples) if share == 1 else None
    if whole is not None:
        column, kind, example = whole
        fix = f"read it as text, `{column}: string`, and make it {kind} in a step: {_reading(column, kind, example)}"
        cause = f"no record can be read: every `{column}` fails as {kind}"
        raise RunFailure("source", "too-many-bad-rows", f"`{name}`: {cause}{where}\n{shown}", fix)
    limit = f"more than the {source.max_bad_rows * 100:g}% that `max_bad_rows` allows"
    fix = f"fix the files, or allow more: `max_bad_rows: {_rounded_up(share)}`"
    raise RunFailure("source", "too-many-bad-rows", f"{found}: {limit}\n{shown}", fix)


_SAMPLE = re.compile(r"`([^`]+)` is \"(.*)\", and (\S+) is expected")


def _column_at_fault(samples: Iterable[str]) -> tuple[str, str, str] | None:
    """The column, its type and a value, where all samples fail at one column; else None."""
    found = [_SAMPLE.search(sample) for sample in samples]
    places = {(match[1], match[3]) for match in found if match}
    if not found or None in found or len(places) != 1 or found[0] is None:
        return None
    ((column, kind),) = places
    return column, kind, found[0][2]


def _reading(column: str, kind: str, example: str) -> str:
    """The step that reads a text such as `example` as a type."""
    parts = re.fullmatch(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(.*)", example)
    if kind == "date" and parts and not parts[5]:
        order = ("MM", "dd") if int(parts[3]) > 12 else ("dd", "MM")
        form = parts[2].join((*order, "yyyy"))
        return f"`derive: {{{column}_date: \"to_date({column}, '{form}')\"}}`"
    return f"`derive: {{{column}_value: try_cast({column} as {kind})}}`"


def _explained(source: TextSource, read_result: ReadResult, head_of: Callable[[str], bytes]) -> tuple[str, str] | None:
    """What the file with the most broken records is, where its first bytes say that it is of another kind, and what to do."""
    path = max(read_result.bad_rows_of, key=lambda path: read_result.bad_rows_of[path])
    head = head_of(path)
    found = source.explain(head) or explain_bytes(head)
    return (f"{path}: {found[0]}", found[1]) if found else None


def _head(checked: Checked, inventory: Inventory, folder: Path, path: str) -> bytes:
    """The first bytes of a file's text; an object of which a part was read is fetched for them."""
    file = next((file for file in inventory.files if file.path == path), None)
    if file is not None and file.part is not None:
        stores = open_stores(checked.project, checked.profile, filled)
        (file,) = Fetching(Inventory((replace(file, part=None),)), folder / "head" / COPIES, stores).fetch().files
    return b"" if file is None else first_bytes(file)


def _rounded_up(share: float) -> str:
    """A share as a percentage of at most two decimals that allows it."""
    return f"{min(100.0, math.ceil(share * 10_000) / 100):.2f}".rstrip("0").rstrip(".") + "%"


def _refuse_empty_days(name: str, read_result: ReadResult, inventory: Inventory) -> None:
    """A day whose files hold a header or blank lines only is as empty as a file of no bytes."""
    days: Counter[date] = Counter()
    for file in inventory.files:
        if file.date is not None and file.date not in inventory.may_be_empty:
            days[file.date] += read_result.rows_of.get(file.path, 0) + read_result.bad_rows_of.get(file.path, 0)
    bare = sorted(day for day, records in days.items() if not records)
    if bare:
        raise RunFailure(
            "source",
            "empty-file",
            f"no row of `{name}` is of {shown(bare)}",
            f"allow it: `empty: [{', '.join(map(str, bare[:SHOWN]))}]`",
        )


def account(read_result: ReadResult, inventory: Inventory) -> dict[str, Any]:
    """A source in the record of a run."""
    found: dict[str, Any] = {"rows": read_result.rows, "bad_rows": read_result.bad_rows, "files": len(inventory.files)}
    if read_result.blank:
        found["blank"] = read_result.blank
    if read_result.cached:
        found["cached"] = read_result.cached
    if inventory.missing:
        found["missing"] = [str(day) for day in inventory.missing]
    return found
