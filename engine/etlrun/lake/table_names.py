"""The names of tables in a catalog."""

from __future__ import annotations

from etlrun.spec.scope import NAME, Scope


def verify_table_name(table: str, scope: Scope) -> None:
    """Report a `table` that is not a namespace and a name."""
    parts = table.split(".")
    if len(parts) < 2 or not all(map(NAME.match, parts)):
        fix = (
            "write the namespace and the name, `gold.orders`: letters, digits and `_`, at most 64 each, no digit first"
        )
        scope.error("table", "bad-name", f"`{table}` cannot be the name of a table in a catalog", fix)
