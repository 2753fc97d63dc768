"""Errors of a MySQL server or its connection: which can be retried, and how a user can fix the others."""

from __future__ import annotations

import re
import socket
import ssl

from pymysql import err

from etlrun.connections._mysql.words import name
from etlrun.failures import without_personal
from etlrun.warehouse.address import Address
from etlrun.warehouse.refusals import CHECK_VIOLATED, NO_PARENT, REFERRED
from etlrun.warehouse.server import ErrorKind, ServerError

LOST = 2013
MALFORMED = 2027
TRANSIENT = frozenset(
    (0, 1040, 1053, 1158, 1159, 1160, 1161, 1205, 1213, 1927, 2002, 2003, 2006, LOST, MALFORMED, 2055, 4031)
)
FAILOVER = frozenset((1290, 1792, 1836, 3032))  # read-only or offline: another server may be taking over
NO_LOCAL_FILES = frozenset((1148, 3948, 4166))
DUPLICATE = frozenset((1062, 1586, 1859))
# A value that the column's type or a rule refuses.
REFUSED = frozenset((1048, 1264, 1265, 1292, 1366, 1406, 1452, 1526, 1644, 3819, 4025))
DENIED = frozenset((1044, 1142, 1143, 1227))
LOCK_WAIT = 1205
UNVERIFIED = 2026

_WHAT: dict[int, tuple[str, str]] = {
    1021: ("the server's disk is full", "free disk space there"),
    1040: ("the server has too many connections", "try again later, or raise max_connections"),
    1044: (
        "the account may not use this database",
        "grant it SELECT on tables that it reads; SELECT, INSERT and DELETE on tables that it writes, and CREATE while a table is missing",
    ),
    1045: (
        "the server rejects the user or the password",
        "check both in the environment, and that the account may connect from this host",
    ),
    1049: ("there is no such database", "create it, or check its name in the URL"),
    1053: ("the server is shutting down", "try again when it is back"),
    1114: ("the server's disk or tablespace is full", "free disk space there"),
    1130: (
        "the server does not accept connections from this host",
        "allow the account to connect from this host, or run on a host that is allowed",
    ),
    1142: (
        "the account lacks a right on this table",
        "grant it SELECT on tables that it reads; SELECT, INSERT and DELETE on tables that it writes, and CREATE while a table is missing",
    ),
    1143: (
        "the account lacks a right on a column of this table",
        "grant it SELECT on tables that it reads; SELECT, INSERT and DELETE on tables that it writes",
    ),
    1153: ("a row is larger than the server's limit for one packet", "raise max_allowed_packet on the server"),
    1526: ("the table has no partition for a value of a new row", "add the partition: ALTER TABLE ... ADD PARTITION"),
    1197: ("the transaction is larger than max_binlog_cache_size", "raise it on the server"),
    1203: ("the account has too many connections", "try again later, or raise max_user_connections"),
    1205: ("another transaction has locked rows of the table", "wait until it ends, or end it"),
    1213: ("deadlock with another transaction", "try again"),
    1226: (
        "the account has reached its limit of queries or connections",
        "try again later, or ask the administrator of the server for a higher limit",
    ),
    1227: ("the account lacks a right", "ask the administrator of the server to grant it"),
    1290: ("the server is read-only", "point the connection at the primary server"),
    1317: ("somebody ended the statement on the server", "ask the administrator of the server, then run again"),
    1356: (
        "the view reads a table, column or function that does not exist, or that the account may not use",
        "check their names, and grant the account SELECT on the tables that the view reads",
    ),
    1370: ("the account may not call a function of the database", "grant it EXECUTE on that function"),
    1451: REFERRED,
    1452: NO_PARENT,
    1665: (
        "the server has binlog_format=STATEMENT, which does not allow READ COMMITTED",
        "set binlog_format=ROW on the server",
    ),
    1698: (
        "the account logs in as a user of the operating system, not with a password",
        "use an account with a password",
    ),
    1792: ("the transaction is read-only", "point the connection at the primary server"),
    1820: ("the password of the account has expired", "set a new password for the account"),
    1836: ("the server is read-only", "point the connection at the primary server"),
    1862: ("the password of the account has expired", "set a new password for the account"),
    1927: ("the server ended the connection", "try again"),
    2002: ("the server's socket does not answer", "check that the server runs"),
    2003: ("the server cannot be reached", "check host and port, and that the server runs"),
    2006: ("the connection broke", "check the network and the server's log"),
    LOST: ("the connection broke", "check the network and the server's log"),
    MALFORMED: (
        "the server's answer is incomplete, or is not in MySQL's protocol",
        "check host and port: another program or a proxy may answer there",
    ),
    2055: ("the connection broke", "check the network and the server's log"),
    UNVERIFIED: (
        "the certificate of the server could not be verified",
        "set `ca` to the file of the CA certificate that signed it; `tls: verify_ca` does not check the host name",
    ),
    2059: (
        "the account uses an authentication plugin that etlrun does not support",
        "use an account with caching_sha2_password or mysql_native_password",
    ),
    2061: (
        "the server asks for the password in plain text",
        "use TLS with `tls: verify_identity`, or an account with caching_sha2_password",
    ),
    2068: (
        "the server asked for a file of this machine, and etlrun did not send it",
        "do not trust this server; check the host",
    ),
    3032: ("the server is in offline mode", "try again when it is back"),
    3098: (
        "the group replication of the server accepts only InnoDB tables with a primary key",
        "give the sink a `key`",
    ),
    3100: (
        "the replication of the server rejects the transaction",
        "read the server's log; group replication has group_replication_transaction_size_limit",
    ),
    3118: ("the account is locked", "ask the administrator of the server"),
    3159: (
        "the server requires TLS",
        "set `tls: verify_ca` with the server's `ca`, or `tls: insecure` if the server is on this machine",
    ),
    3750: ("the server requires a primary key for every table", "give the sink a `key`"),
    3819: CHECK_VIOLATED,
    3948: ("the server does not allow LOAD DATA LOCAL", "set local_infile=ON on the server, or `loader: insert`"),
    3955: ("the account is locked after too many wrong passwords", "ask the administrator of the server"),
    4025: CHECK_VIOLATED,
    4031: ("the server closed the connection because it was idle", "raise wait_timeout on the server"),
    4151: ("the account is locked", "ask the administrator of the server"),
    4166: ("the server does not allow LOAD DATA LOCAL", "set local_infile=ON on the server, or `loader: insert`"),
}


_KINDS: tuple[tuple[frozenset[int], ErrorKind], ...] = (
    (frozenset((LOCK_WAIT,)), "lock-wait"),
    (TRANSIENT, "transient"),
    (FAILOVER, "failover"),
    (NO_LOCAL_FILES, "no-stream"),
    (DUPLICATE, "duplicate"),
    (REFUSED, "refused"),
    (DENIED, "denied"),
)


class MysqlError(ServerError):
    """An error with its MySQL code."""

    def __init__(self, code: int, detail: str) -> None:
        kind: ErrorKind = next((kind for codes, kind in _KINDS if code in codes), "other")
        super().__init__(code, detail, kind, masked(detail))


def server_error(error: Exception) -> MysqlError:
    """Convert an error of PyMySQL or of its socket, with MySQL's code."""
    original = getattr(error, "original_exception", error)
    if isinstance(original, ssl.SSLError):
        why = getattr(original, "verify_message", "") or original.reason or original
        return MysqlError(UNVERIFIED, str(why).rstrip("."))
    if isinstance(original, socket.gaierror):
        return MysqlError(2003, f"its host name cannot be resolved ({original.strerror})")
    if isinstance(error, err.MySQLError) and error.args and isinstance(error.args[0], int):
        detail = str(original.strerror or original) if isinstance(original, OSError) else str(error.args[-1])
        return MysqlError(error.args[0], detail)
    return MysqlError(LOST, str(error))


OF_THE_LINE = (err.MySQLError, OSError, AttributeError)


def is_of_the_line(error: Exception) -> bool:
    """Whether an exception is PyMySQL's or the socket's, not one of etlrun. A broken connection can also appear as an AttributeError on None."""
    return isinstance(error, OF_THE_LINE) and (not isinstance(error, AttributeError) or "'NoneType'" in str(error))


def explain(error: ServerError, address: Address) -> tuple[str, str]:
    """What happened, with the code for MySQL's manual, and what to do."""
    what, fix = _WHAT.get(
        int(error.code),
        (f"the server reported an error: {masked(error.detail)}", "look up the number in the manual of the server"),
    )
    detail = f": {_NAMELESS.sub('', error.detail)}" if error.code in _WITHOUT_VALUES else ""
    if error.code == 1045 and not address.password:
        fix = "the URL has no password: put it there, or under `password`, as ${NAME}"
    elif error.code == 1045 and address.is_local and not address.socket:
        fix = "check both in the environment, that the account may connect from this host, and whether it must use TLS: `tls: verify_ca` and the server's `ca`"
    denied = re.fullmatch(r"Access denied for user ('[^']*'@'[^']*') to database '([^']*)'", error.detail)
    if denied:
        fix = f"let an administrator run: GRANT SELECT, INSERT, DELETE, CREATE ON {name(denied[2])}.* TO {denied[1]}; SELECT is enough to read"
    return f"{what} ({error.code}{detail})", fix


def explanation(code: int) -> tuple[str, str] | None:
    """What a code of the server means and what to do, if it is explained here."""
    return _WHAT.get(code)


def masked(text: str) -> str:
    """Mask quoted values in `text`, and numbers that could be personal data; names of columns and keys stay."""
    values, count = re.subn(r"(entry|value:?) '.*'(?= for )", r"\1 '***'", text)  # the value may contain quotes
    if not count:
        values = re.sub(r"(entry|value:?) '.*'", r"\1 '***'", text)
    quoted = re.sub(r"(?<!column )(?<!key )'[^']*'", "'***'", values)
    return without_personal(quoted)


_NAMELESS = re.compile(r" for (?:table|column) \S*\(null\)\S*$")  # if the refusal is not about one table
_WITHOUT_VALUES = frozenset((1142, 1143, 1290, 2003, UNVERIFIED))
