"""Ask every check of a pipeline about the staged rows, before anything is published."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from etlrun.compiler.checks import lower_check
from etlrun.compiler.plan import DIALECTS, Plan
from etlrun.compiler.statement import query_statement
from etlrun.failures import RunFailure
from etlrun.runtime.blame import located
from etlrun.runtime.stage import Staged
from etlrun.runtime.working import Reporter
from etlrun.spec.engine import Engine, Session
from etlrun.spec.located import Keys

SHOWN = 8


@dataclass(frozen=True)
class Finding:
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


def run_checks(plan: Plan, staged: dict[str, Staged], session: Session, engine: Engine, desk: Session) -> list[Finding]:
    """Every check in the order of the file. `desk` is a session that knows the staged relations, `session` every relation.

    Raises RunFailure where a check cannot be computed.
    """
    found = []
    for name, uses in plan.checked.pipeline.checks.items():
        for position, use in enumerate(uses):
            query = lower_check(plan, name, position)
            row = _first_row(plan, query, staged, session, engine, desk)
            verdict = use.value.judge(row)
            found.append(Finding(name, use.kind, use.value.severity, verdict.holds, verdict.detail, use.where))
    return found


def _first_row(
    plan: Plan, query: exp.Query, staged: dict[str, Staged], session: Session, engine: Engine, desk: Session
) -> dict[str, object]:
    known = {relation.name for relation in plan.relations}
    reads = {table.name for table in query.find_all(exp.Table)} & known
    if reads <= set(staged):
        table = desk.fetch(DIALECTS["duckdb"](query))
    else:
        table = session.fetch(query_statement(plan, query, engine.dialect, ready(plan, staged)).text)
    rows: list[dict[str, object]] = table.to_pylist()
    return rows[0]


def ready(plan: Plan, staged: dict[str, Staged]) -> set[str]:
    """The relations that a session knows by name: sources, results of functions, answers and staged ones."""
    return {relation.name for relation in plan.relations if relation.is_made_outside} | set(staged)


def judge(plan: Plan, findings: list[Finding], reporter: Reporter) -> None:
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
