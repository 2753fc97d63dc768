"""Checks for total orders: LIMIT, `lag` and frames of rows pick a row, so the order must decide between all different rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp

from etlrun.language.checking import Names
from etlrun.language.columns import Columns
from etlrun.language.functions import FUNCTIONS

PEERS_AGREE = ("rank", "dense_rank", "percent_rank", "cume_dist")  # rows that tie get the same answer
Place = tuple[
    str, str
]  # a column: the alias of its relation (empty if there is one relation) and its name, in lower case


@dataclass(frozen=True)
class UniqueKey:
    """Columns that identify the rows of FROM: rows that are equal in all of them are equal.

    With `is_declared`, they are unique; otherwise they are all columns, and equal rows may occur.
    `same` are columns that USING merged, each with the columns that have the same values.
    """

    places: frozenset[Place] = frozenset()
    is_declared: bool = True
    same: tuple[tuple[Place, frozenset[Place]], ...] = ()

    def missing(self, covered: Iterable[Place]) -> list[Place]:
        """The key columns that are not in `covered`, sorted."""
        seen = set(covered)
        for merged, equal in self.same:
            if merged in seen:
                seen |= equal
        return sorted(self.places - seen)


def key_of(alias: str, columns: Columns) -> UniqueKey:
    """The key of one relation."""
    places = frozenset((alias.lower(), name.lower()) for name in columns.telling)
    return UniqueKey(places, columns.unique is not None)


def without_alias(key: UniqueKey) -> UniqueKey:
    """The same key if only one relation is left: its columns are written without an alias."""
    return UniqueKey(frozenset(("", name) for _, name in key.places), key.is_declared)


def joined(left: UniqueKey, right: UniqueKey, *, is_matched_once: bool) -> UniqueKey:
    """The key of a join of two relations; one that matches each row at most once adds nothing to it."""
    if is_matched_once:
        return UniqueKey(left.places, left.is_declared, left.same)
    return UniqueKey(left.places | right.places, left.is_declared and right.is_declared, left.same)


def places_in(trees: Iterable[exp.Expr], names: Names) -> set[Place]:
    """The columns among `trees`, without parts of larger expressions."""
    return {place_of(tree, names) for tree in trees if isinstance(tree, exp.Column)}


def place_of(tree: exp.Column, names: Names) -> Place:
    """A column of the relations `names`. The name of the only relation may be written or not."""
    table = tree.table.lower()
    is_only = len(names) == 1 and table == names[0][0].lower()
    return "" if is_only else table, tree.name.lower()


def equated(condition: exp.Expr, alias: str) -> set[str]:
    """The columns of the relation `alias`, in lower case, that a condition makes equal to columns of other relations."""
    parts = condition.flatten() if isinstance(condition, exp.And) else (condition,)
    found = set()
    for part in parts:
        if not isinstance(part, exp.EQ):
            continue
        for one, other in ((part.this, part.expression), (part.expression, part.this)):
            if isinstance(one, exp.Column) and isinstance(other, exp.Column) and other.table.lower() != alias.lower():
                found |= {one.name.lower()} if one.table.lower() == alias.lower() else set()
    return found


def picks_a_row(window: exp.Window) -> bool:
    """Whether the result of a window depends on which of two tied rows comes first."""
    called = window.this.this if isinstance(window.this, (exp.Filter, exp.IgnoreNulls)) else window.this
    function = FUNCTIONS.get(called.name.lower()) if isinstance(called, exp.Anonymous) else None
    if function is None:
        return False
    if function.ordered and function.name not in PEERS_AGREE:
        return True
    frame = window.args.get("spec")
    if frame is None or str(frame.args.get("kind")).upper() != "ROWS":
        return False
    is_whole = all(str(frame.args.get(bound)).upper() == "UNBOUNDED" for bound in ("start", "end"))
    return not is_whole


def place_list(places: Iterable[Place]) -> str:
    """Columns as they are written, a dozen at most."""
    names = [f"`{alias}.{name}`" if alias else f"`{name}`" for alias, name in places]
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
