"""An engine's error, as the step of the specification that caused it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sqlglot import exp

from etlrun.compiler.check import Checked
from etlrun.compiler.plan import Plan
from etlrun.compiler.statement import Part, Statement
from etlrun.contracts.engine import StatementError
from etlrun.failures import RunFailure
from etlrun.language.functions.places import TOO_LONG
from etlrun.language.spans import WrittenAt
from etlrun.runtime.pinpoint import find_expression
from etlrun.spec.located import Keys
from etlrun.spec.project import Use

MEANING = {
    "overflow": ("a number does not fit its type", "cast to a wider type first, such as bigint or decimal(38,0)"),
    "division-by-zero": ("a division by zero", "divide by `nullif(x, 0)`, which gives null instead"),
    "bad-cast": ("a value that cannot be cast", "use `try_cast`, which gives null instead, or filter such rows out"),
    "bad-index": ("an array has no such element", "ask for its `size` first"),
    "text-too-long": (
        f"`lpad`, `rpad` or `repeat` would make {TOO_LONG}",
        "limit the length, such as with least(n, 100), or filter such rows out",
    ),
    "engine": ("the engine gave up", "see the run's folder for what it said"),
}


Attempt = Callable[[int, exp.Query | None], object]


def blame(plan: Plan, statement: Statement, error: StatementError, attempt: Attempt) -> RunFailure:
    """The failure of a statement, at the expression that it arose in, or else at the step.

    `attempt(n, None)` computes the first `n` parts alone; `attempt(n, query)` has `query` in the place of the last of them.
    Either raises StatementError.
    """
    elsewhere = _outside_the_steps(plan.checked, error)
    if elsewhere is not None:
        return elsewhere
    part = statement.part_at(error.offset) if error.offset is not None else None
    if part is None and error.condition != "engine":
        part = next(
            (
                found
                for number, found in enumerate(statement.parts, 1)
                if number == len(statement.parts) or _fails(error, partial(attempt, number, None))
            ),
            None,
        )
    written = _expression(plan, statement, part, error, attempt) if part else None
    return _failure(plan, part, error, written)


def blame_check(
    plan: Plan, relation: str, use: Use, query: exp.Query, error: StatementError, fetch: Callable[[exp.Query], object]
) -> RunFailure:
    """The failure of a check whose `query` cannot be computed, at its expression; `fetch` runs a query like it."""
    elsewhere = _outside_the_steps(plan.checked, error)
    if elsewhere is not None:
        return elsewhere
    what, fix = MEANING[error.condition]
    failure = RunFailure(
        "engine", error.condition, f"{what} in the check `{use.kind}` of `{relation}`: {error.detail}", fix
    )
    return _placed(
        plan,
        use.where,
        failure,
        find_expression(query, error.condition, lambda part: _fails(error, lambda: fetch(part))),
    )


def blame_source(checked: Checked, error: StatementError) -> RunFailure:
    """The failure of an engine that cannot open the files of a source."""
    what, fix = MEANING["engine"]
    return _outside_the_steps(checked, error) or RunFailure("engine", "engine", f"{what}: {error.detail}", fix)


def _outside_the_steps(checked: Checked, error: StatementError) -> RunFailure | None:
    """The failure of what no step or check is to blame for."""
    if error.condition == "interrupted":
        return RunFailure("interrupted", "interrupted", "the run was interrupted", "nothing was published")
    if error.condition == "bad-value":
        fix = "declare a type that holds it (`decimal(20,0)`, a column without `not null`), or write the file again"
        return RunFailure("source", "bad-value", error.detail, fix)
    if error.condition == "damaged-file":
        failure = RunFailure("source", "damaged-file", error.detail, "fetch it again")
        source = checked.pipeline.sources.get(error.source)
        return located(checked, source.where, failure) if source else failure
    return None


def _fails(error: StatementError, attempt: Callable[[], object]) -> bool:
    """Whether the attempt fails as `error` did."""
    try:
        attempt()
    except StatementError as found:
        return found.condition == error.condition
    return False


def _expression(
    plan: Plan, statement: Statement, part: Part, error: StatementError, attempt: Attempt
) -> WrittenAt | None:
    tree = next(
        (
            piece.tree
            for relation in plan.relations
            for piece in relation.pieces
            if (relation.name, piece.step) == (part.relation, part.step)
        ),
        None,
    )
    if tree is None:
        return None
    number = statement.parts.index(part) + 1
    return find_expression(tree, error.condition, lambda query: _fails(error, lambda: attempt(number, query)))


def _failure(plan: Plan, part: Part | None, error: StatementError, written: WrittenAt | None) -> RunFailure:
    what, fix = MEANING[error.condition]
    chain = plan.checked.pipeline.chains.get(part.relation.partition(".")[0]) if part else None
    if part is None or chain is None:
        return RunFailure("engine", error.condition, f"{what}: {error.detail}", fix)
    use = chain[part.step]
    message = f"{what} in `{use.kind}` of `{part.relation}`: {error.detail}"
    failure = RunFailure("engine", error.condition, message, fix)
    return _placed(plan, use.where, failure, written)


def _placed(plan: Plan, where: Keys, failure: RunFailure, written: WrittenAt | None) -> RunFailure:
    """The failure at the words that were found, or else at the step or check as a whole."""
    if written is None:
        return located(plan.checked, where, failure)
    document = plan.checked.pipeline.document
    return failure.at(
        document.diagnose_inside(written.where, written.start, written.end, failure.code, failure.message)
    )


def located(checked: Checked, where: Keys, failure: RunFailure) -> RunFailure:
    """The failure with the place of `where` in the specification, unless it has a place already."""
    return failure.at(checked.pipeline.document.diagnose_key(where, failure.code, failure.message))
