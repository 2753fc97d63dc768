"""Find the step of the specification that caused an error of the engine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sqlglot import exp

from etlrun.codes import CODES
from etlrun.compiler.check import Checked
from etlrun.compiler.plan import Plan
from etlrun.compiler.statement import Part, Statement
from etlrun.contracts.engine import StatementError
from etlrun.failures import RunFailure
from etlrun.language.functions import FUNCTIONS
from etlrun.language.spans import written_at
from etlrun.reading.compression import COPY_AGAIN, ENCRYPTED
from etlrun.runtime.pinpoint import find_expression
from etlrun.spec.located import Keys
from etlrun.spec.project import Use

SHOWN_BY_CARET = (
    "overflow",
    "division-by-zero",
    "bad-date",
    "bad-index",
    "text-too-long",
    "array-too-long",
)  # an engine's words add nothing to it

Attempt = Callable[[int, exp.Query | None], object]


def blame(plan: Plan, statement: Statement, error: StatementError, attempt: Attempt) -> RunFailure:
    """The failure of a statement, at the expression that caused it, or otherwise at its step.

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
    found = _expression(plan, statement, part, error, attempt) if part else None
    return _failure(plan, part, error, found)


def blame_check(
    plan: Plan, relation: str, use: Use, query: exp.Query, error: StatementError, fetch: Callable[[exp.Query], object]
) -> RunFailure:
    """The failure of a check whose `query` cannot be computed, at its expression; `fetch` runs a query like it."""
    elsewhere = _outside_the_steps(plan.checked, error)
    if elsewhere is not None:
        return elsewhere
    found = find_expression(query, error.condition, lambda part: _fails(error, lambda: fetch(part)))
    failure = _explained(error, f"in the check `{use.kind}` of `{relation}`", found)
    return _placed(plan, use.where, failure, found)


def blame_source(checked: Checked, error: StatementError) -> RunFailure:
    """The failure of an engine that cannot open the files of a source."""
    return _outside_the_steps(checked, error) or _explained(StatementError("engine", error.detail), "", None)


def _outside_the_steps(checked: Checked, error: StatementError) -> RunFailure | None:
    """The failure if no step or check caused it."""
    if error.condition == "interrupted":
        return RunFailure("interrupted", "interrupted", "the run was interrupted", "nothing was published")
    if error.condition == "bad-value":
        fix = "declare a type that fits (`decimal(20,0)`, a column without `not null`), or write the file again"
        return RunFailure("source", "bad-value", error.detail, fix)
    if error.condition in _FILE_FAULTS:
        code, fix = _FILE_FAULTS[error.condition]
        return _at_source(checked, error, RunFailure("source", code, error.detail, fix))
    return None


_FILE_FAULTS = {  # the code and the fix
    "damaged-file": ("damaged-file", COPY_AGAIN),
    "encrypted-file": ("wrong-format", ENCRYPTED),
    "unknown-compression": (
        "wrong-format",
        "write the file with another compression, such as zstd or snappy; or use the engine `duckdb`, which reads it",
    ),
}


def _at_source(checked: Checked, error: StatementError, failure: RunFailure) -> RunFailure:
    source = checked.pipeline.sources.get(error.source)
    return located(checked, source.where, failure) if source else failure


def _fails(error: StatementError, attempt: Callable[[], object]) -> bool:
    """Whether the attempt fails as `error` did."""
    try:
        attempt()
    except StatementError as found:
        return found.condition == error.condition
    return False


def _expression(
    plan: Plan, statement: Statement, part: Part, error: StatementError, attempt: Attempt
) -> exp.Expr | None:
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


def _failure(plan: Plan, part: Part | None, error: StatementError, found: exp.Expr | None) -> RunFailure:
    chain = plan.checked.pipeline.chains.get(part.relation.partition(".")[0]) if part else None
    if part is None or chain is None:
        return _explained(error, "", None)
    use = chain[part.step]
    return _placed(plan, use.where, _explained(error, f"in `{use.kind}` of `{part.relation}`", found), found)


def _explained(error: StatementError, where: str, found: exp.Expr | None) -> RunFailure:
    """What happened `where`, and what to do about the expression that was found."""
    code = CODES[error.condition]
    message = f"{code.summary} {where}".rstrip()
    detail = "" if found and error.condition in SHOWN_BY_CARET else f": {error.detail}"
    return RunFailure("engine", error.condition, message + detail, _fix(error.condition, found))


def _fix(condition: str, found: exp.Expr | None) -> str:
    tried = f"try_{found.name.lower()}" if isinstance(found, exp.Anonymous) else ""
    if tried in FUNCTIONS:
        return f"use `{tried}`, which gives null instead, or remove such rows with `filter`"
    if condition == "overflow" and isinstance(found, exp.Cast):
        return "cast to a wider type, or use `try_cast`, which gives null instead"
    return CODES[condition].fix


def _placed(plan: Plan, where: Keys, failure: RunFailure, found: exp.Expr | None) -> RunFailure:
    """The failure at the words of the expression that was found, or else at the step or check as a whole."""
    written = written_at(found) if found else None
    if written is None:
        return located(plan.checked, where, failure)
    document = plan.checked.pipeline.document
    return failure.at(
        document.diagnose_inside(written.where, written.start, written.end, failure.code, failure.message)
    )


def located(checked: Checked, where: Keys, failure: RunFailure) -> RunFailure:
    """The failure with the place of `where` in the specification, unless it has a place already."""
    return failure.at(checked.pipeline.document.diagnose_key(where, failure.code, failure.message))
