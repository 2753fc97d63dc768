"""Condition fragments: `> 20`, `between 1 and 2`, `is null` - a condition whose left side is a column named elsewhere."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from etlrun.language.columns import Columns
from etlrun.language.expressions import ExpressionError, Problem, bind, parse, type_of
from etlrun.language.typed import check_expression
from etlrun.spec.fields import Expr
from etlrun.spec.scope import At, Scope


def condition_on(column: str, fragment: Expr, columns: Columns, at: At, scope: Scope) -> exp.Expr | None:
    """The typed condition `column fragment`; None if it has mistakes, which are then reported at their words."""
    quoted = "`" + column.replace("`", "``") + "`"
    text = f"{quoted} {fragment}"
    try:
        tree = check_expression(bind(parse(text), scope.params, text), (("", columns),), text)
        if type_of(tree).name != "boolean":
            problem = Problem(
                "syntax",
                "a comparison is expected here",
                len(quoted) + 1,
                len(text),
                "write it as `> 20` or `between 1 and 2`",
            )
            raise ExpressionError((problem,))
    except ExpressionError as error:
        scope.report(
            ExpressionError(tuple(_shift(problem, len(quoted) + 1, len(fragment)) for problem in error.problems)), at
        )
        return None
    return tree


def _shift(problem: Problem, by: int, length: int) -> Problem:
    """The same problem in terms of the fragment alone."""
    start, end = max(0, problem.start - by), max(1, problem.end - by)
    return replace(problem, start=min(start, max(0, length - 1)), end=min(end, length))
