"""The rows that `etlrun diff` compares: published rows, rows that a run would compute now, and rows that an earlier run kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from etlrun.compiler.check import Checked
from etlrun.compiler.plan import make_plan
from etlrun.contracts.owned_rows import ReplaceWhere
from etlrun.contracts.source import Inventory
from etlrun.failures import RunFailure
from etlrun.lake.lake_sink import LakeSink
from etlrun.lake.snapshot import copy_rows
from etlrun.language.columns import Column, Columns
from etlrun.language.dialects import duckdb_sql
from etlrun.reading.fetching import COPIES, Fetching
from etlrun.runtime.run import RunOptions, run_pipeline
from etlrun.runtime.run_place import run_place
from etlrun.runtime.run_records import find_run
from etlrun.runtime.stage import Staged, from_record, shown_columns, verify_stage
from etlrun.runtime.table_diff import Side
from etlrun.sinks.files import Files
from etlrun.spec.project import Use
from etlrun.storage.stores import open_stores
from etlrun.warehouse.opening import database_reader, filled
from etlrun.working import Reporter

PUBLISHED, NOW = "published", "now"


def rows_of(text: str, checked: Checked, sink: str, work: Path, reporter: Reporter) -> Side:
    """The rows of `published`, `now`, a run or a Parquet file, as given in `text`; copies are made in `work`. Raises RunFailure."""
    work.mkdir()
    use = checked.pipeline.sinks[sink]
    if text == PUBLISHED:
        return _published(checked, sink, use, work)
    if text == NOW:
        return _now(checked, use.value.from_, work, reporter, "what a run gives now")
    if text.endswith(".parquet"):
        return _file(text, checked.columns[use.value.from_])
    return _of_run(text, checked, use.value.from_)


def rows_now(checked: Checked, sink: str, work: Path, reporter: Reporter, title: str) -> Side:
    """The rows that a run of the pipeline would publish to a sink now; copies are made in `work`. Raises RunFailure."""
    work.mkdir()
    return _now(checked, checked.pipeline.sinks[sink].value.from_, work, reporter, title)


def _published(checked: Checked, sink: str, use: Use, work: Path) -> Side:
    if isinstance(use.value, Files):
        path = checked.project.path(use.value.path)
        if not use.value.is_parquet_file or not path.is_file():
            message = f"the file {use.value.path} of the sink `{sink}` does not exist, or is not a Parquet file"
            raise RunFailure("usage", "missing-table", message, "compare a sink that is a table or a Parquet file")
        return replace(_file(str(path), checked.columns[use.value.from_]), title=use.value.path)
    if isinstance(use.value, LakeSink):
        return _lake_table(checked, use, use.value, work)
    table = use.value.table_name(sink)
    with closing(database_reader(checked.project, checked.profile)(use.value.connection)) as database:
        there = database.columns(table)
        if there is None:
            database.verify(table, Columns(()))
            raise AssertionError(f"{table} is missing, and verified")
        copied = database.copy(table, _as_declared(there, shown_columns(checked.columns[use.value.from_])), work)
    return Side(
        f"{use.value.connection}.{table}", there, copied.files, _owned(checked, use), getattr(use.value, "key_", ())
    )


def _lake_table(checked: Checked, use: Use, sink: LakeSink, work: Path) -> Side:
    stores = open_stores(checked.project, checked.profile, filled)
    snapshot = sink.current(checked.project.root, database_reader(checked.project, checked.profile), stores, work)
    if snapshot is None:
        message = f"the {sink.what} {sink.shown} does not exist"
        raise RunFailure("usage", "missing-table", message, f"publish it first: etlrun run {checked.pipeline.name}")
    columns = _as_declared(snapshot.columns, shown_columns(checked.columns[sink.from_]))
    fetched = Fetching(Inventory(snapshot.input_files()), work / COPIES, stores).fetch()
    copy_rows(snapshot, [file.at for file in fetched.files], columns, work / "rows.parquet")
    return Side(sink.shown, snapshot.columns, (work / "rows.parquet",), _owned(checked, use))


def _as_declared(there: Columns, declared: Columns) -> Columns:
    """The columns of a table in the types of the pipeline, as far as it has them."""
    return Columns(tuple(Column(item.name, (declared.get(item.name) or item).type) for item in there))


def _owned(checked: Checked, use: Use) -> str:
    """Which rows of the table a run replaces, as a condition; empty for all."""
    write = getattr(use.value, "write", None)
    if not isinstance(write, ReplaceWhere):
        return ""
    columns = checked.columns[use.value.from_]
    tree = checked.scope(use.where).condition(columns, write.replace_where, ("write", "replace_where"))
    assert tree is not None, "the condition was checked"
    return duckdb_sql(tree)


def _now(checked: Checked, relation: str, work: Path, reporter: Reporter, title: str) -> Side:
    found: list[Side] = []

    def keep(staged: Staged) -> None:
        files = tuple(work / path.name for path in staged.paths)
        for path, copy in zip(staged.paths, files, strict=True):
            shutil.copyfile(path, copy)
        found.append(Side(title, staged.columns, files, unique=staged.columns.unique or ()))

    bare = replace(checked, pipeline=replace(checked.pipeline, checks={}, sinks={}))
    options = RunOptions(publishes=False, relations=(relation,), look=_with(relation, keep))
    run_pipeline(bare, reporter, options)
    return found[0]


def _with(relation: str, keep: Callable[[Staged], None]) -> Callable[[dict[str, Staged]], None]:
    return lambda staged: keep(staged[relation])


def _file(path: str, declared: Columns) -> Side:
    import pyarrow.parquet as pq

    from etlrun.language.arrow import type_of_arrow

    if not Path(path).is_file():
        raise RunFailure("usage", "missing-table", f"the file {path} does not exist", "check the path")
    schema = pq.read_schema(path)
    types = {field.name: type_of_arrow(field.type) for field in schema}
    columns = (Column(name, kind) for name, kind in types.items() if kind is not None)
    return Side(path, Columns(tuple(columns)), (Path(path),))


def _of_run(text: str, checked: Checked, relation: str) -> Side:
    """The staged rows of a run, if they still exist: rows of runs that did not publish are kept for a week."""
    stored = find_run(run_place(checked.project), text)
    kept = stored.record.staged.get(relation)
    if stored.record.pipeline != checked.pipeline.name or kept is None:
        message = f"the run `{stored.folder.id}` has no rows of `{relation}`: a run that has published its rows does not keep them"
        fix = "compare `published` with `now`, or a run that `etlrun runs` shows as refused or failed"
        raise RunFailure("usage", "nothing-staged", message, fix)
    staged = from_record(relation, make_plan(checked).relation(relation).columns, kept, stored.folder)
    verify_stage(staged)
    return Side(f"run {stored.folder.id}", staged.columns, staged.paths, unique=staged.columns.unique or ())
