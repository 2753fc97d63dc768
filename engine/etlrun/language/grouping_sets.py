"""Replaces ROLLUP, CUBE and GROUPING SETS by what they mean: a SELECT for each set of groups, joined with UNION ALL.

Engines disagree about them if there are no rows, and about keys inside expressions. Here a key that a set leaves out is the
maximum of no values: null, in the type of the key. In HAVING, which cannot name it, it is a plain null. `grouping(a)` is 1 in a set without `a`, else 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from sqlglot import exp

from etlrun.language.expressions import ExpressionError, Problem, call, literal, span
from etlrun.language.functions import FUNCTIONS
from etlrun.language.grammar import detail

SETS = (exp.Rollup, exp.Cube, exp.GroupingSets)
MOST = 16
Key = tuple[exp.Expr, ...]


def expand_grouping_sets(query: exp.Query, text: str) -> exp.Query:
    """The query without grouping sets. Raises ExpressionError if they are combined with something that is not possible with them."""
    for select in list(query.find_all(exp.Select)):
        group = select.args.get("group")
        found = [item for item in group.expressions if isinstance(item, SETS)] if group is not None else []
        if not found:
            continue
        problems = tuple(_Expansion(select, found, text).problems())
        if problems:
            raise ExpressionError(problems)
        united = _Expansion(select, found, text).united()
        if select is query:
            query = united
        else:
            select.replace(united)
    return query


class _Expansion:
    """One SELECT with grouping sets."""

    def __init__(self, select: exp.Select, found: Sequence[exp.Expr], text: str) -> None:
        self.select = select
        self.found = found
        self.text = text
        self.plain = [item for item in select.args["group"].expressions if not isinstance(item, SETS)]
        self.keys = [key for item in found for part in item.expressions for key in _values(part)]

    def problems(self) -> Iterator[Problem]:
        word = self.found[0].key.replace("groupingsets", "grouping sets").upper()
        if len(self.found) > 1:
            yield self.problem(
                self.found[1],
                "one of ROLLUP, CUBE and GROUPING SETS is allowed",
                "list the sets: `grouping sets (...)`",
            )
        for key in (*self.keys, *self.plain):
            if key.find(exp.Column) is None:
                message = f"{word} groups by columns and expressions of columns"
                yield self.problem(key, message, "write the expression as it is in SELECT")
        if len(self.sets()) > MOST:
            fix = "list the sets that you need: `grouping sets (...)`"
            yield self.problem(
                self.found[0], f"{word} gives {len(self.sets())} grouping sets; at most {MOST} are allowed", fix
            )
        yield from self.refused_parts(word)

    def refused_parts(self, word: str) -> Iterator[Problem]:
        if self.select.args.get("distinct"):
            yield self.problem(self.found[0], f"DISTINCT is not allowed with {word}", "group again in another SELECT")
        if self.select.args.get("qualify"):
            yield self.problem(
                self.found[0], f"QUALIFY is not allowed with {word}", "filter in a SELECT around this one"
            )
        for item in self.select.expressions:
            names = [key for key in self.keys if isinstance(key, exp.Column) and item.alias.lower() == key.name.lower()]
            if names and not any(_is_same(found, names[0]) for found in item.this.find_all(exp.Column)):
                message = f"`{item.alias}` is a column of the groups and also the name of another expression"
                fix = f"rename it, or group by the expression: {word.lower()}({detail(item.this)})"
                yield self.problem(item, message, fix)
            for part in item.find_all(exp.Window, exp.Subquery, exp.Exists):
                yield self.problem(
                    part, f"this is not allowed together with {word}", "put it into a SELECT around this one"
                )
            for part in item.find_all(exp.Anonymous):
                if part.name.lower() == "grouping" and not self.is_of_keys(part):
                    yield self.problem(part, f"`grouping` takes one of the columns of {word}", "name one of them")

        order = self.select.args.get("order")
        for item in order.expressions if order is not None else ():
            if not isinstance(item.this, exp.Column):
                message = f"with {word}, ORDER BY accepts only columns of the result"
                yield self.problem(item.this, message, "give it a name in SELECT, and order by that")

    def is_of_keys(self, call_: exp.Anonymous) -> bool:
        (first, *rest) = call_.expressions or [None]
        return not rest and first is not None and any(_is_same(first, key) for key in self.keys)

    def problem(self, node: exp.Expr, message: str, fix: str) -> Problem:
        return Problem("expression-not-allowed", message, *span(node, self.text), fix)

    def sets(self) -> list[Key]:
        """The columns of each set."""
        (found,) = self.found[:1]
        parts = [_values(part) for part in found.expressions]
        if isinstance(found, exp.GroupingSets):
            return parts
        if isinstance(found, exp.Rollup):
            chosen: Iterable[tuple[Key, ...]] = [tuple(parts[:length]) for length in range(len(parts), -1, -1)]
        else:
            chosen = [kept for length in range(len(parts), -1, -1) for kept in combinations(parts, length)]
        return [tuple(key for part in kept for key in part) for kept in chosen]

    def united(self) -> exp.Query:
        first, *rest = [self.branch(kept) for kept in self.sets()]
        united: exp.Query = first
        for branch in rest:
            united = exp.Union(this=united, expression=branch, distinct=False)
        for clause in ("with_", "order", "limit"):
            value = self.select.args.get(clause)
            if value is not None:
                united.set(clause, value.copy())
        return united

    def branch(self, kept: Key) -> exp.Select:
        """The SELECT of one set."""
        branch = self.select.copy()
        for clause in ("with_", "order", "limit"):
            branch.set(clause, None)
        group = [*(item.copy() for item in self.plain), *(key.copy() for key in kept)]
        branch.set("group", exp.Group(expressions=group) if group else None)
        keys = (*kept, *self.plain)
        left_out = [key for key in self.keys if not any(_is_same(key, other) for other in keys)]
        having = branch.args.get("having")
        for item in (*branch.expressions, *([having] if having is not None else ())):
            _without_keys(item, left_out, keys)
        return branch


def _without_keys(item: exp.Expr, left_out: Sequence[exp.Expr], kept: Sequence[exp.Expr]) -> None:
    """Replace, in an output or condition, the keys that the set leaves out, and `grouping`."""
    for node in list(_keys_in(item, (*left_out, *kept))):
        if any(_is_same(node, key) for key in left_out):
            node.replace(exp.null() if isinstance(item, exp.Having) else _no_value(node))
        elif not any(_is_same(node, key) for key in kept):
            node.replace(literal(int(any(_is_same(node.expressions[0], key) for key in left_out))))


def _no_value(node: exp.Expr) -> exp.Expr:
    """Null in the type of a key, with its name if it is a column of the result."""
    empty = call("max", exp.Case(ifs=[exp.If(this=exp.false(), true=node.copy())]))
    is_named = isinstance(node, exp.Column) and isinstance(node.parent, exp.Select)
    return exp.alias_(empty, node.name, quoted=True) if is_named else empty


def _keys_in(node: exp.Expr, keys: Sequence[exp.Expr]) -> Iterator[exp.Expr]:
    """Keys and calls of `grouping` that no aggregate encloses."""
    if any(_is_same(node, key) for key in keys):
        yield node
        return
    if isinstance(node, exp.Anonymous):
        function = FUNCTIONS.get(node.name.lower())
        if function is not None and function.kind == "aggregate":
            return
        if node.name.lower() == "grouping":
            yield node
            return
    if isinstance(node, exp.Filter):
        return
    for child in node.iter_expressions():
        yield from _keys_in(child, keys)


def _values(part: exp.Expr) -> Key:
    """The keys of one element: `a`, `(a)`, `(a, b)`, `()`."""
    inner = part.unnest()
    return tuple(inner.expressions) if isinstance(inner, exp.Tuple) else (inner,)


def _is_same(one: exp.Expr, other: exp.Expr) -> bool:
    if isinstance(one, exp.Column) and isinstance(other, exp.Column):
        is_named_alike = one.name.lower() == other.name.lower()
        return is_named_alike and (not one.table or not other.table or one.table.lower() == other.table.lower())
    return type(one) is type(other) and _in_lower_case(one) == _in_lower_case(other)


def _in_lower_case(tree: exp.Expr) -> exp.Expr:
    """An expression with all names in lower case."""
    lower = tree.copy()
    for node in lower.find_all(exp.Identifier, exp.Anonymous):
        node.set("this", node.name.lower())
    return lower
