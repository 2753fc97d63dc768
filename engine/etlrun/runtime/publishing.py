"""Publish the staged relation of every sink; a failure has the place of the sink in the specification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from etlrun.codes import CODES
from etlrun.compiler.check import Checked
from etlrun.compiler.views import view_query
from etlrun.contracts.connection import Load
from etlrun.contracts.database_sink import DatabaseSink
from etlrun.contracts.sink import Publication
from etlrun.failures import RunFailure
from etlrun.runtime.blame import located
from etlrun.runtime.record import Record
from etlrun.runtime.row_counts import sinks_with_too_few_rows
from etlrun.runtime.stage import Staged, StagedFile, shown_columns, verify_stage
from etlrun.runtime.waiting import when_free
from etlrun.spec.project import Project, Use
from etlrun.stopping import safe_point
from etlrun.storage.staging_area import StagedObject
from etlrun.storage.stores import open_stores
from etlrun.tracing import span
from etlrun.warehouse.opening import database_writer, filled
from etlrun.working import Reporter

MIGRATION = "etlrun-migrate"  # in the lock of a table that is being changed, in place of a run


def look_ahead(checked: Checked, record: Record) -> None:
    """Verify before any work that every sink can publish. Raises RunFailure."""
    for sink, use in checked.pipeline.sinks.items():
        foresee(checked, sink, use, record.run_id)
    _refuse_shared_tables(checked)


def _refuse_shared_tables(checked: Checked) -> None:
    """Raises RunFailure if two sinks publish to the same table through different connections: the second could replace the rows of the first."""
    sinks = {sink: use for sink, use in checked.pipeline.sinks.items() if use.value.table_name(sink)}
    connections = {sink: use.value.place(sink)[0] for sink, use in sinks.items()}
    if len(set(filter(None, connections.values()))) < 2:
        return
    seen: dict[str, str] = {}
    for sink, use in sinks.items():
        if not connections[sink]:
            continue
        database = database_writer(checked.project, checked.profile)(connections[sink])
        try:
            table = database.full_name(use.value.table_name(sink))
        finally:
            database.close()
        first = seen.setdefault(table, sink) if table else sink
        if connections[first] != connections[sink]:
            failure = RunFailure(
                "sink",
                "shared-table",
                f"`{first}` and `{sink}` publish to one table: the connections `{connections[first]}` and `{connections[sink]}` use the same database",
                f"write `connection: {connections[first]}` in both, and `etlrun check` says whether they share rows",
            )
            raise located(checked, use.where, failure)


def planned_load(checked: Checked, sink: str, use: Use) -> Load | None:
    """The load of a run for the table of a sink, without rows; None for other sinks."""
    columns = shown_columns(checked.columns[use.value.from_])
    nothing = Staged(use.value.from_, columns, (), 0, "")
    load: Load | None = use.value.load(_publication(checked, sink, use, nothing, MIGRATION, ""))
    return load


def foresee(checked: Checked, sink: str, use: Use, run_id: str = "") -> str:
    """One line about what publishing a sink will do. Raises RunFailure if it is not possible."""
    if checked.columns[use.value.from_].awaits_labels:
        return f"publishes to {use.value.place(sink)[1]}, whose columns are compared once the run knows the labels"
    columns = shown_columns(checked.columns[use.value.from_])
    try:
        summary: str = use.value.look_ahead(
            _publication(checked, sink, use, Staged(use.value.from_, columns, (), 0, ""), run_id, "")
        )
    except RunFailure as failure:
        raise located(checked, use.where, failure) from failure.__cause__
    return summary


def publish_all(
    checked: Checked, staged: Mapping[str, Staged], record: Record, reporter: Reporter, wait: float = 0.0
) -> None:
    """Publish every sink that is not yet in the record; wait at most `wait` seconds for a table that is locked.

    All sinks are verified first. Files are published before tables, because they can be written again; the tables of a connection are
    published in one transaction. Raises RunFailure; sinks that were published before it stay published.
    """
    left = {sink: use for sink, use in checked.pipeline.sinks.items() if sink not in record.sinks}
    try:
        for use in left.values():
            verify_stage(staged[use.value.from_])
        _refuse_too_few_rows(checked, left, staged)
        for group in _groups(left):
            safe_point()
            reporter.say(f"publishing {', '.join(group)}")
            rows = {sink: staged[use.value.from_].rows for sink, use in group.items()}
            with span(f"publish {', '.join(group)}", {"etlrun.sinks": tuple(group), "etlrun.rows": sum(rows.values())}):
                record.sinks.update(when_free(partial(_publish, checked, group, staged, record), wait, reporter))
            for notice in (notice for sink in group for notice in record.sinks[sink].get("notices", ())):
                reporter.warn(notice)
    except RunFailure as failure:
        _tell_what_is_left(failure, record)
        raise


def _refuse_too_few_rows(checked: Checked, left: Mapping[str, Use], staged: Mapping[str, Staged]) -> None:
    """Raises RunFailure that lists every sink with fewer rows than its `min_rows`."""
    messages = {sink: text for sink, text in sinks_with_too_few_rows(checked, staged).items() if sink in left}
    if messages:
        failure = RunFailure(
            "sink", "too-few-rows", "\n".join(messages.values()), "check the input, or allow it: `min_rows: 0`"
        )
        raise located(checked, left[next(iter(messages))].where, failure)


def _groups(sinks: Mapping[str, Use]) -> list[dict[str, Use]]:
    """Sinks that are published together: each file alone, then each table of a catalog alone and the tables of each database, and each view after
    what it may read."""
    groups: dict[tuple[int, str, str], dict[str, Use]] = {}
    for sink, use in sinks.items():
        connection = use.value.place(sink)[0]
        order = 2 if use.value.is_view() else 1 if connection else 0
        is_shared = order == 1 and isinstance(use.value, DatabaseSink)
        groups.setdefault((order, connection, "" if is_shared else sink), {})[sink] = use
    return [groups[place] for place in sorted(groups, key=lambda place: place[0])]


def _tell_what_is_left(failure: RunFailure, record: Record) -> None:
    """Add to a failure the sinks that were published before it and, if the staged rows are still valid, the command that publishes the rest."""
    if record.sinks:
        failure.add(message=f"; published before: {', '.join(record.sinks)}")
    if CODES[failure.code].can_resume:
        failure.add(fix=f"; then `etlrun resume {record.run_id}` publishes what is left, without computing it again")


def _publish(
    checked: Checked, group: Mapping[str, Use], staged: Mapping[str, Staged], record: Record
) -> dict[str, dict[str, Any]]:
    """Publish sinks together; returns the entry of each in the record. If it raises RunFailure, the tables are unchanged."""
    publications = {
        sink: _publication(checked, sink, use, staged[use.value.from_], record.run_id, record.spec_hash)
        for sink, use in group.items()
    }
    loads: dict[str, Load] = {}
    try:
        for sink, use in group.items():
            load = use.value.load(publications[sink])
            if load is None:
                return {sink: use.value.publish(publications[sink])}
            loads[sink] = load
        return _publish_loads(checked, group, loads)
    except RunFailure as failure:
        about = next((sink for sink, load in loads.items() if load.table == failure.subject), next(iter(group)))
        others = [sink for sink in group if sink != about]
        if others:
            failure.add(message=f"; {', '.join(others)} in the same transaction was not published either")
        raise located(checked, group[about].where, failure) from failure.__cause__


def _publish_loads(checked: Checked, group: Mapping[str, Use], loads: Mapping[str, Load]) -> dict[str, dict[str, Any]]:
    """Publish tables of one connection."""
    connection = next(use.value.place(sink)[0] for sink, use in group.items())
    database = database_writer(checked.project, checked.profile)(connection)
    try:
        published = database.publish_all(tuple(loads.values()))
    finally:
        database.close()
    summary = {
        sink: {
            "connection": connection,
            "table": load.table,
            "write": load.write,
            "rows": load.rows,
            "checksum": load.checksum,
            **({"period": load.period} if load.period else {}),
            **({"appended_by": done.earlier} if done.earlier else {}),
        }
        for (sink, load), done in zip(loads.items(), published, strict=True)
    }
    if database.notices:
        next(iter(summary.values()))["notices"] = list(database.notices)
    return summary


def _publication(checked: Checked, sink: str, use: Use, staged: Staged, run_id: str, spec_hash: str) -> Publication:
    return Publication(
        sink,
        staged.columns,
        staged.paths,
        staged.rows,
        staged.checksum,
        run_id,
        checked.pipeline.name,
        checked.pipeline.description,
        spec_hash,
        checked.project.root,
        checked.scope(use.where),
        database_writer(checked.project, checked.profile),
        view_query(checked, use) if use.value.is_view() else "",
        open_stores(checked.project, checked.profile, filled),
        scratch=checked.project.runs_path.resolve() / run_id / "work" / f"publish-{sink}",
        uploaded=_uploaded(checked.project, staged.files, run_id),
        fetch=staged.fetch,
        partitions={Path(file.path): file.partition for file in staged.files},
    )


def _uploaded(project: Project, files: Sequence[StagedFile], run_id: str) -> Mapping[Path, StagedObject]:
    """The copies of staged files in the store of the runs, if they are in a store."""
    url, folder = project.runs_url, project.runs_path.resolve() / run_id
    if url is None:
        return {}
    return {
        (path := Path(file.path)): StagedObject(
            url / f"{run_id}/{path.relative_to(folder).as_posix()}", file.size, file.sha256, file.tag
        )
        for file in files
    }
