"""Templates: a piece of an engine's SQL with placeholders `_1`, `_2`, ... for its parts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

from etlrun.language.expressions import Language, literal

Engine = Literal["spark", "duckdb"]
_OPERATORS = (exp.Binary, exp.Neg, exp.Not, exp.BitwiseNot, exp.Between, exp.In, exp.Bracket)


def fill(template: str, engine: Engine, parts: Sequence[exp.Expr | str | int]) -> exp.Expr:
    """The tree of `template` with copies of `parts` for `_1`, `_2`, ...; text and numbers become literals."""
    tree = exp.Paren(this=_parse(template, engine).copy())
    for place in list(tree.find_all(exp.Column)):
        if place.name.startswith("_") and place.name[1:].isdigit():
            part = parts[int(place.name[1:]) - 1]
            put_in_place(place, part.copy() if isinstance(part, exp.Expr) else literal(part))
    filled = tree.this.pop()
    assert isinstance(filled, exp.Expr)
    return filled


def put_in_place(node: exp.Expr, replacement: exp.Expr) -> None:
    """Replace `node`, with parentheses if the precedence of operators requires them."""
    is_loose = isinstance(replacement, _OPERATORS) and not isinstance(replacement, (exp.Dot, exp.Bracket))
    if is_loose and isinstance(node.parent, _OPERATORS) and type(replacement) is not type(node):
        wrapped = exp.Paren(this=replacement)
        wrapped.meta.update(replacement.meta)
        replacement = wrapped
    node.replace(replacement)


def duckdb(template: str, *parts: exp.Expr | str | int) -> exp.Expr:
    return fill(template, "duckdb", parts)


def spark(template: str, *parts: exp.Expr | str | int) -> exp.Expr:
    return fill(template, "spark", parts)


def text_of(node: exp.Expr) -> str | None:
    """The text of a literal text; None for anything else."""
    return str(node.this) if isinstance(node, exp.Literal) and node.is_string else None


def whole_of(node: exp.Expr) -> int | None:
    """The value of a literal integer, signed or not; None for anything else."""
    if isinstance(node, exp.Neg):
        value = whole_of(node.this)
        return None if value is None else -value
    if isinstance(node, exp.Literal) and not node.is_string and str(node.this).isdigit():
        return int(node.this)
    return None


def is_never_zero(node: exp.Expr) -> bool:
    """Whether `node` is a literal number other than 0; one that is cast must be 1 at least, since 0.4 is 0 as an integer."""
    number = _unwrapped(node)
    return number is not None and number > 0 and (number >= 1 or node.find(exp.Cast) is None)


def is_zero(node: exp.Expr) -> bool:
    """Whether `node` is a literal 0, cast or not."""
    return _unwrapped(node) == 0


def _unwrapped(node: exp.Expr) -> float | None:
    """The literal number in casts and parentheses, without its sign; None for anything else."""
    while isinstance(node, (exp.Cast, exp.Paren, exp.Neg)):
        node = node.this
    return float(node.this) if isinstance(node, exp.Literal) and not node.is_string else None


@cache
def _parse(template: str, engine: Engine) -> exp.Expr:
    grammar: type[Dialect] = Language
    if engine == "duckdb":
        from etlrun.language.duckdb_grammar import DuckDBAsWritten  # 25 ms that only lowering needs

        grammar = DuckDBAsWritten
    found = grammar().parse(template)[0]
    assert found is not None
    return found
