"""The rights that an account lacks, after the server has rejected a statement of a publish."""

from __future__ import annotations

from etlrun.contracts.connection import Load
from etlrun.failures import RunFailure
from etlrun.warehouse.server import AnyServer, ServerError, ServerSession


def missing_rights(server: AnyServer, session: ServerSession, load: Load, error: ServerError) -> tuple[str, str] | None:
    """The rights that a publish of `load` needs and the account lacks, and the statements that grant them.

    None if the error has another cause, or the server does not show the rights. Rolls the transaction of the statement back.
    """
    if error.kind != "denied":
        return None
    try:
        session.run("ROLLBACK")
        server.require_rights(session, load)
    except RunFailure as lacking:
        return lacking.message, lacking.fix
    except ServerError:
        return None
    return None
