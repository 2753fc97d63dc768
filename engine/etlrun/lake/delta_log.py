"""The commit protocol of a Delta table: one entry of its log names the files of a run, once, and never over those of a newer run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from etlrun.contracts.sink import Publication
from etlrun.failures import RunFailure
from etlrun.lake.adoption import (
    FOLDER,
    UNKNOWN,
    AdoptedFile,
    adopted,
    refuse_foreign_partitions,
    remove_abandoned,
    unwritten,
)
from etlrun.lake.commits import Committed, Write, delta_runs, facts, foreign_version, published, run_number, runs_in_log
from etlrun.lake.delta_changes import (
    column_changes,
    delta_schema,
    needs_timestamps,
    refuse_other_partitions,
    refuse_other_rules,
    schema_after,
)
from etlrun.lake.forgotten import Known, remove_forgotten
from etlrun.lake.merging import FileChanges, rewritten
from etlrun.lake.snapshot import LakeFile, files_of, open_delta, read_snapshot
from etlrun.lake.table_folder import TableFolder
from etlrun.stopping import finishing

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable
    from deltalake.transaction import AddAction, RemoveAction

ATTEMPTS = 5


def foresee(folder: TableFolder, publication: Publication, write: Write) -> tuple[DeltaTable | None, tuple[str, ...]]:
    """The current table, and notices on what a publish would change. Raises RunFailure if the rows do not fit it."""
    names = _names_in(folder)
    table = open_delta(folder) if LOG in names else None
    if table is None:
        _refuse_other_files(folder, names)
        return None, ()
    refuse_other_partitions(folder.uri, table, write.partition_by)
    refuse_other_rules(folder.uri, table, publication)
    return table, column_changes(folder.uri, table, publication, write)


def publish(folder: TableFolder, publication: Publication, write: Write) -> Committed:
    """Commit the rows of a publication, unless they are committed already. If it raises RunFailure, the table is unchanged."""
    first = foresee(folder, publication, write)[0]
    if (
        first is not None
        and (found := published(delta_runs(first, publication, write), publication, write)) is not None
    ):
        return found
    if first is not None and needs_timestamps(first, publication):
        _allow_timestamps(folder, first)
    application = write.application(publication)
    try:
        inside = [item for item in publication.columns if item.name not in write.partition_by]
        with adopted(folder, publication, application, write.partition_by, inside) as files:
            refuse_foreign_partitions(publication, files, write)
            committed, changes = _commit(folder, publication, write, files)
    except RunFailure as failure:
        try:
            table = open_delta(folder)
        except RunFailure:
            raise failure from failure.__cause__
        found = None if table is None else published(delta_runs(table, publication, write), publication, write)
        if found is None:
            raise
        return found  # by another process in the meantime
    named = _verify(folder, committed.version, write, changes)
    remove_abandoned(folder, publication, application, named)
    remove_forgotten(folder, lambda: known(folder))
    return committed


def known(folder: TableFolder) -> Known | None:
    """The runs in the log of the table; None if the table does not exist. Raises RunFailure."""
    table = open_delta(folder)
    if table is None:
        return None
    return Known({file.path.split("/")[0] for file in files_of(table)}, *runs_in_log(table))


class _Overtaken(Exception):
    """Another process wrote the version that a commit was for."""


def _commit(
    folder: TableFolder, publication: Publication, write: Write, files: Sequence[AdoptedFile]
) -> tuple[Committed, FileChanges]:
    """Try until no other commit interferes; returns what the commit changed. Rows of others are replaced only if etlrun wrote them."""
    seen: int | None = None
    for _ in range(ATTEMPTS):
        table, notices = foresee(folder, publication, write)
        if table is not None:
            if (found := _own_commit(folder, table, publication, write, files)) is not None:
                return replace(found, notices=notices), FileChanges((), tuple(files))
            if seen is not None and write.replaces_foreign_rows:
                _refuse_foreign_commits(folder.uri, table, seen)
        with suppress(_Overtaken), _changes(folder, table, publication, write, files) as changes:
            return replace(_attempt(folder, table, publication, write, changes), notices=notices), changes
        seen = _next_version(table) - 1
    message = f"other programs wrote to {folder.uri} at each of {ATTEMPTS} attempts; the rows are not in it"
    raise RunFailure("sink", "publish-conflict", message, "wait until they have ended")


@contextmanager
def _changes(
    folder: TableFolder, table: DeltaTable | None, publication: Publication, write: Write, files: Sequence[AdoptedFile]
) -> Iterator[FileChanges]:
    """All files that a commit adds and removes; those that were written for this version only are removed if the block raises."""
    if table is None or write.mode != "merge":
        yield FileChanges((), tuple(files))
        return
    snapshot = read_snapshot(folder, table)
    inside = snapshot.columns.keep(item.name for item in snapshot.columns if item.name not in write.partition_by)
    with rewritten(folder, snapshot, publication, write, files, inside) as found:
        yield FileChanges(found.removed, (*files, *found.added))


def _attempt(
    folder: TableFolder, table: DeltaTable | None, publication: Publication, write: Write, changes: FileChanges
) -> Committed:
    """Commit once. Raises RunFailure, and _Overtaken if another process wrote this version."""
    from deltalake.exceptions import DeltaError

    version = _next_version(table)
    try:
        with finishing():
            _write(folder, table, publication, write, changes)
    except (DeltaError, OSError, ValueError) as error:
        after = _table_after(folder, version, str(error))
        found = _own_commit(folder, after, publication, write, changes.added)
        if found is None:
            raise _Overtaken from error
        return found
    return Committed(version)


def _own_commit(
    folder: TableFolder, table: DeltaTable, publication: Publication, write: Write, files: Sequence[AdoptedFile]
) -> Committed | None:
    """The commit of the files, if its reply was lost. Raises RunFailure if another process published the rows, or those of a newer run."""
    found = published(delta_runs(table, publication, write), publication, write)
    if found is None or _holds(folder, found.version, files):
        return found
    raise RunFailure(
        "sink", "publish-conflict", f"another process published this run to {folder.uri}", "nothing is left to do"
    )


def _table_after(folder: TableFolder, version: int, error_text: str) -> DeltaTable:
    """The table after a commit of `version` has failed, if that version exists: this process or another wrote it. Raises RunFailure otherwise."""
    refused = folder.explained(error_text)
    is_certain = refused is not None and refused.code != "storage-failed"
    try:
        table = open_delta(folder)
    except RunFailure as failure:
        if refused is not None and is_certain:
            raise refused from failure
        raise _unknown(refused or failure, version) from failure
    if table is not None and table.version() >= version:
        return table
    if refused is not None and not is_certain:
        raise _unknown(refused, version)
    raise refused or unwritten(folder.uri, error_text)


def _unknown(failure: RunFailure, version: int) -> RunFailure:
    message = f"{failure.message}: it is not known whether version {version} of the table was written"
    return RunFailure("sink", UNKNOWN, message, failure.fix)


def _holds(folder: TableFolder, version: int, files: Sequence[AdoptedFile]) -> bool:
    try:
        table = open_delta(folder, version)
    except RunFailure as failure:
        raise _unknown(failure, version) from failure
    return table is not None and {file.path for file in files} <= {file.path for file in files_of(table)}


def _next_version(table: DeltaTable | None) -> int:
    return 0 if table is None else table.version() + 1


def _write(
    folder: TableFolder, table: DeltaTable | None, publication: Publication, write: Write, changes: FileChanges
) -> None:
    """Commit once, as the version after `table`. Raises DeltaError if that version exists already."""
    from deltalake.transaction import create_table_with_add_actions

    adds, properties, parts = _adds(changes.added), _properties(publication, write), list(write.partition_by)
    if table is None:
        about = publication.description or None
        schema = delta_schema(publication)
        create_table_with_add_actions(
            folder.uri,
            schema,
            adds,
            "error",
            parts,
            description=about,
            storage_options=dict(folder.options) or None,
            commit_properties=properties,
        )
        return
    table.create_write_transaction(
        [*adds, *_removes(changes.removed)],
        "overwrite" if write.mode in ("replace", "replace_where") else "append",
        schema_after(table, publication),
        parts,
        [(column, "=", value) for column, value in write.owned.items()] if write.owned else None,
        commit_properties=properties,
    )


def _adds(files: Sequence[AdoptedFile]) -> list[AddAction]:
    from deltalake.transaction import AddAction

    return [
        AddAction(
            file.path,
            file.size,
            dict(file.partition),
            file.modified,
            True,
            json.dumps({"numRecords": file.rows}),
        )
        for file in files
    ]


def _removes(files: Sequence[LakeFile]) -> list[RemoveAction]:
    from deltalake.transaction import RemoveAction

    now = int(time.time() * 1000)
    return [RemoveAction(file.path, True, now, file.size, dict(file.partition)) for file in files]


def _properties(publication: Publication, write: Write) -> CommitProperties:
    """The properties of a commit: the run, and the number that identifies its publisher's run. The library does not retry."""
    from deltalake import CommitProperties, Transaction

    return CommitProperties(
        custom_metadata=facts(publication, write),
        app_transactions=[Transaction(write.application(publication), run_number(publication.run_id))],
        max_commit_retries=0,
    )


LOG = "_delta_log"


def _names_in(folder: TableFolder) -> set[str]:
    try:
        return folder.names()
    except NotADirectoryError:
        raise _no_table(folder) from None


def _refuse_other_files(folder: TableFolder, names: set[str]) -> None:
    """Raises RunFailure if a folder without a table contains files that publishes did not write."""
    if not all(name.startswith((FOLDER, LOG)) for name in names):
        raise _no_table(folder)


def _no_table(folder: TableFolder) -> RunFailure:
    fix = "choose another `path`, or move the files to another folder"
    return RunFailure("sink", "table-mismatch", f"{folder.uri} exists, but is not a Delta table", fix)


def _allow_timestamps(folder: TableFolder, table: DeltaTable) -> None:
    """Commit only the table feature; no row changes. Raises RunFailure if it cannot be written."""
    from deltalake import TableFeatures
    from deltalake.exceptions import DeltaError

    try:
        table.alter.add_feature(TableFeatures.TimestampWithoutTimezone, allow_protocol_versions_increase=True)
    except (DeltaError, OSError, ValueError) as error:
        raise folder.explained(str(error)) or unwritten(folder.uri, str(error)) from error


def _refuse_foreign_commits(root: str, table: DeltaTable, seen: int) -> None:
    """Raises RunFailure if another program wrote a version after `seen`."""
    if (found := foreign_version(table, seen)) is not None:
        message = f"another program wrote version {found} of {root} while the rows were published"
        raise RunFailure("sink", "publish-conflict", message, "check what it wrote")


def _verify(folder: TableFolder, version: int, write: Write, changes: FileChanges) -> set[str]:
    """Check that the version has exactly the files of the run in the part that it replaces; returns the folders of its files. Raises RunFailure."""
    table = open_delta(folder, version)
    assert table is not None, "it was written"
    there = {file.path for file in files_of(table)}
    ours = {file.path for file in changes.added}
    replaced = there - ours if write.mode == "replace" else _owned_files(table, write) - ours
    replaced |= there & {file.path for file in changes.removed}
    if not ours <= there or replaced:
        message = f"version {version} of {folder.uri} does not have exactly the rows of the run"
        raise RunFailure(
            "sink", UNKNOWN, message, f"restore version {version - 1} of the table, and report this as a bug"
        )
    return {path.split("/")[0] for path in there}


def _owned_files(table: DeltaTable, write: Write) -> set[str]:
    if not write.owned:
        return set()
    owned = write.owned.items()
    return {file.path for file in files_of(table) if all(file.partition.get(name) == value for name, value in owned)}
