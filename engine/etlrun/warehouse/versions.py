"""The versions of a table with `publish: pointer`; a view shows the current ones.

The rows of all versions are in the table `NAME__data`, each with the number of its load. `_etlrun_versions` tells of every publish of
a period which load it made current, and which publish took its place. Its rows are replaced and never updated, so that an account
needs no right to UPDATE.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from etlrun.contracts.connection import Load
from etlrun.language.columns import BIGINT, Column, Columns
from etlrun.warehouse.ledger import period_key
from etlrun.warehouse.server import AnyServer, ServerSession

VERSIONS = "_etlrun_versions"
NUMBER = "__etlrun_load"
SUFFIX = "__data"
State = Literal["loading", "current", "earlier", "withdrawn", "gone"]
COLUMNS = "tbl, period, load_id, state, replaced_by, run_id, pipeline, write_mode, row_count, checksum, spec_hash"


@dataclass(frozen=True)
class TableVersion:
    """A publish of a period: `load` is the number in its rows, `replaced_by` the publish that replaced it."""

    version: int
    table: str
    period: str
    load: int
    state: State
    replaced_by: int | None
    run_id: str
    pipeline: str
    write: str
    rows: int
    checksum: str
    spec_hash: str


def data_table(table: str) -> str:
    """The table with the rows of all versions of `table`."""
    return table + SUFFIX


def with_numbers(load: Load) -> Load:
    """`load` with the column of version numbers, for the table of all versions."""
    number = Column(NUMBER, BIGINT, nullable=False, description="the version that the row belongs to")
    columns = Columns((number, *load.columns))
    return replace(load, table=data_table(load.table), columns=columns, key=(NUMBER, *load.key))


def view_statement(server: AnyServer, load: Load, *, replaces: bool = False) -> str:
    """The statement that creates or replaces the view of the current versions."""
    shown = ", ".join(f"d.{server.name(item.name)} AS {server.name(item.name)}" for item in load.columns)
    head = f"{'CREATE OR REPLACE' if replaces else 'CREATE'} VIEW {server.table(load.table)}"
    rows = f"{server.table(data_table(load.table))} d JOIN {VERSIONS} v ON v.load_id = d.{server.name(NUMBER)}"
    return f"{head} AS SELECT {shown} FROM {rows} WHERE v.tbl = {server.text(load.table)} AND v.state = 'current'"


def find(server: AnyServer, session: ServerSession, table: str, *, locked: bool = False) -> list[TableVersion]:
    """The versions of a table, the latest publish first; `locked` until the transaction ends."""
    if locked:
        server.lock_versions(session, table)
    query = f"SELECT version, {COLUMNS} FROM {VERSIONS} WHERE tbl = {server.text(table)}{server.row_locks if locked else ''}"
    return sorted((TableVersion(*row) for row in session.rows(query)), key=lambda kept: -kept.version)


def register(server: AnyServer, session: ServerSession, load: Load) -> TableVersion:
    """Register a new load, which gives it its number."""
    values = (load.run_id, load.pipeline, load.write, load.rows, load.checksum, load.spec_hash)
    new = insert(server, session, TableVersion(0, load.table, period_key(load.period), 0, "loading", None, *values))
    numbered = replace(new, load=new.version)
    write(server, session, (numbered,))
    return numbered


def insert(server: AnyServer, session: ServerSession, new: TableVersion) -> TableVersion:
    """Insert a new version; returns it with its number."""
    statement = f"INSERT INTO {VERSIONS} ({COLUMNS}) VALUES ({_values(server, new)})"
    return replace(new, version=server.insert_version(session, statement))


def write(server: AnyServer, session: ServerSession, changed: Iterable[TableVersion]) -> None:
    """Write the current state of versions."""
    rows = {each.version: f"({each.version}, {_values(server, each)})" for each in changed}
    if rows:
        session.run(server.replace_versions(VERSIONS, f"version, {COLUMNS}", rows))


def publish(new: TableVersion, kept: list[TableVersion]) -> list[TableVersion]:
    """The versions that change when `new` becomes current: itself, and those that it replaces."""
    taken = [one for one in kept if one.state == "current" and (new.write == "replace" or one.period == new.period)]
    return [
        replace(new, state="current", replaced_by=None),
        *(replace(one, state="earlier", replaced_by=new.version) for one in taken),
    ]


def withdraw(last: TableVersion, kept: list[TableVersion]) -> list[TableVersion]:
    """The versions that change when the publish `last` is undone: itself, and those that it had replaced."""
    return [
        replace(last, state="withdrawn"),
        *(replace(one, state="current", replaced_by=None) for one in kept if one.replaced_by == last.version),
    ]


def outlived(kept: list[TableVersion], keep: int) -> list[TableVersion]:
    """The versions that are no longer kept: withdrawn ones, and those that were replaced more than `keep` publishes ago."""
    known = {one.version: one for one in kept}

    def age(one: TableVersion) -> int:
        steps = 0
        while one.state == "earlier" and one.replaced_by in known:
            one, steps = known[one.replaced_by], steps + 1
        return steps

    return [one for one in kept if one.state in ("withdrawn", "gone") or (one.state == "earlier" and age(one) > keep)]


def _values(server: AnyServer, kept: TableVersion) -> str:
    texts = ", ".join(map(server.text, (kept.run_id, kept.pipeline, kept.write)))
    replaced = "NULL" if kept.replaced_by is None else str(kept.replaced_by)
    return (
        f"{server.text(kept.table)}, {server.text(kept.period)}, {kept.load}, {server.text(kept.state)}, {replaced}, {texts}, {kept.rows}, "
        f"{server.text(kept.checksum)}, {server.text(kept.spec_hash)}"
    )
