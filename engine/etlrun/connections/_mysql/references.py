"""Foreign keys of other tables that a publish would follow: it deletes rows before it adds the new ones, and CASCADE goes on from there."""

from __future__ import annotations

from dataclasses import dataclass

from etlrun.connections._mysql.session import MysqlSession
from etlrun.connections._mysql.words import text
from etlrun.contracts.connection import Load
from etlrun.failures import RunFailure

HARMLESS = ("RESTRICT", "NO ACTION")  # the server refuses to delete a row that is referred to
_DONE = {
    "CASCADE": "deletes the rows of `{0}` that refer to them",
    "SET NULL": "sets `{0}` to NULL where it refers to them",
    "SET DEFAULT": "sets `{0}` to its default where it refers to them",
}


@dataclass(frozen=True)
class Reference:
    """A foreign key `name` of `table`, a table of `database`, and what the server does to its rows when one that they refer to is deleted."""

    database: str
    table: str
    name: str
    rule: str


def references_to(session: MysqlSession, table: str) -> tuple[Reference, ...]:
    """The foreign keys that refer to `table` and change other rows, as far as the account may see their tables."""
    *schema, table = table.split(".")
    of = text(schema[0]) if schema else "DATABASE()"
    found = session.rows(
        "SELECT constraint_schema, table_name, constraint_name, delete_rule, referenced_table_name FROM information_schema.referential_constraints "
        f"WHERE unique_constraint_schema = {of} AND referenced_table_name = {text(table)} ORDER BY 1, 2, 3"
    )
    keys = (Reference(*map(str, row[:4])) for row in found if row[4] == table)
    return tuple(key for key in keys if key.rule not in HARMLESS)


def refuse_cascades(session: MysqlSession, load: Load, table: str) -> None:
    """Raises RunFailure where replacing rows of `table` would change rows of other tables, unless the sink allows it."""
    if load.write == "append" or load.allow_cascade:
        return
    (database,) = session.one("SELECT DATABASE()")
    for key in references_to(session, table):
        place = key.table if key.database == database else f"{key.database}.{key.table}"
        if place == table and load.write == "replace":
            continue  # a table that refers to itself: all of its rows go
        done = _DONE.get(key.rule, f"changes `{{0}}` by {key.rule}").format(place)
        raise RunFailure(
            "sink",
            "foreign-key",
            f"the table `{table}` was not published: it would replace rows, and the foreign key `{key.name}` of `{place}` "
            f"(ON DELETE {key.rule}) then {done}",
            "set `allow_cascade: true` in the sink if that may happen; otherwise let the key be ON DELETE RESTRICT, or drop it",
        )
