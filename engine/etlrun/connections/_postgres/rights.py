"""What an account lacks for a publish, as the server says before anything is tried."""

from __future__ import annotations

from collections.abc import Iterator

from etlrun.connections._postgres.session import PostgresSession
from etlrun.connections._postgres.words import name, table_name, text
from etlrun.contracts.connection import LEDGER, Load
from etlrun.failures import RunFailure
from etlrun.warehouse.ledger import WRITERS

ROWS = ("SELECT", "INSERT", "DELETE")


def require_rights(session: PostgresSession, load: Load) -> None:
    """Raises RunFailure where the account may not publish `load`, with the statements that add what it lacks."""
    account = name(str(session.one("SELECT current_user")[0]))
    tables = (LEDGER, WRITERS) if load.write == "view" else (load.table, LEDGER, WRITERS)
    lacking = [found for table in tables for found in _lacking(session, table)]
    if lacking:
        raise RunFailure(
            "sink",
            "no-right",
            "the account lacks rights: " + "; ".join(f"{rights} on {what}" for rights, what in lacking),
            "let an administrator run: "
            + " ".join(f"GRANT {rights} ON {what} TO {account};" for rights, what in lacking),
        )
    if load.write != "view" and _hides_rows(session, load.table):
        raise RunFailure(
            "sink",
            "no-right",
            f"row-level security may hide rows of `{load.table}` from the account, and those would not be replaced",
            f"let an administrator run: ALTER ROLE {account} BYPASSRLS;",
        )


def _lacking(session: PostgresSession, table: str) -> Iterator[tuple[str, str]]:
    """Rights on a table that is there, or on the schema in which it is to be made, and how GRANT names what they are on."""
    held = ", ".join(f"has_table_privilege(t.oid, '{right}')" for right in ROWS)
    found = session.rows(f"SELECT {held} FROM {_is(table)}")
    if found:
        rights = [right for right, is_held in zip(ROWS, found[0], strict=True) if not is_held]
        if rights:
            yield ", ".join(rights), f"TABLE {table_name(table)}"
        return
    of = _schema(table)
    for (schema,) in session.rows(
        f"SELECT nspname FROM pg_namespace WHERE nspname = {of} AND NOT has_schema_privilege(oid, 'CREATE')"
    ):
        yield "CREATE", f"SCHEMA {name(str(schema))}"


def _hides_rows(session: PostgresSession, table: str) -> bool:
    return any(row[0] for row in session.rows(f"SELECT row_security_active(t.oid) FROM {_is(table)}"))


def _is(table: str) -> str:
    """The rest of a query of pg_class `t` for a table, which the account need not be allowed to see."""
    plain = table.rpartition(".")[2]
    return (
        f"pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname = {_schema(table)} AND t.relname = {text(plain)} "
        "AND t.relkind IN ('r', 'p')"
    )


def _schema(table: str) -> str:
    schema, _, _ = table.rpartition(".")
    return text(schema) if schema else "current_schema()"
