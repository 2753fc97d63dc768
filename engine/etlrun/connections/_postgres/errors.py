"""Errors of PostgreSQL or its connection: which can be retried, and how a user can fix the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from etlrun.failures import without_personal
from etlrun.warehouse.refusals import CHANGE_ROWS, CHECK_VIOLATED, NO_PARENT, REFERRED
from etlrun.warehouse.server import ErrorKind, LoadRefused, ServerError

LOST = "08006"
UNREACHABLE = "08001"
LOCK_WAIT = "55P03"
DENIED, DEPENDENTS = "42501", "2BP01"
_KINDS: tuple[tuple[str, ErrorKind], ...] = (  # prefixes of codes, the longest first
    ("25006", "failover"),
    ("55P03", "lock-wait"),
    ("40P01", "transient"),
    ("40001", "transient"),
    ("42P07", "transient"),  # another process was the first to create the table
    ("42501", "denied"),
    ("23505", "duplicate"),
    ("23502", "refused"),
    ("23514", "refused"),
    ("23P01", "refused"),
    ("P0001", "refused"),  # by a trigger
    ("53300", "transient"),
    ("57P0", "transient"),
    ("08", "transient"),
    ("22", "refused"),
)
_BEFORE_LOGIN = ("connection failed", "connection timeout", "failed to resolve")  # how psycopg begins its messages
_AT_LOGIN = (  # libpq gives no code for errors at login
    ("SYSCALL", LOST),
    ("closed", LOST),
    ("cleartext password", "CLEAR"),
    ("password authentication failed", "28P01"),
    ("no password supplied", "28P01"),
    ("no pg_hba.conf entry", "28000"),
    ("certificate", "TLS"),
    ("SSL", "TLS"),
    ("does not exist", "3D000"),
    ("too many", "53300"),
    ("starting up", "57P03"),
    ("shutting down", "57P03"),
    ("recovery", "57P03"),
)
_WHAT = {
    UNREACHABLE: ("the server cannot be reached", "check host and port, and that the server runs"),
    LOST: ("the connection broke", "check the network and the server's log"),
    "22P05": ("the database's encoding cannot hold a character", "create the database with ENCODING 'UTF8'"),
    "23503": REFERRED,
    DEPENDENTS: (
        "other views or rules read it",
        "drop those first and create them again afterwards; or publish a `table`, which is not dropped when its rows change",
    ),
    "25006": ("the server is read-only", "point the connection at the primary server"),
    "28000": (
        "the server does not accept connections of this account from this host",
        "allow them in pg_hba.conf of the server",
    ),
    "28P01": ("the server rejects the user or the password", "check both in the environment"),
    "3D000": ("there is no such database or user", "create it, or check the names in the URL"),
    "40P01": ("deadlock with another transaction", "try again"),
    "42501": (
        "the account lacks a right",
        "grant it SELECT, INSERT and DELETE on tables that it writes, and CREATE on the schema while a table is missing",
    ),
    "53100": ("the server's disk is full", "free disk space there"),
    "53300": ("the server has too many connections", "try again later, or raise max_connections"),
    "55P03": ("another transaction has locked rows of the table", "wait until it ends, or end it"),
    "57014": ("the statement took longer than the timeout", "raise `timeout` of the connection"),
    "57P01": ("somebody ended the session, or the server is shutting down", "try again when it is back"),
    "57P03": ("the server is starting or shutting down", "try again when it is back"),
    "CLEAR": (
        "the server asks for the password in plain text",
        "use TLS with `tls: verify_identity`, or write scram-sha-256 for the account in pg_hba.conf of the server",
    ),
    "TLS": (
        "the certificate of the server could not be verified",
        "set `ca` to the file of the CA certificate that signed it; `tls: verify_ca` does not check the host name",
    ),
}

NO_PARTITION = (
    "the table has no partition for a row",
    "create one with CREATE TABLE ... PARTITION OF ..., or remove such rows in the pipeline",
)
_REFUSED = {  # the mistakes of rows; "23503" alone can be about other rows than these, see _WHAT
    "23503": NO_PARENT,
    "23514": CHECK_VIOLATED,
    "P0001": ("a trigger of the table rejects a row", CHANGE_ROWS),
}


@contextmanager
def as_server_error() -> Iterator[None]:
    """In this block, errors of psycopg become ServerError."""
    try:
        yield
    except psycopg.Error as error:
        raise server_error(error) from None


def server_error(error: Exception) -> ServerError:
    """Convert an error of psycopg, with its SQLSTATE."""
    detail = str(error).strip()
    code = getattr(error, "sqlstate", None) or _code_of(detail)
    kind: ErrorKind = next((kind for start, kind in _KINDS if code.startswith(start)), "other")
    if code == "23503" and detail.startswith("insert"):  # one code for both ends of a foreign key
        kind = "refused"
    return ServerError(code, detail, kind, masked(detail))


def _code_of(detail: str) -> str:
    """The code for an error without one from libpq: at login, or of a connection that broke later."""
    if not detail.startswith(_BEFORE_LOGIN):
        return LOST
    return next((code for part, code in _AT_LOGIN if part in detail), UNREACHABLE)


def explain(error: ServerError) -> tuple[str, str]:
    """What happened, with the code for PostgreSQL's manual, and what to do."""
    code = str(error.code)
    what, fix = _WHAT.get(
        code, (f"the server reported an error: {masked(error.detail)}", "look up the code in the manual of the server")
    )
    first = error.detail.splitlines()[0].rpartition("failed: ")[2]
    owned = re.match(r"must be owner of (?:materialized |foreign )?(\w+) (.+)", first)
    if code == DENIED and owned:
        what = f"only the owner of the {owned[1]} `{owned[2]}` may do this"
        fix = f"its owner runs: ALTER {owned[1].upper()} {owned[2]} OWNER TO the account of the connection; or publish under another name"
    if "used by a view" in first:
        what = "a view uses the column, so the server cannot change its type"
        fix = "drop the view, repeat this, then create the view again; a run creates the views that etlrun publishes"
    if code == DEPENDENTS or "used by a view" in first:
        fix = f"{'; '.join(_dependents(error.detail))}: {fix}"
    detail = f": {masked(first)}" if code in (DENIED, DEPENDENTS, "TLS", UNREACHABLE) else ""
    return f"{what} ({code}{detail})", fix


def _dependents(detail: str) -> list[str]:
    """The objects that depend on the one to drop, as the server reports them, one line each."""
    return [line.removeprefix("DETAIL:").strip() for line in detail.splitlines() if " depends on " in line]


def meaning(error: ServerError | LoadRefused) -> tuple[str, str]:
    """What a refusal of rows means, in addition to the server's message, and what to do."""
    if isinstance(error, ServerError) and error.detail.startswith("no partition of relation"):
        return NO_PARTITION
    return _REFUSED.get(str(error.code), ("", CHANGE_ROWS))


def masked(text: str) -> str:
    """The first line of `text` with quoted values made unreadable; names of columns and constraints stay."""
    first = text.split("\n", 1)[0]
    return without_personal(re.sub(r'(: )".*"', r'\1"***"', first))
