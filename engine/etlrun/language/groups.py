"""Column groups in expressions: `sum(totals)` stands for the sum over the group's columns, so no label is typed twice."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from etlrun.language.columns import BIGINT, Column
from etlrun.language.expressions import LONG_CHAIN, ExpressionError, Problem, balanced, call, cast, column, literal
from etlrun.language.typed import Names


def spread_groups(tree: exp.Expr, names: Names, *, over_rows: bool = False) -> exp.Expr:
    """Expand `sum(group)`, `min(group)` and `max(group)` over the columns of the group.

    Each is computed over one row, ignoring nulls (null if every column is null), or with `over_rows` over all rows.
    A column of the same name has priority: then nothing is expanded.
    Raises ExpressionError for a group in any other place.
    """
    if not any(columns.groups for _, columns in names):
        return tree
    holder = exp.Paren(this=tree)
    for node in list(holder.find_all(exp.Anonymous)):
        members = _members(node, names)
        if not members:
            continue
        value = _ACROSS[node.name.lower()](members)
        spread = call(node.name, value) if over_rows else value
        _keep_place(node, spread)
        node.replace(spread)
    loose = [node for node in holder.find_all(exp.Column) if _group_of(node, names)]
    if loose:
        raise ExpressionError(tuple(_alone(node) for node in loose))
    inside = holder.this
    assert isinstance(inside, exp.Expr)
    return inside.pop()


def _members(node: exp.Anonymous, names: Names) -> tuple[Column, ...]:
    """The columns of the group that is the only argument of `node`; empty if it is not such a call."""
    if node.name.lower() not in _ACROSS or len(node.expressions) != 1:
        return ()
    return _group_of(node.expressions[0], names)


def _group_of(node: exp.Expr, names: Names) -> tuple[Column, ...]:
    """The columns of the group with that name; empty if the name is a column, or something else."""
    if not isinstance(node, exp.Column) or len(node.parts) != 1 or any(node.name in columns for _, columns in names):
        return ()
    for _, columns in names:
        group = columns.group(node.name)
        if group is not None:
            return tuple(found for name in group.columns if (found := columns.get(name)))
    return ()


def _alone(node: exp.Column) -> Problem:
    name = node.name
    start = min((part.meta["start"] for part in node.parts if "start" in part.meta), default=0)
    fix = f"write sum({name}), min({name}) or max({name})"
    return Problem("not-allowed-here", f"`{name}` is a column group, not a column", start, start + len(name), fix)


def _total(members: tuple[Column, ...]) -> exp.Expr:
    terms = [_term(member) for member in members]
    total: exp.Expr = terms[0] if len(terms) > 1 else _value(members[0])
    if len(terms) > LONG_CHAIN:
        total = balanced(exp.Add, terms)
    else:
        for term in terms[1:]:
            total = exp.Add(this=total, expression=term)
    if len(members) == 1 or not all(member.nullable for member in members):
        return exp.paren(total, copy=False)
    any_value = call("coalesce", *(column(member.name) for member in members))
    return exp.Case(ifs=[exp.If(this=any_value.is_(exp.Null()).not_(), true=total)])


def _term(member: Column) -> exp.Expr:
    return call("coalesce", _value(member), cast(literal(0), member.type)) if member.nullable else _value(member)


def _value(member: Column) -> exp.Expr:
    """The column, widened so that the sum over a few columns does not overflow before the sum over rows would."""
    return (
        cast(column(member.name), BIGINT) if member.type.is_integer and member.type != BIGINT else column(member.name)
    )


def _greatest(members: tuple[Column, ...]) -> exp.Expr:
    return _most("greatest", members)


def _least(members: tuple[Column, ...]) -> exp.Expr:
    return _most("least", members)


def _most(function: str, members: tuple[Column, ...]) -> exp.Expr:
    names = [column(member.name) for member in members]
    return call(function, *names) if len(names) > 1 else names[0]


_ACROSS = {"sum": _total, "max": _greatest, "min": _least}


def _keep_place(node: exp.Expr, spread: exp.Expr) -> None:
    """Let mistakes in expanded expressions point at the word in the spec."""
    places: dict[str, Any] = {name: node.meta[name] for name in _PLACE if name in node.meta}
    for child in spread.walk():
        child.meta.update(places)


_PLACE: tuple[str, ...] = ("line", "col", "start", "end")
