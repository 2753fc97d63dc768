"""How large an expression becomes in the words of an engine: a function that they say by writing its argument out several times,
inside another such function, and so on, would grow beyond any memory."""

from __future__ import annotations

from sqlglot import exp

from etlrun.language.problems import IN_PARTS, TOO_DEEP, Problem

LARGEST = 10_000  # nodes of an expression in the words of an engine
NESTED = 4  # calls and casts inside each other; up to here an expression stays small enough, whatever they are
_WRITTEN_OUT = (exp.Anonymous, exp.Cast, exp.Mod, exp.Div, exp.Bracket)


def too_large(tree: exp.Expr, text: str) -> Problem | None:
    """The mistake in a checked expression that would become larger than LARGEST."""
    if _depth(tree) <= NESTED:
        return None
    from etlrun.language.dialects import TooLargeError, lower_for  # 50 ms, which few expressions need

    try:
        for engine in ("spark", "duckdb"):
            lower_for(tree, engine, LARGEST)
    except TooLargeError:
        return Problem("syntax", TOO_DEEP, 0, len(text), IN_PARTS)
    return None


def _depth(tree: exp.Expr) -> int:
    """How many calls and casts stand inside each other."""
    deepest, level = 0, [(tree, 0)]
    while level:
        node, depth = level.pop()
        depth += isinstance(node, _WRITTEN_OUT)
        deepest = max(deepest, depth)
        level.extend((child, depth) for child in node.iter_expressions())
    return deepest
