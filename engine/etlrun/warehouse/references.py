"""Changes of other tables by a publish: it deletes rows and adds new ones, and foreign keys, triggers and rules may react to that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from etlrun.contracts.connection import Load
from etlrun.failures import RunFailure

HARMLESS = ("RESTRICT", "NO ACTION")  # the server refuses to delete a row that is referred to
ALLOW = "if these changes are intended, set `allow_cascade: true` in the sink and run the pipeline again; "
_DONE = {
    "CASCADE": "deletes the rows of `{0}` that refer to them",
    "SET NULL": "sets `{0}` to NULL where it refers to them",
    "SET DEFAULT": "sets `{0}` to its default where it refers to them",
}


@dataclass(frozen=True)
class Reference:
    """A foreign key `name` of `table`, and what the server does to its rows when one that they refer to is deleted.

    `table` has its schema before it where that is not the one of the session.
    """

    table: str
    name: str
    rule: str


def refuse_triggers(load: Load, table: str, triggers: Iterable[str]) -> None:
    """Raises RunFailure if a trigger of `table` may change rows of other tables, unless the load allows it."""
    shown = ", ".join(triggers) if not load.allow_cascade else ""
    if shown:
        raise RunFailure(
            "sink",
            "other-tables",
            f"the table `{table}` was not published: a publish runs its {shown}, which may change rows of other tables",
            ALLOW + "otherwise drop the trigger",
        )


def refuse_changes(load: Load, changed: Iterable[str]) -> None:
    """Raises RunFailure if the server has also changed rows of these tables, unless the load allows it."""
    shown = ", ".join(f"`{table}`" for table in sorted(changed)) if not load.allow_cascade else ""
    if shown:
        raise RunFailure(
            "sink",
            "other-tables",
            f"the table `{load.table}` was not published: a trigger or a rule of it would change rows of {shown}, too",
            ALLOW + "otherwise disable the trigger or the rule",
        )


def refuse_cascades(load: Load, table: str, references: Iterable[Reference]) -> None:
    """Raises RunFailure if replacing rows of `table` would change rows of other tables, unless the load allows it."""
    if load.write == "append" or load.allow_cascade:
        return
    for key in references:
        if key.rule in HARMLESS or (key.table == table and load.write == "replace"):
            continue  # of a table that refers to itself, all rows go
        done = _DONE.get(key.rule, f"changes `{{0}}` by {key.rule}").format(key.table)
        raise RunFailure(
            "sink",
            "foreign-key",
            f"the table `{table}` was not published: it would replace rows, and the foreign key `{key.name}` of `{key.table}` "
            f"(ON DELETE {key.rule}) then {done}",
            ALLOW + "otherwise change the foreign key to ON DELETE RESTRICT, or drop it",
        )
