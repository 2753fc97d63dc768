"""The commit protocol of a Delta table: one entry of its log names the files of a run, once, and never over those of a newer run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etlrun.contracts.sink import Publication
from etlrun.diagnostics import counted
from etlrun.failures import RunFailure
from etlrun.lake.adoption import AdoptedFile, adopted, remove_abandoned, unwritten
from etlrun.lake.commits import Write, facts, foreign_version, published, run_number
from etlrun.lake.snapshot import files_of, open_delta
from etlrun.language.arrow import arrow_schema
from etlrun.stopping import finishing

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable, Schema
    from deltalake.transaction import AddAction

ATTEMPTS = 5


@dataclass(frozen=True)
class Committed:
    """What a publish did: the version that holds the rows, and what a person should know."""

    version: int
    notices: tuple[str, ...] = ()


def foresee(root: Path, publication: Publication, write: Write) -> tuple[DeltaTable | None, tuple[str, ...]]:
    """The table as it is, and notices on what a publish would change about it. Raises RunFailure where the rows do not fit it."""
    table = None if root.is_file() else open_delta(root)
    if table is None:
        _refuse_other_files(root)
        return None, ()
    _refuse_other_partitions(root, table, write.partition_by)
    return table, _changed_columns(root, table, publication, write)


def publish(root: Path, publication: Publication, write: Write) -> Committed:
    """Commit the rows of a publication, unless they are there already. Raises RunFailure, and then the table is as it was."""
    first = foresee(root, publication, write)[0]
    if first is not None and (found := published(first, publication, write)) is not None:
        return Committed(found)
    application = write.application(publication)
    try:
        with adopted(root, publication, application, write.partition_by) as files:
            _refuse_foreign_partitions(publication, files, write)
            committed = _commit(root, publication, write, files)
    except RunFailure:
        table = open_delta(root)
        found = None if table is None else published(table, publication, write)
        if found is None:
            raise
        return Committed(found)  # by another process, meanwhile
    remove_abandoned(root, publication, application, files)
    return committed


def _commit(root: Path, publication: Publication, write: Write, files: Sequence[AdoptedFile]) -> Committed:
    """Try until nobody else has committed meanwhile; another writer's rows are only replaced where etlrun wrote them."""
    from deltalake.exceptions import DeltaError

    seen: int | None = None
    for _ in range(ATTEMPTS):
        table, notices = foresee(root, publication, write)
        version = _next_version(table)
        if table is not None:
            if published(table, publication, write) is not None:
                message = f"another process published this run to {root}"
                raise RunFailure("sink", "publish-conflict", message, "nothing is left to do")
            if seen is not None and write.mode != "append":
                _refuse_foreign_commits(root, table, seen)
        try:
            with finishing():
                _write(root, table, publication, write, files)
        except (DeltaError, OSError, ValueError) as error:
            if not isinstance(error, DeltaError) or _next_version(open_delta(root)) == version:
                raise unwritten(root, str(error)) from error
            seen = version - 1
            continue
        _verify(root, version, write, files)
        return Committed(version, notices)
    message = f"other programs wrote to {root} at each of {ATTEMPTS} attempts; the rows are not in it"
    raise RunFailure("sink", "publish-conflict", message, "publish again when they have ended")


def _next_version(table: DeltaTable | None) -> int:
    return 0 if table is None else table.version() + 1


def _write(
    root: Path, table: DeltaTable | None, publication: Publication, write: Write, files: Sequence[AdoptedFile]
) -> None:
    """Commit once, to the version after `table`. Raises DeltaError where that is there already."""
    from deltalake.transaction import create_table_with_add_actions

    adds, properties, parts = _adds(root, files), _properties(publication, write), list(write.partition_by)
    if table is None:
        about = publication.description or None
        schema = _schema(publication)
        create_table_with_add_actions(
            str(root), schema, adds, "error", parts, description=about, commit_properties=properties
        )
        return
    table.create_write_transaction(
        [*adds],
        "append" if write.mode == "append" else "overwrite",
        _schema(publication),
        parts,
        [(column, "=", value) for column, value in write.owned.items()] if write.owned else None,
        commit_properties=properties,
    )


def _adds(root: Path, files: Sequence[AdoptedFile]) -> list[AddAction]:
    from deltalake.transaction import AddAction

    return [
        AddAction(
            file.path,
            file.size,
            dict(file.partition),
            int((root / file.path).stat().st_mtime * 1000),
            True,
            json.dumps({"numRecords": file.rows}),
        )
        for file in files
    ]


def _properties(publication: Publication, write: Write) -> CommitProperties:
    """What the log tells of a commit: the run, and the number that tells its publisher's runs apart. The library does not try again."""
    from deltalake import CommitProperties, Transaction

    return CommitProperties(
        custom_metadata=facts(publication, write),
        app_transactions=[Transaction(write.application(publication), run_number(publication.run_id))],
        max_commit_retries=0,
    )


def _refuse_other_files(root: Path) -> None:
    """Raises RunFailure where a place that is no table holds something else than what publishes are about to make."""
    ours = ("etlrun-", "_delta_log")
    if root.is_file() or (root.is_dir() and not all(path.name.startswith(ours) for path in root.iterdir())):
        fix = "choose another `path`, or move what is there elsewhere"
        raise RunFailure("sink", "table-mismatch", f"{root} is there and is no Delta table", fix)


def _refuse_other_partitions(root: Path, table: DeltaTable, partition_by: Sequence[str]) -> None:
    there = list(table.metadata().partition_columns)
    if there != list(partition_by):
        fix = f"write `partition_by: [{', '.join(there)}]`" if there else "leave `partition_by` out"
        shown = f"partitioned by {', '.join(there)}" if there else "not partitioned"
        message = f"the table {root} is {shown}, and the sink says {', '.join(partition_by) or 'nothing'}"
        raise RunFailure("sink", "table-mismatch", message, f"{fix}, or choose another `path`")


def _changed_columns(root: Path, table: DeltaTable, publication: Publication, write: Write) -> tuple[str, ...]:
    """What `replace` changes about the columns of a table. Raises RunFailure for other writes, which keep rows of before."""
    there, ours = _types(table.schema()), _types(_schema(publication))
    if there == ours:
        return ()
    news = [f"`{column}` {kind}, new" for column, kind in ours.items() if column not in there]
    news += [f"`{column}`, gone" for column in there if column not in ours]
    news += [
        f"`{column}` {kind}, which was {there[column]}"
        for column, kind in ours.items()
        if there.get(column, kind) != kind
    ]
    if write.mode == "replace":
        return (f"the columns of the Delta table {root} change: {'; '.join(news)}",)
    raise RunFailure(
        "sink",
        "table-mismatch",
        f"the columns of the table {root} differ from those of the relation: {'; '.join(news)}",
        "make the relation's columns those of the table, or publish all rows once with `write: replace`, which changes them",
    )


def _refuse_foreign_partitions(publication: Publication, files: Sequence[AdoptedFile], write: Write) -> None:
    """Raises RunFailure where rows do not fulfil the condition of `replace_where`."""
    for file in files:
        for column, value in (write.owned or {}).items():
            if file.partition.get(column) != value:
                shown = "null" if file.partition.get(column) is None else f"'{file.partition[column]}'"
                message = (
                    f"`{column}` is {shown} in {counted(file.rows, 'row')}, and `replace_where` replaces {write.period}"
                )
                raise RunFailure("sink", "rows-outside", message, "filter the rows by the same condition")


def _refuse_foreign_commits(root: Path, table: DeltaTable, seen: int) -> None:
    """Raises RunFailure where a version after `seen` is not one of etlrun's."""
    if (found := foreign_version(table, seen)) is not None:
        message = f"another program wrote version {found} of {root} while the rows were published"
        raise RunFailure("sink", "publish-conflict", message, "look at what it wrote, then publish again")


def _verify(root: Path, version: int, write: Write, files: Sequence[AdoptedFile]) -> None:
    """Look whether the version holds the files of the run, and of what it replaces nothing else. Raises RunFailure."""
    table = open_delta(root, version)
    assert table is not None
    there = {file.path for file in files_of(table)}
    ours = {file.path for file in files}
    replaced = there - ours if write.mode == "replace" else _owned_files(table, write) - ours
    if not ours <= there or replaced:
        message = f"version {version} of {root} does not hold exactly the rows of the run"
        raise RunFailure("sink", "publish-unknown", message, f"restore version {version - 1} of the table; report this")


def _owned_files(table: DeltaTable, write: Write) -> set[str]:
    if not write.owned:
        return set()
    owned = write.owned.items()
    return {file.path for file in files_of(table) if all(file.partition.get(name) == value for name, value in owned)}


def _schema(publication: Publication) -> Schema:
    from deltalake import Schema

    return Schema.from_arrow(arrow_schema(publication.columns))


def _types(schema: Schema) -> dict[str, str]:
    return {
        field.name: json.dumps(json.loads(field.type.to_json()), sort_keys=True).strip('"') for field in schema.fields
    }
