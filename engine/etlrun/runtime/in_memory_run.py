"""Run a plan in memory on given rows, for tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from etlrun.compiler.checks import lower_check
from etlrun.compiler.plan import Plan, Relation
from etlrun.compiler.statement import Statement, query_statement, relation_statement
from etlrun.contracts.check import Verdict
from etlrun.contracts.engine import EngineSession, StatementError
from etlrun.contracts.relation import relation_table
from etlrun.contracts.step import Apply, Ask, ReadTexts
from etlrun.enrich.keys import Keys, distinct_keys
from etlrun.language.arrow import arrow_schema
from etlrun.language.expressions import column
from etlrun.runtime.blame import blame, blame_check
from etlrun.runtime.functions import FunctionProcess
from etlrun.runtime.json_texts import TextColumns
from etlrun.runtime.label_reading import find_labels

if TYPE_CHECKING:
    import pyarrow

Answering = Callable[[Ask, Keys], "pyarrow.Table"]


class InMemoryRun:
    """A plan that runs in a session; nothing is written. `answer` replaces the models."""

    def __init__(
        self,
        plan: Plan,
        session: EngineSession,
        dialect: str,
        given: Mapping[str, pyarrow.Table],
        answer: Answering,
        functions: FunctionProcess,
    ) -> None:
        self.base = self.plan = plan
        self.labels: dict[str, Sequence[str]] = {}  # of pivots that found them, by the place of the step
        self.session = session
        self.dialect = dialect
        self.given = given
        self.answer = answer
        self.functions = functions
        self.ready: set[str] = set()  # the relations that the session knows by name

    def make(self, names: Iterable[str]) -> None:
        """Compute the relations `names`. Raises RunFailure at the step that cannot be computed, and whatever `answer` raises."""
        wanted = tuple(names)
        self.plan = find_labels(
            self.base, self.labels, wanted, self.session.fetch, self.dialect, self._outside, self.given
        )
        self._make(wanted)

    def _outside(self, plan: Plan, name: str) -> set[str]:
        """Compute the parts of a relation that are not SQL; returns the relations that this registers in the session."""
        self.plan = plan
        self._make((name,))
        return self.ready

    def _make(self, wanted: tuple[str, ...]) -> None:
        for relation in self.plan.needed(wanted, self.given):
            if relation.name in self.ready:
                continue
            if relation.name in self.given:
                self._define(relation.name, self.given[relation.name])
            elif relation.apply is not None:
                self._define(relation.name, self._applied(relation, relation.apply))
            elif relation.ask is not None:
                self._define(relation.name, self._answered(relation, relation.ask))
            elif relation.name in wanted:
                self._define(relation.name, self._fetch(relation.name))

    def rows(self, name: str) -> pyarrow.Table:
        """The rows of a relation that was made, in the columns of the plan."""
        query = exp.select(*(column(item.name) for item in self.plan.relation(name).columns)).from_(
            relation_table(name)
        )
        return self.session.fetch(query_statement(self.plan, query, self.dialect, self.ready).text)

    def verdict(self, name: str, position: int) -> Verdict:
        """The verdict of the check at `position` of a relation. The relation, and others that the check reads, exist already."""
        carried = tuple(sum_ for sum_ in self.plan.carried if sum_.chain not in self.given)  # given rows carry none
        query = lower_check(replace(self.plan, carried=carried), name, position)
        use = self.plan.checked.pipeline.checks[name][position]

        def fetch(asked: exp.Query) -> pyarrow.Table:
            return self.session.fetch(query_statement(self.plan, asked, self.dialect, self.ready).text)

        try:
            (row,) = fetch(query).to_pylist()
        except StatementError as error:
            raise blame_check(self.plan, name, use, query, error, fetch) from error
        verdict: Verdict = use.value.verdict(row)
        return verdict

    def _define(self, name: str, rows: pyarrow.Table) -> None:
        self.session.take_rows(name, rows)
        self.ready.add(name)

    def _fetch(self, name: str) -> pyarrow.Table:
        statement = self._statement(name)

        def attempt(parts: int, last: exp.Query | None) -> None:
            self.session.fetch(self._statement(name, parts, last).text)

        try:
            return self.session.fetch(statement.text)
        except StatementError as error:
            raise blame(self.plan, statement, error, attempt) from error

    def _statement(self, name: str, upto: int | None = None, last: exp.Query | None = None) -> Statement:
        return relation_statement(self.plan, name, self.dialect, self.ready, upto=upto, last=last)

    def _applied(self, relation: Relation, apply: Apply | ReadTexts) -> pyarrow.Table:
        (before,) = relation.reads
        columns = self.plan.relation(before).columns
        rows = self._before(before).cast(arrow_schema(columns))
        if isinstance(apply, ReadTexts):
            return TextColumns(apply).table(rows)
        return self.functions.apply_to_rows(apply, rows, columns)

    def _answered(self, relation: Relation, ask: Ask) -> pyarrow.Table:
        (before,) = relation.reads
        texts = self._before(before)[ask.key].to_pylist()
        return self.answer(
            ask,
            distinct_keys(Counter(text for text in texts if text is not None).items(), ask.characters, ask.personal),
        )

    def _before(self, name: str) -> pyarrow.Table:
        """All rows of the relation that is taken out of SQL; it is kept for the statements that follow."""
        if name not in self.ready:
            self._define(name, self._fetch(name))
        return self.rows(name)
