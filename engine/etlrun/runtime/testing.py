"""Runs tests of pipelines: computes the plan on the given rows, and compares the result with the expected rows."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from etlrun.compiler.case_rows import Given
from etlrun.compiler.cases import CheckedCase, Listed
from etlrun.contracts.engine import Engine, EngineSession, Workspace
from etlrun.contracts.step import Ask
from etlrun.diagnostics import nearest, shortened
from etlrun.enrich.keys import Keys
from etlrun.failures import RunFailure
from etlrun.language.arrow import arrow_schema
from etlrun.runtime.differences import Difference, compare_rows
from etlrun.runtime.functions import FunctionProcess
from etlrun.runtime.in_memory_run import InMemoryRun
from etlrun.runtime.stage import shown_columns
from etlrun.spec.located import Keys as Where
from etlrun.spec.normal_form import normal_form, readable
from etlrun.spec.values import value_text
from etlrun.stopping import cancelling, orderly, safe_point
from etlrun.warehouse.opening import filled

if TYPE_CHECKING:
    import pyarrow

TEST = "test"  # the name of the model in a test


@dataclass(frozen=True)
class CaseFailure:
    """A failure of a test other than a different row: its place, the message and the fix."""

    file: str
    line: int
    column: int
    message: str
    fix: str = ""


@dataclass(frozen=True)
class Outcome:
    """The result of a test."""

    case: CheckedCase
    seconds: float
    differences: tuple[Difference, ...] = ()
    complaints: tuple[CaseFailure, ...] = ()

    @property
    def is_ok(self) -> bool:
        return not self.differences and not self.complaints


class UnansweredError(Exception):
    """A prompt needs answers for keys that the test does not list."""

    def __init__(self, prompt: str, keys: tuple[str, ...]) -> None:
        super().__init__(prompt)
        self.prompt = prompt
        self.keys = keys


def run_cases(cases: Sequence[CheckedCase], engine_of: Callable[[CheckedCase], Engine]) -> Iterator[Outcome]:
    """Run tests one after the other, in one session for each project and engine. Raises RunFailure if an engine does not start."""
    for engine, group in _by_engine(cases, engine_of):
        functions = FunctionProcess(group[0].checked.project)
        with orderly(), closing(functions), tempfile.TemporaryDirectory(prefix="etlrun-test-") as folder:
            session = engine.start(Workspace(Path(folder)), filled)
            try:
                for case in group:
                    safe_point()
                    with cancelling(session.cancel):
                        outcome = run_case(case, session, engine.dialect, functions)
                    yield outcome
            finally:
                session.close()


def _by_engine(
    cases: Sequence[CheckedCase], engine_of: Callable[[CheckedCase], Engine]
) -> list[tuple[Engine, list[CheckedCase]]]:
    found: list[tuple[Engine, list[CheckedCase]]] = []
    for case in cases:
        engine = engine_of(case)
        root = case.checked.project.root
        group = next(
            (group for known, group in found if (known, group[0].checked.project.root) == (engine, root)), None
        )
        if group is None:
            group = []
            found.append((engine, group))
        group.append(case)
    return found


def run_case(case: CheckedCase, session: EngineSession, dialect: str, functions: FunctionProcess) -> Outcome:
    """Run one test in a session."""
    started = time.monotonic()
    given = {name: table_of(given) for name, given in case.given.items()}
    in_memory_run = InMemoryRun(
        case.plan, session, dialect, given, lambda ask, keys: _answers(case.listed[ask.prompt], ask, keys), functions
    )
    differences: tuple[Difference, ...] = ()
    try:
        in_memory_run.make(case.targets)
        complaints = tuple(_missing_columns(case, in_memory_run))
        differences = () if complaints else tuple(_differences(case, in_memory_run))
        complaints += tuple(_wrong_verdicts(case, in_memory_run))
    except UnansweredError as error:
        complaints = (_unanswered(case, error),)
    except RunFailure as failure:
        complaints = (_failed(case, failure),)
    return Outcome(case, time.monotonic() - started, differences, complaints)


def table_of(given: Given) -> pyarrow.Table:
    """Convert rows to an Arrow table with the types of their columns."""
    import pyarrow as pa

    schema = arrow_schema(given.columns)
    values = list(zip(*given.rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(list(column), field.type) for column, field in zip(values, schema, strict=True)], schema)


def _answers(listed: Listed, ask: Ask, keys: Keys) -> pyarrow.Table:
    """The relation of answers for some keys. Raises UnansweredError for those that are not listed."""
    from etlrun.enrich.answers import Answer, Answers

    raw = dict(zip(keys.place, keys.raw))
    unknown = tuple(
        readable(key.shown if normal_form(key.shown) == key.normal else raw[place])  # the shown text may be cut
        for place, key in enumerate(keys.asked)
        if key.normal not in listed.answers
    )
    if unknown:
        raise UnansweredError(ask.prompt, unknown)
    found = [listed.answers[key.normal] for key in keys.asked]
    by_place = [Answer("abstained", {}) if values is None else Answer("ok", values, TEST) for values in found]
    return Answers(keys, by_place, ()).table(listed.outputs)


def _missing_columns(case: CheckedCase, in_memory_run: InMemoryRun) -> Iterator[CaseFailure]:
    """A failure for each expected column of a label that is not in the rows."""
    for name, expected in case.expected.items():
        names = in_memory_run.rows(name).column_names
        for item in expected.columns:
            if item.name not in names:
                fix = nearest(item.name, names) or f"its columns are {shortened(names)}"
                yield _complaint(case, ("expect", name), f"`{name}` has no column `{item.name}`", fix)


def _differences(case: CheckedCase, in_memory_run: InMemoryRun) -> Iterator[Difference]:
    for name, expected in case.expected.items():
        if not expected.rows:  # then every column is shown, including those of labels
            expected = replace(expected, columns=shown_columns(in_memory_run.plan.relation(name).columns))
        table = in_memory_run.rows(name).select(list(expected.columns.names))
        rows = (
            zip(*(column.to_pylist(maps_as_pydicts="strict") for column in table.columns), strict=True)
            if table.num_columns
            else [()] * table.num_rows
        )
        found = compare_rows(name, expected, list(rows))
        if found is not None:
            yield found


def _wrong_verdicts(case: CheckedCase, in_memory_run: InMemoryRun) -> Iterator[CaseFailure]:
    for (relation, kind), holds in case.verdicts.items():
        positions = [at for at, use in enumerate(case.checked.pipeline.checks[relation]) if use.kind == kind]
        verdicts = [in_memory_run.verdict(relation, position) for position in positions]
        if all(verdict.holds for verdict in verdicts) != holds:
            details = "; ".join(verdict.detail for verdict in verdicts if verdict.holds != holds)
            detail = "fails, but is expected to hold" if holds else "holds, but is expected to fail"
            yield _complaint(
                case, ("checks", relation, kind), f"the check `{kind}` of `{relation}` {detail}: {details}"
            )


def _unanswered(case: CheckedCase, error: UnansweredError) -> CaseFailure:
    listed = case.listed[error.prompt]
    keys = ", ".join(f"`{key}`" for key in error.keys)
    answer = ", ".join(f"{output.name}: ..." for output in listed.outputs)
    entries = [f"{value_text(key)}: {{{answer}}}" for key in error.keys]
    near = [hint for key in error.keys if (hint := nearest(key, case.case.enrich.get(error.prompt, {})))]
    where = "`enrich:`" if error.prompt in case.case.enrich else "the test, below `enrich:`"
    fix = "\n".join(
        [
            *near,
            f"add them to `{error.prompt}:` of {where}, or `key: null` if no model knows the answer:",
            *(f"    {entry}" for entry in entries),
        ]
    )
    message = f"the prompt `{error.prompt}` is asked about {keys}, but the test has no answer for it"
    return _complaint(case, ("enrich", error.prompt), message, fix)


def _failed(case: CheckedCase, failure: RunFailure) -> CaseFailure:
    found = failure.diagnostic
    if found.file:
        return CaseFailure(found.file, found.line, found.column, found.message, found.fix)
    return _complaint(case, (), failure.message, failure.fix)


def _complaint(case: CheckedCase, at: Where, message: str, fix: str = "") -> CaseFailure:
    """A failure at a key of the test, or at the nearest existing place above it."""
    document = case.file.document
    where = (*case.case.where, *at)
    while where not in document.keys and where not in document.values:
        where = where[:-1]
    place = document.diagnose_key(where, "", "")
    return CaseFailure(place.file, place.line, place.column, message, fix)
