"""The labels that pivots take from a column: each run reads them with a separate statement before it computes the pivot."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from etlrun.compiler.found_labels import OpenPivot, open_pivots, with_labels
from etlrun.compiler.plan import Plan, make_plan
from etlrun.compiler.statement import query_statement, relation_statement
from etlrun.contracts.engine import StatementError
from etlrun.contracts.label_source import MOST
from etlrun.contracts.relation import named, relation_table
from etlrun.diagnostics import SpecError
from etlrun.failures import RunFailure, without_personal
from etlrun.language.expressions import call, column
from etlrun.runtime.blame import blame

if TYPE_CHECKING:
    import pyarrow

SHOWN = 5
FIX = "correct the rows, or list the labels: `labels: [...]`"
Fetch = Callable[[str], "pyarrow.Table"]  # of the text of a statement; raises StatementError
Make = Callable[[Plan, str], Collection[str]]


def find_labels(
    base: Plan,
    found: dict[str, Sequence[str]],
    names: Collection[str],
    fetch: Fetch,
    dialect: str,
    make: Make,
    given: Collection[str] = (),
) -> Plan:
    """The plan with labels for every pivot below the relations `names`; relations in `given` are already computed.

    `found` contains the known labels, by the place of the step; other labels are read and added to it. `make` computes the parts of a
    relation that are not SQL, and returns the relations that this registers in the session.
    Raises RunFailure if labels cannot be read or do not fit.
    """
    needed = {relation.name.partition(".")[0] for relation in base.needed(names, given)} - set(given)
    plan = _plan_with(base, found)
    for pivot in open_pivots(base.checked):
        if pivot.chain in needed and pivot.source.found is None and pivot.place not in found:
            ready = make(plan, pivot.source.relation)
            found[pivot.place] = _LabelReader(plan, pivot, fetch, dialect, ready).read()
            plan = _plan_with(base, found, pivot)
    return plan


def _plan_with(base: Plan, found: Mapping[str, Sequence[str]], last: OpenPivot | None = None) -> Plan:
    """The plan with labels; those of `last` were added last. Raises RunFailure if they do not fit."""
    try:
        return make_plan(with_labels(base.checked, found)) if found else base
    except SpecError as error:
        if last is None:
            raise
        mistake = error.diagnostics[0]
        message = f"the labels of `{last.source.from_}` do not fit: {mistake.message}"
        fix = f"{mistake.fix}; otherwise {FIX}" if mistake.fix else FIX
        raise _failure(message, fix).at(mistake) from error


class _LabelReader:
    """Reads the labels of one pivot."""

    def __init__(self, plan: Plan, pivot: OpenPivot, fetch: Fetch, dialect: str, ready: Collection[str]) -> None:
        self.plan = plan
        self.source = pivot.source
        self.fetch = fetch
        self.dialect = dialect
        self.ready = ready
        ((_, at),) = pivot.use.value.reads()
        self.where = plan.checked.scope(pivot.use.where).place(at)

    def read(self) -> list[str]:
        """The distinct labels, sorted. Raises RunFailure if there are none, or too many."""
        label = column(self.source.column)
        distinct = exp.select(named(label, "label")).from_(relation_table(self.source.relation))
        distinct = distinct.where(exp.not_(label.copy().is_(exp.null()))).distinct()
        first = exp.select(column("label")).from_(distinct.subquery("labels")).order_by(column("label"))
        labels = [str(label) for label in self._values(first.limit(self.source.at_most + 1))]
        if not labels:
            message = f"`{self.source.from_}` has no label, so there is no column to make"
            raise self._located(_failure(message, FIX))
        if len(labels) > self.source.at_most:
            count = exp.select(named(call("count", exp.Star()), "labels")).from_(distinct.subquery("labels"))
            (number,) = self._values(count)
            raise self._located(self._too_many(labels, int(number)))
        return sorted(labels)

    def _too_many(self, labels: list[str], number: int) -> RunFailure:
        shown = ", ".join(f"`{without_personal(label)[:40]}`" for label in sorted(labels)[:SHOWN])
        message = (
            f"`{self.source.from_}` has {number:,} labels, and `at_most` is {self.source.at_most}: {shown} and others"
        )
        return _failure(message, FIX if self.source.at_most >= MOST else f"raise `at_most`, or {FIX}")

    def _values(self, query: exp.Select) -> list[Any]:
        statement = query_statement(self.plan, query, self.dialect, self.ready)
        try:
            table = self.fetch(statement.text)
        except StatementError as error:
            raise self._blamed(error) from error
        return [*table.column(0).to_pylist()]

    def _blamed(self, error: StatementError) -> RunFailure:
        """The failure at the step of the relation that cannot be computed."""
        name = self.source.relation

        def attempt(parts: int, last: exp.Query | None) -> None:
            prefix = relation_statement(self.plan, name, self.dialect, self.ready, upto=parts, last=last)
            self.fetch(prefix.text)

        statement = relation_statement(self.plan, name, self.dialect, self.ready)
        return blame(self.plan, statement, StatementError(error.condition, error.detail, None, error.source), attempt)

    def _located(self, failure: RunFailure) -> RunFailure:
        return failure.at(self.plan.checked.pipeline.document.diagnose(self.where, failure.code, failure.message))


def _failure(message: str, fix: str) -> RunFailure:
    return RunFailure("source", "unfit-labels", without_personal(message), fix)
