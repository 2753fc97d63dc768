"""Checks a server's version and the account's rights for `etlrun doctor`: missing rights are errors, unneeded ones are notices."""

from __future__ import annotations

from collections.abc import Iterator

from etlrun.connections._postgres.session import PostgresSession
from etlrun.contracts.health import HealthFinding, judge_clock
from etlrun.warehouse.ledger import WITHOUT_CREATE

OLDEST = 130_000


def examine(session: PostgresSession) -> Iterator[HealthFinding]:
    """Check the server without changing anything."""
    number = session.line.info.server_version
    (version, encoding, is_replica, flush, is_super, may_create, there) = session.one(
        "SELECT current_setting('server_version'), pg_encoding_to_char(encoding), pg_is_in_recovery(), current_setting('synchronous_commit'), "
        "(SELECT rolsuper FROM pg_roles WHERE rolname = current_user), has_schema_privilege(current_schema(), 'CREATE'), "
        "extract(epoch FROM clock_timestamp()) FROM pg_database WHERE datname = current_database()"
    )
    if number < OLDEST:
        yield HealthFinding("trouble", "version", f"PostgreSQL {version}", "PostgreSQL 13 or later is needed")
    else:
        yield HealthFinding("ok", "version", f"PostgreSQL {version}")
    if encoding != "UTF8":
        yield HealthFinding(
            "trouble", "encoding", f"{encoding} cannot hold every text", "create the database with ENCODING 'UTF8'"
        )
    if is_replica:
        yield HealthFinding(
            "trouble", "read_only", "the server is a read-only replica", "connect to the primary server"
        )
    if flush == "off":
        lost = "if the server crashes, it may lose what was already committed"
        yield HealthFinding("warning", "durability", lost, "ALTER SYSTEM SET synchronous_commit = on")
    if is_super:
        enough = "SELECT, INSERT and DELETE on the tables are enough, and CREATE on the schema for the first run"
        yield HealthFinding("warning", "rights", "the account is a superuser", enough)
    elif not may_create:
        yield HealthFinding("warning", "rights", WITHOUT_CREATE)
    else:
        yield HealthFinding("ok", "rights", "the account may create missing tables, and is not a superuser")
    yield judge_clock(float(there))
