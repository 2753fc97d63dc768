"""Ask every check of a pipeline about the staged rows, before anything is published."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sqlglot import exp

from etlrun.compiler.checks import lower_check
from etlrun.compiler.plan import DIALECTS, Plan
from etlrun.compiler.statement import query_statement
from etlrun.contracts.engine import Engine, EngineSession, StatementError
from etlrun.failures import RunFailure
from etlrun.runtime.blame import blame_check, located
from etlrun.runtime.stage import Staged
from etlrun.spec.located import Keys
from etlrun.working import Reporter

if TYPE_CHECKING:
    import pyarrow

SHOWN = 8


@dataclass(frozen=True)
class CheckResult:
    """What a check found: its relation, its kind, whether it holds, and the numbers."""

    relation: str
    check: str
    severity: str
    holds: bool
    detail: str
    where: Keys

    @property
    def status(self) -> str:
        return "ok" if self.holds else ("failed" if self.severity == "error" else "warned")


def run_checks(
    plan: Plan, staged: dict[str, Staged], session: EngineSession, engine: Engine, check_session: EngineSession
) -> list[CheckResult]:
    """Every check in the order of the file. `check_session` is a session that knows the staged relations, `session` every relation.

    Raises RunFailure where a check cannot be computed.
    """
    found = []
    for name, uses in plan.checked.pipeline.checks.items():
        for position, use in enumerate(uses):
            query = lower_check(plan, name, position)
            fetch = partial(_fetch, plan, staged, session, engine, check_session)
            try:
                (row,) = fetch(query).to_pylist()
            except StatementError as error:
                raise blame_check(plan, name, use, query, error, fetch) from error
            verdict = use.value.judge(row)
            found.append(CheckResult(name, use.kind, use.value.severity, verdict.holds, verdict.detail, use.where))
    return found


def _fetch(
    plan: Plan,
    staged: dict[str, Staged],
    session: EngineSession,
    engine: Engine,
    check_session: EngineSession,
    query: exp.Query,
) -> pyarrow.Table:
    known = {relation.name for relation in plan.relations}
    reads = {table.name for table in query.find_all(exp.Table)} & known
    if reads <= set(staged):
        return check_session.fetch(DIALECTS["duckdb"](query))
    return session.fetch(query_statement(plan, query, engine.dialect, ready(plan, staged)).text)


def ready(plan: Plan, staged: dict[str, Staged]) -> set[str]:
    """The relations that a session knows by name: sources, results of functions, answers and staged ones."""
    return {relation.name for relation in plan.relations if relation.is_made_outside} | set(staged)


def judge(plan: Plan, findings: list[CheckResult], reporter: Reporter) -> None:
    """Raises RunFailure where a check of severity `error` does not hold; the others are only told."""
    for finding in findings:
        if finding.status == "warned":
            reporter.warn(f"check `{finding.check}` of `{finding.relation}`: {finding.detail}")
    failed = [finding for finding in findings if finding.status == "failed"]
    if not failed:
        return
    lines = [f"check `{finding.check}` of `{finding.relation}`: {finding.detail}" for finding in failed[:SHOWN]]
    failure = RunFailure(
        "check", "check-failed", "\n".join(lines), "nothing was published; the staged rows are in the run's folder"
    )
    raise located(plan.checked, failed[0].where, failure)
