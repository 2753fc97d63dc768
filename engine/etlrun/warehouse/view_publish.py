"""Create or replace a view in one step. It is tried under another name first, and recorded in the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from etlrun.contracts.connection import LEDGER, Load, Published
from etlrun.failures import RunFailure
from etlrun.language.columns import INTEGERS, Type
from etlrun.warehouse.faults import point
from etlrun.warehouse.fencing import is_published
from etlrun.warehouse.ledger import find_entries, missing_tables, record, table_key
from etlrun.warehouse.locks import take_lock
from etlrun.warehouse.server import AnyServer, ServerSession
from etlrun.warehouse.tables import Definition, StoredColumn, keeps_all
from etlrun.warehouse.versions import data_table

QUERY = (
    "query:"  # how the ledger's checksum of a view begins: it is of its query, since its rows change with its tables
)


def tried_view(view: str) -> str:
    """The temporary name under which a view is tried, not too long for any server."""
    schema, dot, _ = view.rpartition(".")
    digest = hashlib.sha1(view.lower().encode(), usedforsecurity=False).hexdigest()
    return f"{schema}{dot}_etlrun_new_{digest}"


def misfits(server: AnyServer, session: ServerSession, load: Load) -> Iterator[tuple[str, str]]:
    """Why a view cannot be created under its name, each with the statement that corrects it. Raises RunFailure if no statement should."""
    there: Definition[StoredColumn] | None = server.describe(session, load.table)
    if there is None:
        return
    table = server.table(load.table)
    if there.is_table:
        yield "it is a table", server.rename_statement(load.table, f"{load.table.rpartition('.')[2]}__before")
    elif server.keeps_versions and server.describe(session, data_table(load.table)) is not None:
        message = f"`{load.table}` is the view of a table that is published by pointer"
        raise RunFailure("sink", "table-mismatch", message, "give this view another name: `view: NAME`")
    else:
        own = _own_query(server, session, load)
        drop = f"DROP VIEW {table} /* this removes its query */"
        if own is None:
            yield "it is a view that etlrun did not make", drop
        elif own and _digest(server, session, load.table) not in ("", own):
            yield "its query is no longer the one that etlrun gave it", drop


def _own_query(server: AnyServer, session: ServerSession, load: Load) -> str | None:
    """The digest of the query of a view in the ledger; empty if it is not known, None for a view that etlrun did not create."""
    if server.describe(session, LEDGER) is None:
        return None
    known = f"SELECT checksum FROM {LEDGER} WHERE tbl = {server.text(table_key(load.table))} AND write_mode = 'view'"
    found = [str(row[0]) for row in session.rows(known)]
    return next((text if text.startswith(QUERY) else "" for text in found), None)


def _digest(server: AnyServer, session: ServerSession, view: str) -> str:
    """A digest of the query of a view as the server stores it; empty if the server does not show it."""
    query = server.view_query(session, view)
    return QUERY + hashlib.sha1(query.encode(), usedforsecurity=False).hexdigest() if query else ""


def publish_view(server: AnyServer, session: ServerSession, load: Load, label: str) -> Published:
    """Create or replace a view. Raises RunFailure, ServerError; then the old view is unchanged."""
    for why, statement in misfits(server, session, load):
        raise RunFailure("sink", "table-mismatch", f"the view `{load.table}` does not fit: {why}", f"run: {statement};")
    for statement in missing_tables(server, session):
        session.run(statement)
    if not server.is_embedded:
        take_lock(server, session, load, label)
    session.run("START TRANSACTION")
    if is_published(load, "", find_entries(server, session, load)):
        session.run("ROLLBACK")
        return Published(load.rows, was_there=True)
    _try(server, session, load, label)
    # A server that commits each CREATE VIEW may be left in the middle: the view is etlrun's own by then, and of no run yet.
    record(server, session, replace(load, run_id="", checksum=""))
    for statement in server.replace_view(session, load):
        session.run(statement)
    point("view-made")
    record(server, session, replace(load, checksum=_digest(server, session, load.table)))
    session.run("COMMIT")
    return Published(load.rows)


def _try(server: AnyServer, session: ServerSession, load: Load, label: str) -> None:
    """Create the view under another name, and drop it again. Raises RunFailure if it has other columns than the relation."""
    tried = replace(load, table=tried_view(load.table))
    session.run(f"CREATE OR REPLACE VIEW {server.table(tried.table)} AS {load.query}")
    there: Definition[StoredColumn] | None = server.describe(session, tried.table)
    session.run(f"DROP VIEW {server.table(tried.table)}")
    assert there is not None
    for item in load.columns:
        found = there.column(item.name)
        if found is None or found.type is None or not _holds(found.type, item.type):
            raise RunFailure(
                "sink",
                "view-columns",
                f"the view `{load.table}` of connection `{label}` was not created: `{item.name}` would be "
                f"{found.written if found else 'missing'} there, and is {item.type} in the pipeline",
                "publish a `table` instead, or `drop` the column in a step",
            )


def _holds(there: Type, wanted: Type) -> bool:
    """Whether a column of the view has the values of the relation's column; a server may use a wider number type."""
    families = ({*INTEGERS, "boolean"}, {"float", "double"})
    return any({there.name, wanted.name} <= family for family in families) or keeps_all(there, wanted)
