"""Run every check of a pipeline on the staged rows, before anything is published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sqlglot import exp

from etlrun.compiler.checks import lower_check, lower_failing
from etlrun.compiler.plan import DIALECTS, Plan
from etlrun.compiler.statement import query_statement
from etlrun.contracts.check import Verdict
from etlrun.contracts.engine import EngineSession, StatementError, Workspace
from etlrun.failures import RunFailure
from etlrun.runtime.blame import blame_check, located
from etlrun.runtime.failing_rows import MOST_KEPT, keep_failing, numbered
from etlrun.runtime.record import Record
from etlrun.runtime.row_counts import sinks_with_too_few_rows
from etlrun.runtime.run_folder import RunFolder
from etlrun.runtime.stage import Staged
from etlrun.spec.located import Keys
from etlrun.tracing import span
from etlrun.warehouse.opening import filled
from etlrun.working import Reporter, work

if TYPE_CHECKING:
    import pyarrow

SHOWN = 8
Fetch = Callable[[exp.Query], "pyarrow.Table"]


@dataclass(frozen=True)
class CheckResult:
    """The result of a check: its relation, its kind, whether it passed, and the numbers.

    `name` is unique among the checks of its kind and relation; with `is_kept`, the failing rows are in the run's folder.
    """

    relation: str
    check: str
    severity: str
    holds: bool
    detail: str
    where: Keys
    name: str
    is_kept: bool

    @property
    def status(self) -> str:
        return "ok" if self.holds else ("failed" if self.severity == "error" else "warned")


def check_staged(
    plan: Plan, staged: dict[str, Staged], session: EngineSession, folder: RunFolder, record: Record, reporter: Reporter
) -> None:
    """Run every check on the staged rows; `session` has every relation.

    The rows that fail a check are saved in `folder`. Raises RunFailure if a check cannot be computed, or if it fails and its
    severity is `error`.
    """
    if not plan.checked.pipeline.checks or not staged:
        return
    reporter.say("checking")
    with _check_session(plan, staged, session, folder) as check_session:

        def cancel() -> None:
            check_session.cancel()
            session.cancel()

        fetch = partial(_fetch, plan, staged, session, check_session)
        findings = work(lambda: _ask_all(plan, fetch, session, folder), lambda: None, cancel)
    record.checks += [
        {"relation": finding.relation, "check": finding.check, "status": finding.status, "detail": finding.detail}
        for finding in findings
    ]
    _judge(plan, findings, sinks_with_too_few_rows(plan.checked, staged), folder, reporter)


@contextmanager
def _check_session(
    plan: Plan, staged: dict[str, Staged], session: EngineSession, folder: RunFolder
) -> Iterator[EngineSession]:
    """DuckDB with the staged relations, where small statements are fast.

    The session of the run itself if it has DuckDB's dialect, or if the rows are in the store: then executors check them.
    """
    if _are_in_store(staged) or plan.checked.profile.engine.value.dialect == "duckdb":
        yield session
        return
    from etlrun.engines.duckdb import Duckdb

    with closing(Duckdb().start(Workspace(folder.path), filled)) as check_session:
        for name, rows in staged.items():
            check_session.read_files(name, plan.relation(name).columns, [rows.as_input()])
        yield check_session


def _ask_all(plan: Plan, fetch: Fetch, session: EngineSession, folder: RunFolder) -> list[CheckResult]:
    """The results of all checks, in the order of the file."""
    checks = [(name, use) for name, uses in plan.checked.pipeline.checks.items() for use in uses]
    positions = [position for uses in plan.checked.pipeline.checks.values() for position in range(len(uses))]
    names = numbered((name, use.kind) for name, use in checks)
    return [
        _ask(plan, fetch, session, folder, name, position, called)
        for (name, _), position, called in zip(checks, positions, names, strict=True)
    ]


def _ask(
    plan: Plan, fetch: Fetch, session: EngineSession, folder: RunFolder, relation: str, position: int, name: str
) -> CheckResult:
    use = plan.checked.pipeline.checks[relation][position]
    query = lower_check(plan, relation, position)
    failing = lower_failing(plan, relation, position, MOST_KEPT)
    is_kept = False
    with span(f"check {name}", {"etlrun.relation": relation, "etlrun.check": use.kind}) as asking:
        try:
            is_read = plan.relation(relation).source is not None  # what is computed has no order
            row = use.value.quick_row(session, relation) if is_read else None
            if row is None:
                (row,) = fetch(query).to_pylist()
            verdict: Verdict = use.value.verdict(row)
            if not verdict.holds and failing is not None:
                keep_failing(folder, relation, name, fetch(failing))
                is_kept = True
        except StatementError as error:
            raise blame_check(plan, relation, use, query, error, fetch) from error
        severity = use.value.severity
        found = CheckResult(relation, use.kind, severity, verdict.holds, verdict.detail, use.where, name, is_kept)
        asking.attributes["etlrun.check.status"] = found.status
    return found


def _fetch(
    plan: Plan,
    staged: dict[str, Staged],
    session: EngineSession,
    check_session: EngineSession,
    query: exp.Query,
) -> pyarrow.Table:
    known = {relation.name for relation in plan.relations}
    reads = {table.name for table in query.find_all(exp.Table)} & known
    if reads <= set(staged) and not _are_in_store(staged):
        return check_session.fetch(DIALECTS["duckdb"](query))
    return session.fetch(
        query_statement(plan, query, plan.checked.profile.engine.value.dialect, ready(plan, staged)).text
    )


def _are_in_store(staged: dict[str, Staged]) -> bool:
    return any(rows.area for rows in staged.values())


def ready(plan: Plan, staged: dict[str, Staged]) -> set[str]:
    """The relations that a session knows by name: sources, results of functions, answers and staged ones."""
    return {relation.name for relation in plan.relations if relation.is_made_outside} | set(staged)


def _judge(
    plan: Plan, findings: list[CheckResult], too_few_rows: dict[str, str], folder: RunFolder, reporter: Reporter
) -> None:
    """Raises RunFailure if a check of severity `error` fails; it also lists sinks with too few rows. Other failing checks give a warning."""
    pipeline = plan.checked.pipeline.name
    for finding in findings:
        if finding.status == "warned":
            reporter.warn(_summary(pipeline, finding))
    failed = [finding for finding in findings if finding.status == "failed"]
    if not failed:
        return
    lines = [_summary(pipeline, finding) for finding in failed[:SHOWN]]
    if len(failed) > SHOWN:
        lines.append(f"and {len(failed) - SHOWN} more checks, which `etlrun runs --json` lists")
    lines.extend(too_few_rows.values())
    kept = f"; the failing rows are kept in {folder.path / 'failing'}" if any(found.is_kept for found in failed) else ""
    failure = RunFailure("check", "check-failed", "\n".join(lines), f"nothing was published{kept}")
    raise located(plan.checked, failed[0].where, failure)


def _summary(pipeline: str, finding: CheckResult) -> str:
    text = f"check `{finding.check}` of `{finding.relation}`: {finding.detail}"
    if not finding.is_kept:
        return text
    return f"{text}: `etlrun show {pipeline} {finding.relation} --failing {finding.name}`"
