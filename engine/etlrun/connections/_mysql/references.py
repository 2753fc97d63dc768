"""Finds foreign keys of other tables that refer to a table, and triggers of a table that may change others."""

from __future__ import annotations

import re
from collections.abc import Iterator

from etlrun.connections._mysql.session import MysqlSession
from etlrun.connections._mysql.words import text
from etlrun.contracts.connection import Load
from etlrun.warehouse.references import Reference

# `replace(` and `insert(` are functions of texts, `x.update` is a column, and `for update` locks.
_CHANGES = re.compile(
    r"(?<![\w$.@])(?<!for )(?:(?:insert|replace)(?![\w$]|\s*\()|(?:update|delete|load|call|execute)(?![\w$]))"
)
_COMMENT = r"/\*(?!!|m!).*?\*/|--(?=\s)[^\n]*|#[^\n]*"  # `/*! ... */` is executed
_NAME = r"`(?:[^`]|``)*`"


def references_to(session: MysqlSession, table: str) -> tuple[Reference, ...]:
    """The foreign keys that refer to `table`, if the account may see their tables."""
    *schema, table = table.split(".")
    of = text(schema[0]) if schema else "DATABASE()"
    found = session.rows(
        "SELECT IF(constraint_schema = DATABASE(), table_name, CONCAT(constraint_schema, '.', table_name)), constraint_name, delete_rule, "
        "referenced_table_name FROM information_schema.referential_constraints "
        f"WHERE unique_constraint_schema = {of} AND referenced_table_name = {text(table)} ORDER BY 1, 2"
    )
    return tuple(Reference(*map(str, row[:3])) for row in found if row[3] == table)


def triggers_of(session: MysqlSession, load: Load, table: str) -> Iterator[str]:
    """The triggers that a publish to `table` starts and that may change rows, directly or by a call, if the account may see them."""
    *schema, table = table.split(".")
    of = text(schema[0]) if schema else "DATABASE()"
    events = "'INSERT'" if load.write == "append" else "'INSERT', 'DELETE'"
    found = session.rows(
        "SELECT event_object_table, trigger_name, action_timing, event_manipulation, action_statement, sql_mode FROM information_schema.triggers "
        f"WHERE event_object_schema = {of} AND event_object_table = {text(table)} AND event_manipulation IN ({events}) ORDER BY 2"
    )
    mine = [tuple(map(str, row[1:])) for row in found if row[0] == table]
    functions = _stored_functions(session) if mine else frozenset()
    for name, timing, event, body, mode in mine:
        if may_change_others(body, functions, mode):
            yield f"trigger `{name}` ({timing} {event})"


def may_change_others(body: str, functions: frozenset[str], sql_mode: str = "") -> bool:
    """Whether a trigger has a statement that changes rows, or calls a procedure or one of `functions`; texts and comments are ignored."""
    code = _code_with_names(body.lower(), sql_mode)
    bare = re.sub(r"[`\"][^`\"]*[`\"]", " ? ", code)
    called = re.findall(r"[`\"]([^`\"]+)[`\"]\s*\(|([\w$]+)\s*\(", code)
    return bool(_CHANGES.search(" ".join(bare.split()))) or any(map(functions.__contains__, map("".join, called)))


def _code_with_names(body: str, sql_mode: str) -> str:
    """A trigger's body without comments and texts. If `"` marks texts and not names, a text that could be the name of a function stays."""
    escaped = "" if "NO_BACKSLASH_ESCAPES" in sql_mode else r"\\.|"
    escaped_name = "" if "ANSI_QUOTES" in sql_mode else escaped
    tokens = rf"'(?:{escaped}[^']|'')*'|{_COMMENT}|{_NAME}|\"(?:{escaped_name}[^\"]|\"\")*\""
    return re.sub(tokens, lambda found: _kept_name(found[0]), body, flags=re.DOTALL)


def _kept_name(token: str) -> str:
    is_name = token[0] in '`"' and not set(token[1:-1]) & set('`"')
    return token if is_name else " ? "


def _stored_functions(session: MysqlSession) -> frozenset[str]:
    """The names of functions that may change rows, in lower case."""
    found = session.rows("SELECT LOWER(routine_name) FROM information_schema.routines WHERE routine_type = 'FUNCTION'")
    return frozenset(str(row[0]) for row in found)
