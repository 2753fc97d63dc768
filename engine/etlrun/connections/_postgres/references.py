"""Foreign keys of other tables that refer to one."""

from __future__ import annotations

from etlrun.connections._postgres.session import PostgresSession
from etlrun.connections._postgres.words import table_name, text
from etlrun.warehouse.references import Reference

_KEYS = (
    "SELECT CASE WHEN n.nspname = current_schema() THEN c.relname ELSE n.nspname || '.' || c.relname END, k.conname, "
    "CASE k.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' ELSE 'RESTRICT' END "
    "FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid IN (SELECT to_regclass({table}) "
    "UNION SELECT relid FROM pg_partition_tree(to_regclass({table}))) ORDER BY 1, 2"
)


def references_to(session: PostgresSession, table: str) -> tuple[Reference, ...]:
    """The foreign keys that refer to `table`; what refers to a partition of it, too."""
    return tuple(Reference(*map(str, row)) for row in session.rows(_KEYS.format(table=text(table_name(table)))))
