"""Foreign keys of other tables that refer to one."""

from __future__ import annotations

from etlrun.connections._mysql.session import MysqlSession
from etlrun.connections._mysql.words import text
from etlrun.warehouse.references import Reference


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
