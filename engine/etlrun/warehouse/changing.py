"""Change a table that does not match a load, under the lock of its publishers."""

from __future__ import annotations

from collections.abc import Sequence

from etlrun.contracts.connection import Load
from etlrun.diagnostics import counted
from etlrun.failures import RunFailure
from etlrun.warehouse.ledger import missing_tables
from etlrun.warehouse.locks import take_lock
from etlrun.warehouse.preparing import find_mismatches
from etlrun.warehouse.server import AnyServer, ServerError, ServerSession


def change_table(server: AnyServer, session: ServerSession, load: Load, statements: Sequence[str], label: str) -> None:
    """Run `statements`, which must be those of all mismatches, in one transaction if the server has transactional DDL.

    Raises RunFailure, ServerError.
    """
    if not server.is_embedded:
        for statement in missing_tables(server, session):
            session.run(statement)
        take_lock(server, session, load, label)
    if [statement for _, statement in find_mismatches(server, session, load)] != list(statements):
        raise _failure(load, label, "it was changed in the meantime", "run `etlrun migrate` again")
    session.run("START TRANSACTION")
    for number, statement in enumerate(statements):
        try:
            session.run(statement)
        except ServerError as error:
            _roll_back(session)
            done = (
                f" ({counted(number, 'statement')} before it ran, and the server may have kept the changes)"
                if number
                else ""
            )
            raise _failure(
                load, label, f"`{statement}` fails{done}: {server.explain(error)[0]}", server.explain(error)[1]
            ) from error
    session.run("COMMIT")
    left = find_mismatches(server, session, load)
    if left:
        raise _failure(load, label, f"it still does not fit: {left[0][0]}", f"run: {left[0][1]};")


def _roll_back(session: ServerSession) -> None:
    try:
        session.run("ROLLBACK")
    except ServerError:
        session.abort()


def _failure(load: Load, label: str, why: str, fix: str) -> RunFailure:
    return RunFailure(
        "sink", "change-failed", f"the table `{load.table}` of connection `{label}` was not changed: {why}", fix
    )
