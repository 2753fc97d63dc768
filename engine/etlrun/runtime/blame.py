"""An engine's error, as the step of the specification that caused it."""

from __future__ import annotations

from collections.abc import Callable

from etlrun.compiler.check import Checked
from etlrun.compiler.plan import Plan
from etlrun.compiler.statement import Part, Statement
from etlrun.failures import RunFailure
from etlrun.spec.engine import StatementError
from etlrun.spec.located import Keys

MEANING = {
    "overflow": ("a number does not fit its type", "cast to a wider type first, such as bigint or decimal(38,0)"),
    "division-by-zero": ("a division by zero", "divide by `nullif(x, 0)`, which gives null instead"),
    "bad-cast": ("a value that cannot be cast", "use `try_cast`, which gives null instead, or filter such rows out"),
    "bad-index": ("an array has no such element", "ask for its `size` first"),
    "engine": ("the engine gave up", "see the run's folder for what it said"),
}


def blame(plan: Plan, statement: Statement, error: StatementError, fails: Callable[[int], bool]) -> RunFailure:
    """The failure of a statement, at the step it arose in.

    Where the engine does not say where, `fails(n)` tells whether the first `n` parts alone fail too.
    """
    if error.condition == "interrupted":
        return RunFailure("interrupted", "interrupted", "the run was interrupted", "nothing was published")
    part = statement.part_at(error.offset) if error.offset is not None else None
    if part is None and error.condition != "engine":
        part = next(
            (
                found
                for number, found in enumerate(statement.parts, 1)
                if number == len(statement.parts) or fails(number)
            ),
            None,
        )
    return _failure(plan, part, error)


def _failure(plan: Plan, part: Part | None, error: StatementError) -> RunFailure:
    said, fix = MEANING[error.condition]
    chain = plan.checked.pipeline.chains.get(part.relation.partition(".")[0]) if part else None
    if part is None or chain is None:
        return RunFailure("engine", error.condition, f"{said}: {error.detail}", fix)
    use = chain[part.step]
    message = f"{said} in `{use.kind}` of `{part.relation}`: {error.detail}"
    return located(plan.checked, use.where, RunFailure("engine", error.condition, message, fix))


def located(checked: Checked, where: Keys, failure: RunFailure) -> RunFailure:
    """The failure with the place of `where` in the specification, unless it has a place already."""
    if not failure.file:
        place = checked.pipeline.document.diagnose_key(where, failure.code, failure.message)
        failure.file, failure.line, failure.column = place.file, place.line, place.column
    return failure
