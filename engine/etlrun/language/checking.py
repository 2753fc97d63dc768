"""The type checker of expressions: applies one rule to each type of node, resolves names and collects mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from etlrun.diagnostics import nearest
from etlrun.language.columns import BOOLEAN, NULL, Columns, Type
from etlrun.language.expressions import TYPE, Problem, column, span, word
from etlrun.language.functions.left_out import NOT_DETERMINISTIC
from etlrun.language.grammar import detail

Names = tuple[tuple[str, Columns], ...]  # the relations that an expression can read, by alias, nearest first
OUTER = "etlrun.outer"  # the key in a column's `meta` that marks a column of the outer query of a subquery


@dataclass(frozen=True)
class Inside:
    """How the subqueries of an expression are checked, and whether the expression is a condition, which may contain `in` and `exists`.

    `is_grouped` says that it stands in SELECT or HAVING of a query with groups. `given` are the names that the SELECT gives, in lower case.
    """

    columns_of: Callable[[exp.Expr], Columns]
    is_condition: bool
    is_grouped: bool = False
    given: frozenset[str] = frozenset()


@dataclass
class Checker:
    """Checks one expression. `names` are the relations that it can read; offsets of mistakes refer to `text`."""

    names: Names
    text: str
    rules: Mapping[type[exp.Expr], Rule]
    problems: list[Problem] = field(default_factory=list)
    in_aggregate: bool = False
    in_window: bool = False
    in_over: bool = False
    is_written: bool = False  # written by the user, not by etlrun
    wanted: Type | None = None  # the type that the whole expression must have, if any
    inside: Inside | None = None  # None if no subquery is allowed
    outer: Names = ()  # the relations of the outer query, if the expression may read them

    def visit(self, node: exp.Expr) -> Type:
        """The type of `node`, which is also stored in its `meta`."""
        rule, before = self.rules.get(type(node)), len(self.problems)
        kind = rule(self, node) if rule else self.refuse(node)
        node.meta[TYPE] = kind
        if self.is_written and len(self.problems) == before and _is_always_null(node, kind):
            message = f"`{detail(node)}` is null in every row, so it has no type"
            self.complain(node, "type-mismatch", message, typed_null(self._wanted_at(node)))
        return kind

    def _wanted_at(self, node: exp.Expr) -> Type | None:
        """The type that a value must have in the position of `node`, if there is only one."""
        parent = node.parent
        while isinstance(parent, exp.Paren) and parent.parent is not None:
            node, parent = parent, parent.parent
        if isinstance(parent, (exp.Connector, exp.Not, exp.Where)):
            return BOOLEAN
        if isinstance(parent, exp.If) and node.arg_key == "this":
            return None if parent.parent is not None and parent.parent.this else BOOLEAN
        return self.wanted if isinstance(parent, exp.Paren) else None

    def complain(self, node: exp.Expr, code: str, message: str, fix: str = "", whole: bool = True) -> Type:
        start, end = span(node, self.text) if whole else word(node, self.text)
        self.problems.append(Problem(code, message, start, end, fix))
        return NULL

    def refuse(self, node: exp.Expr) -> Type:
        return self.complain(node, "expression-not-allowed", f"`{detail(node)}` is not part of the expression language")


def typed_null(wanted: Type | None = None) -> str:
    """How to write a null of type `wanted`, or of any type."""
    return f"write cast(null as {wanted})" if wanted else "write cast(null as string), with the type that you need"


def _is_always_null(node: exp.Expr, kind: Type) -> bool:
    """Whether a value has no type because it is made of nulls. (A column has no type only after a mistake.)"""
    if isinstance(node, (exp.Null, exp.Column, exp.Dot, exp.Subquery)) or NULL not in (kind, kind.element):
        return False
    return not any(part.meta.get(TYPE) == NULL for part in node.find_all(exp.Column, exp.Subquery))


def own_parts(tree: exp.Expr) -> Iterator[exp.Expr]:
    """The parts of an expression, without its subqueries."""
    return (part for part in tree.iter_expressions() if not isinstance(part, exp.Query))


def own_nodes(tree: exp.Expr) -> Iterator[exp.Expr]:
    """An expression and all nodes in it, without its subqueries."""
    yield tree
    for part in own_parts(tree):
        yield from own_nodes(part)


Rule = Callable[[Checker, exp.Expr], Type]


def visit_column(checker: Checker, node: exp.Expr) -> Type:
    """Write a column's name as it is declared, and turn the parts after it into fields."""
    assert isinstance(node, exp.Column)
    parts = [part.name for part in node.parts]
    found = _find(checker, node, parts)
    if found is None:
        return NULL
    alias, rest = found.alias, found.parts
    declared = found.columns.get(parts[rest - 1])
    assert declared is not None
    resolved: exp.Expr = column(declared.name, alias or None)
    resolved.meta[TYPE] = kind = declared.type
    if found.is_outer:
        resolved.meta[OUTER] = True
        if any(alias in columns for _, columns in checker.names):
            message = f"`{alias}` is the name of a relation of the outer query and of a column here"
            fix = "give the relation another name with `as`: Spark takes it for the column"
            return checker.complain(node, "duplicate-name", message, fix)
    for position, name in enumerate(parts[rest:], rest):
        member = next((item for item in kind.fields if item[0].lower() == name.lower()), None)
        if member is None:
            return _no_field(checker, node, ".".join(parts[:position]), name, kind)
        kind = member[1]
        resolved = exp.Dot(this=resolved, expression=exp.to_identifier(member[0], quoted=True))
        resolved.meta[TYPE] = kind
    if isinstance(resolved, exp.Column):
        resolved.this.meta.update(node.this.meta)  # its position in the text
        node.set("this", resolved.this)
        node.set("table", resolved.args.get("table"))
        node.meta.update(resolved.meta)
    else:
        node.replace(resolved)
    return kind


def visit_field(checker: Checker, node: exp.Expr) -> Type:
    """A field of the value before the dot."""
    if not isinstance(node.expression, exp.Identifier):
        return checker.refuse(node)
    value = detail(node.this)  # as it is written: the visit puts names in quotes
    kind = checker.visit(node.this)
    member = next((item for item in kind.fields if item[0].lower() == node.expression.name.lower()), None)
    if member is None:
        return _no_field(checker, node, value, node.expression.name, kind)
    node.set("expression", exp.to_identifier(member[0], quoted=True))
    return member[1]


def _no_field(checker: Checker, node: exp.Expr, value: str, name: str, kind: Type) -> Type:
    if kind.element is not None and kind.element.fields:
        fix = f"write `{value}[0].{name}` for the first element; `explode` makes a row of each"
        return checker.complain(node, "unknown-column", f"`{value}` is an array, which has no field `{name}`", fix)
    names = [item[0] for item in kind.fields]
    return checker.complain(node, "unknown-column", f"`{value}` has no field `{name}`", nearest(name, names))


@dataclass(frozen=True)
class _Found:
    """The relation of a column: the alias to write, its columns, how many parts name the column, and whether it is one of the outer query."""

    alias: str
    columns: Columns
    parts: int
    is_outer: bool


def _find(checker: Checker, node: exp.Column, parts: list[str]) -> _Found | None:
    """The relation of a column; None, with a mistake, if there is not exactly one column."""
    own = {alias.lower() for alias, _ in checker.names} if checker.outer else ()
    outer = tuple((alias, columns) for alias, columns in checker.outer if alias.lower() not in own)
    for is_outer, names in ((False, checker.names), (True, outer)) if len(parts) > 1 else ():
        for alias, columns in names:
            if alias and alias.lower() == parts[0].lower() and parts[1] in columns:
                return _Found(alias, columns, 2, is_outer)
    holders = [(alias, columns) for alias, columns in checker.names if parts[0] in columns]
    is_outer = not holders
    holders = holders or [(alias, columns) for alias, columns in outer if parts[0] in columns]
    if not holders:
        _complain_unknown(checker, node, parts)
        return None
    alias, columns = holders[0]
    if len(holders) > 1 and alias:
        both = " and ".join(f"`{name}`" for name, _ in holders[:2])
        fix = f"write {alias}.{parts[0]} or {holders[1][0]}.{parts[0]}"
        checker.complain(node, "unknown-column", f"`{parts[0]}` is a column of both {both}", fix)
        return None
    return _Found(alias if is_outer or len(checker.names) > 1 else "", columns, 1, is_outer)


# Spark calls them without parentheses.
_CLOCKS = ("current_date", "current_timestamp", "current_time", "localtimestamp")


def _complain_unknown(checker: Checker, node: exp.Column, parts: list[str]) -> None:
    if len(parts) == 1 and parts[0].lower() in _CLOCKS:
        checker.complain(
            node,
            "unknown-function",
            f"`{parts[0]}` can give a different result in every run",
            NOT_DETERMINISTIC[parts[0].lower()],
        )
        return
    is_alias = any(alias and alias.lower() == parts[0].lower() for alias, _ in checker.names)
    name = parts[-1] if len(parts) == 1 or is_alias else parts[0]
    choices = list(dict.fromkeys(item.name for _, columns in checker.names for item in columns))
    shown = ", ".join(choices[:12]) + (", ..." if len(choices) > 12 else "")
    fix = nearest(name, choices) or (f"the columns here are {shown}" if choices else "")
    if len(parts) == 1 and checker.inside is not None and name.lower() in checker.inside.given:
        fix = "it is a name that this SELECT gives: write its expression again, or put this SELECT into a WITH part and read that"
    checker.complain(node, "unknown-column", f"there is no column `{name}` here", fix)
