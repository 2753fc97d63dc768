"""`etlrun explain`: trace a row back to the sources, with the number of its rows after each step.

Each step is computed over its whole input, as in a run, and its rows are counted afterwards: a window or a limit sees the same rows as in a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from etlrun.compiler.check import Checked
from etlrun.compiler.plan import Plan, make_plan
from etlrun.compiler.statement import relation_statement
from etlrun.language.dialects import duckdb_sql
from etlrun.language.duckdb_words import name, only_these_files, parquet
from etlrun.language.expressions import column
from etlrun.lineage.followed import Followed, Key, follow_key
from etlrun.runtime.run import RunOptions, run_pipeline
from etlrun.runtime.stage import Staged
from etlrun.spec.dates import DATE_COLUMN
from etlrun.spec.literals import literal_of
from etlrun.spec.scope import HIDDEN
from etlrun.working import Reporter

if TYPE_CHECKING:
    import duckdb

    Session = duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class StepRows:
    """How many rows of the key there are after a step; `line` is the step's line in the pipeline's file."""

    step: int
    kind: str
    line: int
    rows: int


@dataclass(frozen=True)
class TrailRelation:
    """A relation on the way: how many rows of the key it has, the first of them, and (of a source with days) how many a day.

    `ends` are relations that it reads in which the key is not found.
    """

    name: str
    is_source: bool
    rows: int
    steps: tuple[StepRows, ...]
    days: tuple[tuple[str, int], ...]
    sample: tuple[Mapping[str, Any], ...]
    ends: tuple[str, ...]


def find_trail(
    checked: Checked, relation: str, key: Mapping[str, str], rows: int, reporter: Reporter
) -> list[TrailRelation]:
    """Trace the rows of `relation` with the values `key` back to the sources. Raises RunFailure."""
    plan = make_plan(checked)
    followed = follow_key(plan, relation, tuple(key))
    found: list[TrailRelation] = []

    def look(staged: dict[str, Staged]) -> None:
        found.extend(_Trail(plan, staged, key, rows).relations(followed))

    bare = replace(checked, pipeline=replace(checked.pipeline, checks={}, sinks={}))
    run_pipeline(bare, reporter, RunOptions(publishes=False, relations=_staged(plan, followed, relation), look=look))
    return found


def _staged(plan: Plan, followed: Sequence[Followed], relation: str) -> tuple[str, ...]:
    """The relations that a run stages: sources, and chains that are not computed by SQL alone."""
    needed = plan.needed([relation])
    sources = [item.name for item in needed if item.source is not None]
    outside = {item.name.split(".")[0] for item in needed if item.ask or item.apply}
    chains = [item.name for item in needed if item.name in outside]
    return tuple(dict.fromkeys((*sources, *chains)))


class _Trail:
    """The rows of a key in the relations that a run has staged, and in those that are made of them."""

    def __init__(self, plan: Plan, staged: Mapping[str, Staged], key: Mapping[str, str], rows: int) -> None:
        self.plan = plan
        self.staged = staged
        self.key = key
        self.most = rows

    def relations(self, followed: Sequence[Followed]) -> Iterator[TrailRelation]:
        import duckdb

        files = [str(path) for staged in self.staged.values() for path in staged.paths]
        with duckdb.connect(config={"python_enable_replacements": False}) as session:
            session.execute(only_these_files((), files))
            for relation, staged in self.staged.items():
                session.execute(f"CREATE TEMP VIEW {name(relation)} AS SELECT * FROM {parquet(staged.paths)}")
            for item in followed:
                if self._is_made_of(item, tuple(self.staged)):
                    yield self._relation(session, item)

    def _is_made_of(self, item: Followed, given: tuple[str, ...]) -> bool:
        """Whether a relation is computed by SQL alone from the relations in `given`."""
        needed = self.plan.needed([item.relation.name], given)
        return all(one.name in given or not one.is_made_outside for one in needed)

    def _relation(self, session: Session, item: Followed) -> TrailRelation:
        relation = item.relation
        text = relation_statement(self.plan, relation.name, "duckdb", self.staged).text
        if relation.name in self.staged:
            text = f"SELECT * FROM {name(relation.name)}"
        condition = self._condition(relation.name, item.key)
        shown = [found.name for found in relation.columns if not found.name.startswith(HIDDEN)]
        columns = ", ".join(map(name, shown))
        query = f"SELECT {columns} FROM ({text}) WHERE {condition} ORDER BY ALL LIMIT {self.most}"
        rows = [dict(zip(shown, row, strict=True)) for row in session.execute(query).fetchall()]
        is_source = relation.source is not None
        days = self._days(session, text, condition) if is_source and DATE_COLUMN in relation.columns else ()
        others = tuple(one for one in self.staged if one != relation.name)
        steps = tuple(self._steps(session, item)) if self._is_made_of(item, others) else ()
        count = _count(session, text, condition)
        return TrailRelation(relation.name, is_source, count, steps, days, tuple(rows), item.ends)

    def _steps(self, session: Session, item: Followed) -> Iterator[StepRows]:
        relation, checked = item.relation, self.plan.checked
        chain = checked.pipeline.chains[relation.name.split(".")[0]]
        parts = len(relation_statement(self.plan, relation.name, "duckdb", self.staged).parts)
        first = parts - len(relation.pieces)
        for piece, key in item.pieces:
            position = relation.pieces.index(piece)
            statement = relation_statement(self.plan, relation.name, "duckdb", self.staged, upto=first + position + 1)
            use = chain[piece.step]
            line = checked.pipeline.document.diagnose_key(use.where, "unused", "").line
            types = {found.name: found.type for found in checked.steps[relation.name.split(".")[0]][piece.step]}
            if all(column_ in types for column_ in key.values()):
                condition = self._typed(key, types)
                yield StepRows(piece.step + 1, use.kind, line, _count(session, statement.text, condition))

    def _condition(self, relation: str, key: Key) -> str:
        return self._typed(key, {item.name: item.type for item in self.plan.relation(relation).columns})

    def _typed(self, key: Key, types: Mapping[str, Any]) -> str:
        parts = [
            exp.EQ(this=column(there), expression=literal_of(self.key[mine], types[there]))
            for mine, there in key.items()
        ]
        return duckdb_sql(exp.and_(*parts, copy=False))

    def _days(self, session: Session, text: str, condition: str) -> tuple[tuple[str, int], ...]:
        day = name(DATE_COLUMN)
        query = f"SELECT CAST({day} AS VARCHAR), count(*) FROM ({text}) WHERE {condition} GROUP BY ALL ORDER BY ALL"
        return tuple(session.execute(query).fetchall())


def _count(session: Session, text: str, condition: str) -> int:
    ((rows,),) = session.execute(f"SELECT count(*) FROM ({text}) WHERE {condition}").fetchall()
    return int(rows)
