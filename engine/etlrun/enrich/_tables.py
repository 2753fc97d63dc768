"""Defines the tables of the label store, and opens its file or server."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from etlrun.contracts.connection import ServerAccess
from etlrun.failures import RunFailure
from etlrun.private import private_folder, refuse_open

METADATA = sa.MetaData()
DENIED = {1142, "42501"}  # the codes of MySQL and PostgreSQL for a missing right


def _text(length: int) -> Any:
    """Text compared byte by byte: otherwise the collations of servers treat `tình` and `tinh` as the same key."""
    return _by_bytes(sa.String(length), mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"))


def _long_text() -> Any:
    return _by_bytes(sa.Text(), mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"))


def _by_bytes(kind: sa.String, on_mysql: Any) -> Any:
    on_postgres = type(kind)(kind.length, collation="C")
    return kind.with_variant(on_mysql, "mysql", "mariadb").with_variant(on_postgres, "postgresql")


def _number() -> Any:
    return sa.Float(53)


QUESTIONS = sa.Table(
    "etlrun_questions",
    METADATA,
    sa.Column("id", _text(16), primary_key=True),
    sa.Column("prompt", _text(200), nullable=False),
    sa.Column("source", _text(200), nullable=False),
    sa.Column("rules", _long_text(), nullable=False),
    sa.Column("outputs", _long_text(), nullable=False),
    sa.Column("at", _text(20), nullable=False),
)

ANSWERS = sa.Table(
    "etlrun_answers",
    METADATA,
    sa.Column("question", _text(16), primary_key=True),
    sa.Column("key", _text(120), primary_key=True),
    sa.Column("shown", _text(120), nullable=False),
    sa.Column("status", _text(10), nullable=False),
    sa.Column("answer", _long_text(), nullable=False),
    sa.Column("reason", _text(200), nullable=False),
    sa.Column("request", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

REQUESTS = sa.Table(
    "etlrun_requests",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("question", _text(16), nullable=False),
    sa.Column("run", _text(64), nullable=False),
    sa.Column("batch", _text(16), nullable=False),
    sa.Column("asked", sa.Integer, nullable=False),
    sa.Column("answered", sa.Integer, nullable=False),
    sa.Column("outcome", _text(40), nullable=False),
    sa.Column("input_tokens", sa.Integer, nullable=False),
    sa.Column("output_tokens", sa.Integer, nullable=False),
    sa.Column("cached_tokens", sa.Integer, nullable=False),
    sa.Column("usd", _number(), nullable=False),
    sa.Column("seconds", _number(), nullable=False),
    sa.Column("version", _text(100), nullable=False),
    sa.Column("at", _text(20), nullable=False),
    sa.UniqueConstraint(
        "question", "id", name="etlrun_requests_question"
    ),  # an index that is created with its table, and so needs no separate right
)

LEASES = sa.Table(
    "etlrun_leases",
    METADATA,
    sa.Column("question", _text(16), primary_key=True),
    sa.Column("key", _text(120), primary_key=True),
    sa.Column("owner", _text(16), nullable=False),
    sqlite_with_rowid=False,
)

OWNERS = sa.Table(
    "etlrun_owners",
    METADATA,
    sa.Column("id", _text(16), primary_key=True),
    sa.Column("host", _text(200), nullable=False),
    sa.Column("pid", sa.BigInteger, nullable=False),
    sa.Column("until", _number(), nullable=False, quote=True),
)

JOBS = sa.Table(
    "etlrun_jobs",
    METADATA,
    sa.Column("id", _text(16), primary_key=True),
    sa.Column("question", _text(16), nullable=False),
    sa.Column("name", _text(200), nullable=False),
    sa.Column("state", _text(10), nullable=False),
    sa.Column("content", _long_text(), nullable=False),
    sa.Column("requests", sa.Integer, nullable=False),
    sa.Column("asked", sa.Integer, nullable=False),
    sa.Column("usd", _number(), nullable=False),
    sa.Column("spent", _number(), nullable=False),
    sa.Column("run", _text(64), nullable=False),
    sa.Column("owner", _text(16), nullable=False),
    sa.Column("began", _number(), nullable=False),
    sa.Column("ended", _number(), nullable=False),
)

FORM = 2  # the version of these tables, stored in the label store

STORE = sa.Table("etlrun_label_store", METADATA, sa.Column("form", sa.Integer, primary_key=True, autoincrement=False))

LABELS = "etlrun_labels"


def labels_view() -> sa.Select[Any]:
    """One row for each question and key, with its share of what the request cost."""
    each = sa.case((REQUESTS.c.asked > 0, REQUESTS.c.asked), else_=1)
    tokens = (REQUESTS.c.input_tokens + REQUESTS.c.output_tokens) * 1.0 / each
    return (
        sa.select(
            QUESTIONS.c.prompt,
            QUESTIONS.c.source,
            ANSWERS.c.question,
            ANSWERS.c.key,
            ANSWERS.c.shown,
            ANSWERS.c.status,
            ANSWERS.c.answer,
            ANSWERS.c.reason,
            REQUESTS.c.version,
            tokens.label("tokens"),
            (REQUESTS.c.usd / each).label("usd"),
            REQUESTS.c.run,
            REQUESTS.c.at,
        )
        .join_from(ANSWERS, QUESTIONS, QUESTIONS.c.id == ANSWERS.c.question)
        .join(REQUESTS, REQUESTS.c.id == ANSWERS.c.request)
    )


def check_form(connection: sa.Connection, place: str) -> None:
    """Store the version of a new store; refuse one with an unknown version. Raises RunFailure."""
    form = connection.scalar(sa.select(sa.func.max(STORE.c.form)))
    if form is None:
        connection.execute(sa.insert(STORE).values(form=FORM))
    elif form == 1:  # it lacked only the table of jobs, which exists by now
        connection.execute(sa.delete(STORE))
        connection.execute(sa.insert(STORE).values(form=FORM))
    elif form != FORM:
        message = f"the label store in {place} has schema version {form}, but this etlrun supports version {FORM}"
        fix = "update etlrun on this machine, or set `labels` of the profile to another store; no model was asked"
        raise RunFailure("connection", "label-store", message, fix)


def create_view(connection: sa.Connection) -> None:
    """Create the view if it is missing. etlrun does not read it, so an account without the right to create views needs none."""
    if LABELS in sa.inspect(connection).get_view_names():
        return
    text = labels_view().compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    try:
        connection.exec_driver_sql(f"create view {LABELS} as {str(text).replace('%', '%%')}")
    except sa.exc.DBAPIError as error:
        if not DENIED & {getattr(error.orig, "sqlstate", None), *getattr(error.orig, "args", ())[:1]}:
            raise


def server_engine(lines: ServerAccess) -> sa.Engine:
    """An engine for a database server, with READ COMMITTED transactions."""
    return sa.create_engine(f"{lines.driver}://", creator=lines.open, hide_parameters=True, pool_pre_ping=True)


def sqlite_engine(path: Path) -> sa.Engine:
    """An engine for a SQLite file that only its owner may read, in WAL mode: readers never wait for a writer. Raises RunFailure."""
    try:
        private_folder(path.parent)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        refuse_open(path)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise RunFailure(
            "connection",
            "label-store",
            f"the label store {str(path)!r} cannot be opened ({why})",
            "set `labels` of the profile to the path of a file, or to a connection",
        ) from error
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)), hide_parameters=True, connect_args={"timeout": 60}
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not guessed by the driver
        # A killed process loses nothing. After a power cut the last answers may be missing, but are never incomplete.
        connection.executescript("pragma journal_mode = wal; pragma synchronous = normal; pragma cache_size = -65536;")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A transaction that writes takes the lock at its start: if it read first, the lock could be taken later.
        is_writing = connection.get_execution_options().get("etlrun_writes")
        connection.exec_driver_sql("begin immediate" if is_writing else "begin")

    return engine
