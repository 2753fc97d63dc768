"""Finds the rights that an account lacks for a publish, by asking the server before anything is tried."""

from __future__ import annotations

from collections.abc import Iterator

from etlrun.connections._postgres.session import PostgresSession
from etlrun.connections._postgres.tables import describe
from etlrun.connections._postgres.words import name, table_name, text
from etlrun.contracts.connection import LEDGER, Load
from etlrun.failures import RunFailure
from etlrun.warehouse.ledger import WRITERS
from etlrun.warehouse.versions import VERSIONS, data_table

ROWS = ("SELECT", "INSERT", "DELETE")


def require_rights(session: PostgresSession, load: Load) -> None:
    """Raises RunFailure if the account lacks rights to publish `load`, with the statements that add them."""
    account = name(str(session.one("SELECT current_user")[0]))
    rows = data_table(load.table) if load.publish == "pointer" else load.table
    lacking: dict[str, dict[str, None]] = {}
    for right, what in _lacking(session, load, rows):
        lacking.setdefault(what, {})[right] = None
    if lacking:
        found = [f"{', '.join(rights)} ON {what}" for what, rights in lacking.items()]
        raise RunFailure(
            "sink",
            "no-right",
            "the account lacks rights: " + "; ".join(each.replace(" ON ", " on ", 1) for each in found),
            "let an administrator run: " + " ".join(f"GRANT {each} TO {account};" for each in found),
        )
    if load.write != "view" and _hides_rows(session, rows):
        raise RunFailure(
            "sink",
            "no-right",
            f"row-level security may hide rows of `{rows}` from the account, and those would not be replaced",
            f"let an administrator run: ALTER ROLE {account} BYPASSRLS;",
        )


def _lacking(session: PostgresSession, load: Load, rows: str) -> Iterator[tuple[str, str]]:
    """The missing rights for a publish, each with the object as GRANT names it."""
    if load.write == "view":
        yield from _on_schema(session, load.table, "USAGE", "CREATE")  # the rename is tried under another name first
    else:
        yield from _on_table(session, rows)
    if load.publish == "pointer":
        yield from _on_table(session, VERSIONS)
        yield from _on_schema(session, load.table, *(("CREATE",) if describe(session, load.table) is None else ()))
    yield from _on_table(session, LEDGER)
    yield from _on_table(session, WRITERS)


def _on_table(session: PostgresSession, table: str) -> Iterator[tuple[str, str]]:
    """Rights on an existing table, or on the schema in which it is created."""
    held = ", ".join(f"has_table_privilege(t.oid, '{right}')" for right in ROWS)
    found = session.rows(f"SELECT {held} FROM {_is(table)}")
    yield from _on_schema(session, table, "USAGE", *(() if found else ("CREATE",)))
    for is_held in found:
        yield from ((right, f"TABLE {table_name(table)}") for right, has in zip(ROWS, is_held, strict=True) if not has)


def _on_schema(session: PostgresSession, table: str, *needed: str) -> Iterator[tuple[str, str]]:
    for (schema,) in session.rows(f"SELECT nspname FROM pg_namespace WHERE nspname = {_schema(table)}"):
        for right in needed:
            if not session.one(f"SELECT has_schema_privilege({text(str(schema))}, '{right}')")[0]:
                yield right, f"SCHEMA {name(str(schema))}"


def _hides_rows(session: PostgresSession, table: str) -> bool:
    return any(row[0] for row in session.rows(f"SELECT row_security_active(t.oid) FROM {_is(table)}"))


def _is(table: str) -> str:
    """The rest of a query on pg_class `t` for a table; the account need not have rights on the table."""
    plain = table.rpartition(".")[2]
    return (
        f"pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname = {_schema(table)} AND t.relname = {text(plain)} "
        "AND t.relkind IN ('r', 'p')"
    )


def _schema(table: str) -> str:
    schema, _, _ = table.rpartition(".")
    return text(schema) if schema else "current_schema()"
