"""The commit protocol of an Iceberg table: one snapshot names the files of a run, once, and never over those of a newer run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from etlrun.contracts.sink import Publication
from etlrun.failures import RunFailure
from etlrun.lake.adoption import (
    UNKNOWN,
    AdoptedFile,
    adopted,
    refuse_foreign_partitions,
    remove_abandoned,
)
from etlrun.lake.commits import Commit, Committed, RunLog, Write, commit_of, published
from etlrun.lake.forgotten import Known, remove_forgotten
from etlrun.lake.iceberg_catalog import CatalogTable, catalog_failures, local_path
from etlrun.lake.iceberg_changes import refuse_other_partitions, table_changes
from etlrun.lake.iceberg_commit import Attempt, appended_property
from etlrun.lake.iceberg_snapshot import live_entries, partition_texts, path_in, read_iceberg
from etlrun.lake.merging import FileChanges, rewritten
from etlrun.stopping import finishing

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

ATTEMPTS = 5
DATA = "data/"  # below the table's folder, where its files are


def foresee(place: CatalogTable, publication: Publication, write: Write) -> tuple[Table | None, tuple[str, ...]]:
    """The current table, and notices on what a publish would change. Raises RunFailure if the rows do not fit it."""
    table = place.load()
    if table is None:
        return None, ()
    refuse_other_partitions(place, table, write.partition_by)
    return table, table_changes(place, table, publication, write).notices


def publish(place: CatalogTable, publication: Publication, write: Write) -> Committed:
    """Commit the rows of a publication, unless they are committed already. If it raises RunFailure, the table is unchanged."""
    first = foresee(place, publication, write)[0]
    if first is not None and (found := published(_run_log(place, first, publication, write), publication, write)):
        return replace(found, place=_place(first.location()))
    attempt = Attempt(place, publication, write)
    location = first.location() if first is not None else attempt.location
    folder, application = place.folder(f"{location.rstrip('/')}/data"), write.application(publication)
    try:
        with adopted(folder, publication, application, write.partition_by, publication.columns) as files:
            refuse_foreign_partitions(publication, files, write)
            committed, changes = _commit(attempt, files, f"{location.rstrip('/')}/{DATA}")
    except RunFailure as failure:
        try:
            table = place.load()
        except RunFailure:
            raise failure from failure.__cause__
        found = None if table is None else published(_run_log(place, table, publication, write), publication, write)
        if found is None:
            raise
        return replace(found, place=_place(location))  # by another process in the meantime
    named = _verify(place, committed.version, write, changes)
    remove_abandoned(folder, publication, application, named)
    remove_forgotten(folder, lambda: known(place))
    return committed


def _place(location: str) -> str:
    """A location for the record of a run."""
    return str(local_path(location)) if location.startswith(("file:", "/")) else location


class _Overtaken(Exception):
    """Another process changed the table before a commit."""


def _commit(attempt: Attempt, files: Sequence[AdoptedFile], root: str) -> tuple[Committed, FileChanges]:
    """Try until no other commit interferes; returns what the commit changed. Rows of others are replaced only if etlrun wrote them."""
    place, publication, write = attempt.place, attempt.publication, attempt.write
    where, seen, tried = _place(root.removesuffix(f"/{DATA}")), None, False
    for _ in range(ATTEMPTS):
        table, notices = foresee(place, publication, write)
        if table is not None:
            if (found := _own_commit(attempt, table, files)) is not None:
                return replace(found, notices=notices, place=where), FileChanges((), tuple(files))
            if tried and write.replaces_foreign_rows:
                _refuse_foreign_commits(place, table, seen)
        seen, tried = _current(table), True
        with suppress(_Overtaken), _changes(attempt, table, files, root) as changes:
            return Committed(_attempt(attempt, table, changes, root), notices, where), changes
    message = f"other programs wrote to {place.shown} at each of {ATTEMPTS} attempts; the rows are not in it"
    raise RunFailure("sink", "publish-conflict", message, "wait until they have ended")


@contextmanager
def _changes(attempt: Attempt, table: Table | None, files: Sequence[AdoptedFile], root: str) -> Iterator[FileChanges]:
    """All files that a commit adds and removes; those that were written for this snapshot only are removed if the block raises."""
    if table is None or attempt.write.mode != "merge":
        yield FileChanges((), tuple(files))
        return
    snapshot = read_iceberg(attempt.place, table, None)
    if snapshot.files and snapshot.partition_by != attempt.write.partition_by:
        raise attempt.other_partitions()
    folder = attempt.place.folder(root.rstrip("/"))
    with rewritten(folder, snapshot, attempt.publication, attempt.write, files, snapshot.columns) as found:
        yield FileChanges(found.removed, (*files, *found.added))


def _attempt(attempt: Attempt, table: Table | None, changes: FileChanges, root: str) -> int:
    """Commit once; returns the snapshot. Raises RunFailure, and _Overtaken if another process was first."""
    try:
        with finishing():
            snapshot = attempt.commit(table, changes, root)
    except RunFailure as failure:
        snapshot = _landed(attempt.place, _added(changes.added)) if failure.code == UNKNOWN else None
        if snapshot is None:
            raise
    if snapshot is None:
        snapshot = _landed(attempt.place, _added(changes.added))
    if snapshot is None:
        raise _Overtaken
    return snapshot


def _own_commit(attempt: Attempt, table: Table, files: Sequence[AdoptedFile]) -> Committed | None:
    """The commit of the files, if its reply was lost. Raises RunFailure if another process published the rows, or those of a newer run."""
    place, publication, write = attempt.place, attempt.publication, attempt.write
    found = published(_run_log(place, table, publication, write), publication, write)
    if found is None or _added(files) <= _paths(table, found.version):
        return found
    message = f"another process published this run to {place.shown}"
    raise RunFailure("sink", "publish-conflict", message, "nothing is left to do")


def _added(files: Sequence[AdoptedFile]) -> set[str]:
    """The paths of files relative to the folder of the table."""
    return {f"{DATA}{file.path}" for file in files}


def _landed(place: CatalogTable, paths: set[str]) -> int | None:
    """The current snapshot if it has the files; None if it does not, or cannot be read."""
    with suppress(RunFailure):
        table = place.load()
        now = _current(table)
        if table is not None and now is not None and paths <= _paths(table, now):
            return now
    return None


def _run_log(place: CatalogTable, table: Table, publication: Publication, write: Write) -> RunLog:
    """The runs in the history of the current snapshot. If older snapshots are gone, a table property names the last append."""
    history = _history(table)
    commits = tuple(_commits(history))
    latest = None
    if history and _follows_others(history[-1]):
        text = table.properties.get(appended_property(write.application(publication)), "")
        latest = int(text) if text.isdigit() else None
    return RunLog(place.shown, _current(table) or 0, commits, latest)


def _history(table: Table) -> list[Snapshot]:
    from pyiceberg.table.snapshots import ancestors_of

    return list(ancestors_of(table.current_snapshot(), table.metadata))


def _follows_others(oldest: Snapshot) -> bool:
    """Whether snapshots before the oldest remaining one were removed."""
    return oldest.parent_snapshot_id is not None or (oldest.sequence_number or 0) > 1


def _commits(snapshots: Iterable[Snapshot]) -> Iterable[Commit]:
    for snapshot in snapshots:
        facts = snapshot.summary.additional_properties if snapshot.summary is not None else {}
        if "etlrun.run" in facts:
            yield commit_of(snapshot.snapshot_id, facts)


def _current(table: Table | None) -> int | None:
    snapshot = table.current_snapshot() if table is not None else None
    return None if snapshot is None else snapshot.snapshot_id


def _refuse_foreign_commits(place: CatalogTable, table: Table, seen: int | None) -> None:
    """Raises RunFailure if another program wrote a snapshot after `seen`."""
    ours = {commit.version for commit in _commits(table.snapshots())}
    for snapshot in _history(table):
        if snapshot.snapshot_id == seen:
            return
        if snapshot.snapshot_id not in ours:
            message = (
                f"another program wrote snapshot {snapshot.snapshot_id} of {place.shown} while the rows were published"
            )
            raise RunFailure("sink", "publish-conflict", message, "check what it wrote")


def _paths(table: Table, snapshot: int) -> set[str]:
    """The paths of a snapshot's files, relative to the table's folder."""
    entries = live_entries(table, table.snapshot_by_id(snapshot))
    return {path for entry in entries if (path := path_in(table, entry.data_file)) is not None}


def _verify(place: CatalogTable, snapshot: int, write: Write, changes: FileChanges) -> set[str]:
    """Check that the snapshot has exactly the files of the run in the part that it replaces; returns the folders of its files.

    Raises RunFailure.
    """
    from pyiceberg.manifest import DataFileContent

    with catalog_failures(place.catalog):
        table = place.load()
        assert table is not None, "it was written"
        owned, paths = (write.owned or {}).items(), _added(changes.added)
        removed = {unquote(file.path) for file in changes.removed}
        there, others = set(), False
        for entry in live_entries(table, table.snapshot_by_id(snapshot)):
            path, texts = path_in(table, entry.data_file), partition_texts(table, entry.data_file)
            is_replaced = write.mode == "replace" or (owned and all(texts.get(name) == value for name, value in owned))
            is_data = entry.data_file.content == DataFileContent.DATA
            others |= bool(is_data and is_replaced and path not in paths) or path in removed
            there.add(path)
    if others or not paths <= there:
        message = f"snapshot {snapshot} of {place.shown} does not have exactly the rows of the run"
        raise RunFailure(
            "sink", UNKNOWN, message, "roll the table back to the previous snapshot, and report this as a bug"
        )
    return set(map(_folder_of, filter(None, there)))


def _folder_of(path: str) -> str:
    """The folder of a file below that of all data files."""
    return path.removeprefix(DATA).split("/")[0]


def known(place: CatalogTable) -> Known | None:
    """The runs in the log of the table; None if the table does not exist. Raises RunFailure."""
    from datetime import UTC, datetime

    table = place.load()
    if table is None:
        return None
    oldest = min(table.snapshots(), key=lambda one: one.timestamp_ms, default=None)
    since = ""
    if oldest is not None and _follows_others(oldest):
        since = format(datetime.fromtimestamp(oldest.timestamp_ms / 1000, UTC), "%Y%m%dT%H%M%SZ")
    now = _current(table)
    current = set(map(_folder_of, _paths(table, now) if now else ()))
    return Known(current, {(commit.run, commit.application) for commit in _commits(table.snapshots())}, since)
