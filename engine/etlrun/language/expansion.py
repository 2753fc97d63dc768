"""Limits how large an expression becomes in an engine's SQL: functions that repeat their argument, nested in each other, would exceed any
memory."""

from __future__ import annotations

from sqlglot import exp

from etlrun.language.problems import IN_PARTS, TOO_DEEP, Problem

LARGEST = 10_000  # nodes of an expression in an engine's SQL
NESTED = 4  # nested calls and casts; up to here every expression stays small enough
_WRITTEN_OUT = (exp.Anonymous, exp.Cast, exp.Mod, exp.Div, exp.Bracket)


def too_large(tree: exp.Expr, text: str) -> Problem | None:
    """Report a checked expression that would become larger than LARGEST."""
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
    """How deep calls and casts are nested."""
    deepest, level = 0, [(tree, 0)]
    while level:
        node, depth = level.pop()
        depth += isinstance(node, _WRITTEN_OUT)
        deepest = max(deepest, depth)
        level.extend((child, depth) for child in node.iter_expressions())
    return deepest
