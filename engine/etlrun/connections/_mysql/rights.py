"""Reads an account's rights from its grants, and finds the missing ones for a publish, without trying anything."""

from __future__ import annotations

import re
from collections.abc import Iterator

from etlrun.connections._mysql.session import MysqlSession
from etlrun.connections._mysql.tables import read_definition
from etlrun.connections._mysql.words import name, text
from etlrun.contracts.connection import LEDGER, Load
from etlrun.failures import RunFailure
from etlrun.warehouse.ledger import WRITERS
from etlrun.warehouse.versions import VERSIONS, data_table
from etlrun.warehouse.view_publish import tried_view

ROWS = ("SELECT", "INSERT", "DELETE")
FOR_VIEWS = ("SELECT", "CREATE VIEW", "DROP")
EVERYTHING = "ALL PRIVILEGES"
_OBJECT = re.compile(r" ON (?:TABLE )?(?:(\*)|`((?:[^`]|``)*)`)\.(?:(\*)|`((?:[^`]|``)*)`)")


def require_rights(session: MysqlSession, load: Load) -> None:
    """Raises RunFailure if the account lacks rights to publish `load`, with the GRANT statement that adds them.

    The server includes the rights of the active roles of the session.
    """
    grants = [str(row[0]) for row in session.rows("SHOW GRANTS")]
    database, account = map(str, session.one("SELECT DATABASE(), CURRENT_USER()"))
    lacking: dict[str, list[str]] = {}
    for table, needed in _needed(session, load):
        *schema, plain = table.split(".")
        held = held_rights(grants, schema[0] if schema else database, plain)
        found = [right for right in needed if EVERYTHING not in held and right not in held]
        if found:
            lacking[table] = found
    if not lacking:
        return
    schemas = [table.rpartition(".")[0] or database for table in lacking]
    rights = dict.fromkeys(right for found in lacking.values() for right in found)
    user, _, host = account.rpartition("@")
    raise RunFailure(
        "sink",
        "no-right",
        "the account lacks rights: "
        + "; ".join(f"{', '.join(found)} on `{table}`" for table, found in lacking.items()),
        "let an administrator run: "
        + " ".join(
            f"GRANT {', '.join(rights)} ON {name(schema)}.* TO {text(user)}@{text(host)};"
            for schema in dict.fromkeys(schemas)
        ),
    )


def held_rights(grants: list[str], database: str, table: str | None = None) -> set[str]:
    """The rights on a table, or on any table of the database, in the lines of SHOW GRANTS."""
    return {right for grant in grants if _covers(grant, database, table) for right in listed_rights(grant)}


def listed_rights(grant: str) -> list[str]:
    """The rights of one line of SHOW GRANTS."""
    found = re.match(r"GRANT (.*?) ON ", grant)
    rights = [re.sub(r"\s*\(.*\)", "", right.strip()) for right in found.group(1).split(",")] if found else []
    return [*rights, *(["GRANT OPTION"] if "WITH GRANT OPTION" in grant else [])]


def _needed(session: MysqlSession, load: Load) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The tables of a publish and the rights needed on each."""
    tables = [load.table, LEDGER, WRITERS]
    if load.write == "view":
        tables = [LEDGER, WRITERS]
        for view in (load.table, tried_view(load.table)):
            yield view, FOR_VIEWS
    if load.publish == "pointer":
        tables = [data_table(load.table), VERSIONS, LEDGER, WRITERS]
        if read_definition(session, load.table) is None:
            yield load.table, ("CREATE VIEW",)
    for table in tables:
        yield table, ROWS if read_definition(session, table) is not None else (*ROWS, "CREATE")


def _covers(grant: str, database: str, table: str | None) -> bool:
    """Whether a line of SHOW GRANTS is about a table of the database. The database's name there is a pattern, as in LIKE."""
    found = _OBJECT.search(grant)
    if found is None:
        return False
    every_database, pattern, every_table, named = found.groups()
    if table is not None and not every_table and named.replace("``", "`").lower() != table.lower():
        return False
    return bool(every_database) or _is_like(database, pattern.replace("``", "`"))


def _is_like(value: str, pattern: str) -> bool:
    parts = re.findall(r"\\?.", pattern)
    expression = "".join({"%": ".*", "_": "."}.get(part) or re.escape(part[-1]) for part in parts)
    return re.fullmatch(expression, value, re.IGNORECASE) is not None
