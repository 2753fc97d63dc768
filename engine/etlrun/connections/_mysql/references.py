"""Foreign keys of other tables that refer to one; triggers of a table that may change others."""

from __future__ import annotations

import re
from collections.abc import Iterator

from etlrun.connections._mysql.session import MysqlSession
from etlrun.connections._mysql.words import text
from etlrun.contracts.connection import Load
from etlrun.warehouse.references import Reference

_CHANGES = frozenset({"insert", "update", "delete", "replace", "load", "call", "execute"})


def references_to(session: MysqlSession, table: str) -> tuple[Reference, ...]:
    """The foreign keys that refer to `table`, as far as the account may see their tables."""
    *schema, table = table.split(".")
    of = text(schema[0]) if schema else "DATABASE()"
    found = session.rows(
        "SELECT IF(constraint_schema = DATABASE(), table_name, CONCAT(constraint_schema, '.', table_name)), constraint_name, delete_rule, "
        "referenced_table_name FROM information_schema.referential_constraints "
        f"WHERE unique_constraint_schema = {of} AND referenced_table_name = {text(table)} ORDER BY 1, 2"
    )
    return tuple(Reference(*map(str, row[:3])) for row in found if row[3] == table)


def triggers_of(session: MysqlSession, load: Load, table: str) -> Iterator[str]:
    """The triggers that a publish to `table` starts and that change rows or call what may, as far as the account may see them."""
    *schema, table = table.split(".")
    of = text(schema[0]) if schema else "DATABASE()"
    events = "'INSERT'" if load.write == "append" else "'INSERT', 'DELETE'"
    found = session.rows(
        "SELECT event_object_table, trigger_name, action_timing, event_manipulation, action_statement FROM information_schema.triggers "
        f"WHERE event_object_schema = {of} AND event_object_table = {text(table)} AND event_manipulation IN ({events}) ORDER BY 2"
    )
    mine = [tuple(map(str, row[1:])) for row in found if row[0] == table]
    functions = _stored_functions(session) if mine else frozenset()
    for name, timing, event, body in mine:
        words = frozenset(re.findall(r"\w+", body.lower()))
        if words & (_CHANGES | functions):
            yield f"trigger `{name}` ({timing} {event})"


def _stored_functions(session: MysqlSession) -> frozenset[str]:
    """The names of functions that may change rows, in lower case."""
    found = session.rows("SELECT LOWER(routine_name) FROM information_schema.routines WHERE routine_type = 'FUNCTION'")
    return frozenset(str(row[0]) for row in found)
