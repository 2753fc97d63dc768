"""Finds foreign keys of other tables that refer to a table, and the tables whose rows a transaction has changed."""

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

_CHANGED = (
    "SELECT DISTINCT n.nspname || '.' || c.relname FROM pg_stat_xact_user_tables s "
    "JOIN pg_class c ON c.oid = coalesce(pg_partition_root(s.relid), s.relid) JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 0"
)


def changed_tables(session: PostgresSession) -> frozenset[str]:
    """The tables, with schema, in which the transaction has changed rows for any reason; for a partition, its parent table."""
    return frozenset(str(row[0]) for row in session.rows(_CHANGED))


def references_to(session: PostgresSession, table: str) -> tuple[Reference, ...]:
    """The foreign keys that refer to `table`; also those that refer to one of its partitions."""
    return tuple(Reference(*map(str, row)) for row in session.rows(_KEYS.format(table=text(table_name(table)))))
