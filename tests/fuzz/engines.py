"""Both engines over the same rows, and what they answer: values, types, or an error."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from etlrun.contracts.engine import EngineSession, StatementError
from etlrun.engines._duckdb import DuckdbSession
from etlrun.engines._spark.session import SparkSessionAtWork
from etlrun.language.arrow import type_of_arrow
from etlrun.language.calls import arguments_of
from etlrun.language.columns import BIGINT, Columns, Type
from etlrun.language.dialects import DUCKDB_SETTINGS, SPARK_SETTINGS, duckdb_sql, spark_sql
from etlrun.language.expressions import TYPE

DATA_ERRORS = (
    "overflow:",
    "division-by-zero:",
    "bad-cast:",
    "bad-date:",
    "bad-index:",
    "text-too-long:",
    "array-too-long:",
    "bad-value:",
    "unfit-labels:",
)


@dataclass(frozen=True)
class Answer:
    """One column as an engine gave it: its type and the text of each value; or the error."""

    type: Type | None = None
    values: tuple[str, ...] = ()
    error: str = ""

    def __str__(self) -> str:
        return f"error: {self.error}" if self.error else f"{self.type}: {', '.join(self.values)}"

    def is_like(self, other: Answer) -> bool:
        """Whether both are errors of a row's value, or the same values of the same type."""
        if self.error or other.error:
            return is_of_data(self.error) and is_of_data(other.error)
        return (self.type, self.values) == (other.type, other.values)


class Engines:
    """A session of each engine; `start` gives that of Spark, when it is needed."""

    def __init__(self, start: Callable[[], Any], connection: duckdb.DuckDBPyConnection) -> None:
        for name, value in DUCKDB_SETTINGS.items():
            connection.execute(f"set {name} = '{value}'")
        self.start = start
        self.connection = connection
        self.duckdb = DuckdbSession(connection)

    @cached_property
    def spark(self) -> SparkSessionAtWork:
        spark = self.start()
        for name, value in SPARK_SETTINGS.items():
            spark.conf.set(name, value)
        return SparkSessionAtWork(spark, is_classic=True)

    def take(self, tables: Mapping[str, pa.Table]) -> None:
        """Make these rows the relations of both engines."""
        for name, table in tables.items():
            self.spark.take_rows(name, table)
            self.duckdb.take_rows(name, table)

    def columns(self, trees: Sequence[exp.Expr], tail: str, by: str) -> list[tuple[Answer, Answer]]:
        """What Spark and DuckDB answer for each of these expressions, beside the rows' key `by`."""
        first = [self._one(self.duckdb, duckdb_sql(tree), tail, by) for tree in trees]
        good = [position for position, answer in enumerate(first) if not answer.error]
        second: dict[int, Answer] = dict(
            zip(good, self._some(self.spark, [spark_sql(trees[at]) for at in good], tail, by), strict=True)
        )
        for position, tree in enumerate(trees):
            if position not in second:
                second[position] = self._one(self.spark, spark_sql(tree), tail, by)
        return [(second[position], answer) for position, answer in enumerate(first)]

    def _one(self, session: EngineSession, text: str, tail: str, by: str) -> Answer:
        return self._some(session, [text], tail, by)[0]

    def _some(self, session: EngineSession, texts: Sequence[str], tail: str, by: str) -> list[Answer]:
        """The answer for each text; where the statement fails its halves are run, down to the one at fault."""
        if not texts:
            return []
        items = ", ".join(f"{text} as c{at}" for at, text in enumerate(texts))
        try:
            table = session.fetch(f"select {by} as by_, {items} {tail}")
        except StatementError as error:
            if len(texts) == 1:
                return [Answer(error=f"{error.condition}: {error.detail[:200]}")]
            middle = len(texts) // 2
            return self._some(session, texts[:middle], tail, by) + self._some(session, texts[middle:], tail, by)
        table = table.sort_by("by_")
        return [answer_of(column) for column in table.columns[1:]]

    def fail_inside(self, tree: exp.Expr, table: str) -> bool:
        """Whether some part of a checked expression is an error on both engines: then one of them may have had no need of it.

        No engine says which operands it leaves out, such as the other one of a null or those of rows that a filter drops.
        """
        parts = [part for part in tree.walk() if TYPE in part.meta and not isinstance(part, (exp.Literal, exp.Column))]
        return any(self._fails(part, table) for part in reversed(parts))

    def _fails(self, part: exp.Expr, table: str) -> bool:
        return all(
            is_of_data(self._one(session, sql(part), f"from {table}", "1").error)
            for session, sql in ((self.duckdb, duckdb_sql), (self.spark, spark_sql))
        )

    def rows(self, session: EngineSession, statement: str) -> tuple[tuple[str, ...], ...] | str:
        """The rows of a statement as texts, in order of their text; or the error."""
        try:
            return sorted_rows(session.fetch(statement))
        except StatementError as error:
            return f"{error.condition}: {error.detail[:200]}"


def is_of_data(answer: object) -> bool:
    """Whether an answer is an error that a row's value causes, as the engine's session tells them apart."""
    return isinstance(answer, str) and answer.startswith(DATA_ERRORS)


def is_sum_on_the_way(tree: exp.Expr, answer: object) -> bool:
    """Whether an answer may be the overflow of a part of the rows that a sum adds up: in which order is the engine's choice."""
    return isinstance(answer, str) and answer.startswith("overflow:") and any(map(_may_overflow, tree.walk()))


def _may_overflow(node: exp.Expr) -> bool:
    if not isinstance(node, exp.Anonymous) or node.name.lower() not in ("sum", "avg", "mean"):
        return False
    kinds = [part.meta[TYPE] for part in arguments_of(node) if TYPE in part.meta]
    return any(kind == BIGINT and node.name.lower() == "sum" or kind.precision > 28 for kind in kinds)


def answer_of(column: pa.ChunkedArray) -> Answer:
    return Answer(type_of_arrow(column.type), tuple(plain(value) for value in values_of(column)))


def values_of(column: pa.ChunkedArray) -> list[object]:
    """The values of a column; moments as text, those inside others too, since Python has none after the year 9999."""
    return list(column.cast(_with_texts(column.type)).to_pylist())


def _with_texts(kind: pa.DataType) -> pa.DataType:
    """A type with text where it has moments."""
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_with_texts(kind.value_type))
    if pa.types.is_map(kind):
        return pa.map_(_with_texts(kind.key_type), _with_texts(kind.item_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _with_texts(field.type)) for field in kind])
    return kind


def plain(value: object) -> str:
    """A value as text that tells types, signs of zero and digits apart; NaN equals itself."""
    return "NaN" if isinstance(value, float) and math.isnan(value) else repr(value)


def sorted_rows(table: pa.Table) -> tuple[tuple[str, ...], ...]:
    """The rows of a table as texts, in an order of their own, below a row of the columns' names and types."""
    header = tuple(f"{field.name}: {type_of_arrow(field.type)}" for field in table.schema)
    columns = [[plain(value) for value in values_of(column)] for column in table.columns]
    return (header, *sorted(zip(*columns, strict=True)))


def arrow_table(columns: Columns, rows: Iterable[Sequence[object]]) -> pa.Table:
    """Rows of Python values as Arrow."""
    from etlrun.language.arrow import arrow_schema

    schema = arrow_schema(columns)
    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    return pa.table([pa.array(list(some), field.type) for some, field in zip(values, schema, strict=True)], schema)
