"""Reads the condition of `--where`: an expression over the columns of a relation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sqlglot import exp

    from etlrun.compiler.check import Checked


def read_condition(checked: Checked, relation: str, text: str) -> exp.Expr | None:
    """The checked condition; None if there is none. Raises BadParameter."""
    from etlrun.language.expressions import ExpressionError, bind, parse, type_of
    from etlrun.language.typed import check_expression

    if not text:
        return None
    try:
        columns = (("", checked.columns[relation]),)
        tree = check_expression(bind(parse(text), checked.pipeline.values, text), columns, text)
    except ExpressionError as error:
        problem = error.problems[0]
        message = problem.message + (f" ({problem.fix})" if problem.fix else "")
        raise click.BadParameter(message, param_hint="--where") from error
    if type_of(tree).name != "boolean":
        raise click.BadParameter(f"expected a condition, but this is {type_of(tree)}", param_hint="--where")
    return tree
