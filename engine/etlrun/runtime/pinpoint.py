"""Find the expression of a step that the engine cannot compute, by computing its parts one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from etlrun.contracts.relation import named
from etlrun.language.spans import written_at
from etlrun.language.typed import has_aggregate

MOST = 64  # parts; for a step with more, the step is named instead
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Neg)
_SUSPECTS: dict[str, tuple[type[exp.Expr], ...]] = {
    "division-by-zero": (exp.Div, exp.IntDiv, exp.Mod, exp.Anonymous),
    "overflow": (*_ARITHMETIC, exp.Div, exp.IntDiv, exp.Mod, exp.Cast, exp.Anonymous),
    "bad-cast": (exp.Cast, exp.Binary, exp.Anonymous),
    "bad-date": (exp.Add, exp.Sub, exp.Cast, exp.Anonymous),
    "bad-index": (exp.Bracket, exp.Anonymous),
    "text-too-long": (exp.Anonymous,),
    "array-too-long": (exp.Anonymous,),
}
_GUARDS = (exp.Case, exp.Connector)
_GUARDING = frozenset(("if", "iff", "coalesce", "ifnull", "nvl", "nvl2", "nullif"))


@dataclass(frozen=True)
class _Group:
    """Expressions of one SELECT that see the same rows, inner ones before those around them."""

    select: exp.Select
    clause: str
    parts: tuple[exp.Expr, ...]

    def query(self, count: int) -> exp.Query:
        """The first `count` parts over the rows that they see."""
        found = self.select.copy()
        kept = {"from_", "joins", "laterals", "with_"}
        kept |= {"where"} if self.clause != "where" else set()
        kept |= {"group"} if has_aggregate(self.parts[0]) else set()
        for name in set(found.args) - kept:
            found.set(name, None)
        return found.select(*(named(part.copy(), f"part_{index}") for index, part in enumerate(self.parts[:count])))


def find_expression(tree: exp.Query, condition: str, fails: Callable[[exp.Query], bool]) -> exp.Expr | None:
    """The smallest expression that a user wrote and that fails with `condition`; None if no part fails alone, or there are too many.

    `fails` runs a query over the same relations and returns whether it fails. It is called a few times; each call takes at most as long as the step.
    """
    suspects = _SUSPECTS.get(condition, ())
    groups = list(_groups(tree, suspects))
    parts = [part for group in groups for part in group.parts]
    if len(parts) == 1:
        return _only_suspect(parts[0], suspects)
    if len(parts) > MOST:
        return None
    for group in groups:
        if fails(group.query(len(group.parts))):
            return _only_suspect(group.parts[_first_failing(group, fails)], suspects)
    return None


def _only_suspect(part: exp.Expr, suspects: tuple[type[exp.Expr], ...]) -> exp.Expr:
    """The part that causes the failure of `part`: itself, or the only expression behind the conditions of a guard that can fail in this way."""
    if not _is_guard(part):
        return part
    inner = [
        node
        for node in part.find_all(*suspects)
        if written_at(node) and not _is_guard(node) and not isinstance(node, exp.Predicate)
    ]
    return inner[0] if len(inner) == 1 else part


def _first_failing(group: _Group, fails: Callable[[exp.Query], bool]) -> int:
    """The position of the first part that fails, where at least one does."""
    low, high = 0, len(group.parts) - 1
    while low < high:
        middle = (low + high) // 2
        if fails(group.query(middle + 1)):
            high = middle
        else:
            low = middle + 1
    return low


def _groups(tree: exp.Query, suspects: tuple[type[exp.Expr], ...]) -> Iterator[_Group]:
    for select in tree.find_all(exp.Select):
        where = select.args.get("where")
        if where:
            yield from _split(select, "where", _parts(where.this, suspects))
        yield from _split(
            select, "expressions", (part for item in select.expressions for part in _parts(item, suspects))
        )


def _split(select: exp.Select, clause: str, parts: Iterable[exp.Expr]) -> Iterator[_Group]:
    """The parts of a row, then those of a group of rows."""
    found = list(parts)
    for folds in (False, True):
        some = tuple(part for part in found if has_aggregate(part) is folds)
        if some:
            yield _Group(select, clause, some)


def _parts(node: exp.Expr, suspects: tuple[type[exp.Expr], ...]) -> Iterator[exp.Expr]:
    """The suspects in `node`, inner ones first. An expression after a condition is evaluated only together with the condition."""
    if isinstance(node, exp.Query):
        return
    if not _is_guard(node):
        for child in node.iter_expressions():
            yield from _parts(child, suspects)
    if (isinstance(node, suspects) or _is_guard(node)) and written_at(node):
        yield node


def _is_guard(node: exp.Expr) -> bool:
    """Whether a user wrote the node, and it computes some of its parts only under a condition, as CASE does."""
    guards = isinstance(node, _GUARDS) or (isinstance(node, exp.Anonymous) and node.name.lower() in _GUARDING)
    return guards and written_at(node) is not None
