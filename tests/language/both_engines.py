"""Runs the same checked trees on both engines and says where they differ: in a value, in a type, or in what is an error."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
from pyspark.errors import PySparkException
from sqlglot import exp

from etlrun.language.arrow import arrow_schema, arrow_type, type_of_arrow
from etlrun.language.columns import Column, Columns, Type
from etlrun.language.dialects import DUCKDB_SETTINGS, SPARK_SETTINGS, duckdb_sql, spark_sql
from etlrun.language.expressions import parse_select
from etlrun.language.functions import ROWS
from etlrun.language.queries import check_query
from etlrun.language.type_texts import parse_type

AT_ONCE = 40  # expressions in one statement


@dataclass(frozen=True)
class Answer:
    """What an engine gave for one expression: the type of the column and its values, or an error."""

    type: Type | None = None
    values: tuple[str, ...] = ()
    is_error: bool = False


FAILED = Answer(is_error=True)


class Engines:
    """Both engines over a table of literal rows, called `rows`."""

    def __init__(self, spark: Any, duck: Any, columns: dict[str, str], rows: Sequence[Sequence[object]]) -> None:
        self.spark, self.duck = spark, duck
        self.columns = Columns(tuple(Column(name, parse_type(kind)) for name, kind in columns.items()))
        schema = arrow_schema(self.columns)
        table = pa.table(
            [pa.array(list(values), field.type) for values, field in zip(zip(*rows, strict=True), schema, strict=True)],
            schema,
        )
        for name, value in SPARK_SETTINGS.items():
            spark.conf.set(name, value)
        for name, value in DUCKDB_SETTINGS.items():
            duck.execute(f"set {name} = '{value}'")
        spark.conf.set("spark.sql.timestampType", "TIMESTAMP_NTZ")
        spark.createDataFrame(table).createOrReplaceTempView("rows")
        duck.register("rows", table)

    def differences(self, expressions: Sequence[str], tail: str = "from rows order by k") -> list[str]:
        """One line for each expression that does not give the declared type and the same values on both engines."""
        return [shown for shown, is_equal, failed in self._compare(expressions, tail) if failed or not is_equal]

    def unlike(self, expressions: Sequence[str], tail: str = "from rows order by k") -> list[str]:
        """Like `differences`, but an expression may fail where it fails on both."""
        return [shown for shown, is_equal, _ in self._compare(expressions, tail) if not is_equal]

    def _compare(self, expressions: Sequence[str], tail: str) -> Iterator[tuple[str, bool, bool]]:
        """For each expression: what came out, whether it is as it should be on both engines, and whether Spark failed."""
        for start in range(0, len(expressions), AT_ONCE):
            some = expressions[start : start + AT_ONCE]
            declared = [column.type for column in self._checked(some, tail)[1]][: len(some)]
            for text, kind, spark, duck in zip(
                some, declared, self.spark_answers(some, tail), self.duck_answers(some, tail), strict=True
            ):
                shown = f"{text}: {kind}\n    spark  {_shown(spark)}\n    duckdb {_shown(duck)}"
                yield (
                    shown,
                    _agree(text, spark, duck) and (spark.is_error or spark.type == type_of_arrow(arrow_type(kind))),
                    spark.is_error,
                )

    def spark_answers(self, expressions: Sequence[str], tail: str = "from rows order by k") -> list[Answer]:
        return _answers(
            expressions,
            lambda some: self.spark.sql(spark_sql(self._checked(some, tail)[0])).toArrow(),
            PySparkException,
        )

    def duck_answers(self, expressions: Sequence[str], tail: str = "from rows order by k") -> list[Answer]:
        return _answers(
            expressions,
            lambda some: self.duck.sql(duckdb_sql(self._checked(some, tail)[0])).to_arrow_table(),
            duckdb.Error,
        )

    def _checked(self, expressions: Sequence[str], tail: str) -> tuple[exp.Query, Columns]:
        listed = [f"{text} as c{index}" for index, text in enumerate(expressions)]
        listed += (
            ["g as g_"] if "g_" in tail else []
        )  # groups are ordered by a column of the result, which is left out of the answers
        sql = f"select {', '.join(listed)} {tail}"
        return check_query(parse_select(sql), {"rows": self.columns})  # without text: ties are settled by the rows here


def _answers(expressions: Sequence[str], run: Any, failure: type[Exception]) -> list[Answer]:
    """The answer for each expression; where the statement fails, its halves are run, down to the one at fault."""
    try:
        table = run(expressions)
    except failure:
        if len(expressions) == 1:
            return [FAILED]
        middle = len(expressions) // 2
        return _answers(expressions[:middle], run, failure) + _answers(expressions[middle:], run, failure)
    return [
        Answer(type_of_arrow(column.type), tuple(_plain(value) for value in _values(column)))
        for column in table.columns[: len(expressions)]
    ]


def _values(column: pa.ChunkedArray) -> list[object]:
    """The values of a column; moments as text, since Python has none after the year 9999."""
    is_moment = pa.types.is_date(column.type) or pa.types.is_timestamp(column.type)
    return (column.cast(pa.string()) if is_moment else column).to_pylist()


def _plain(value: object) -> str:
    """A value as text that tells types, signs of zero and digits apart; NaN equals itself."""
    return "NaN" if isinstance(value, float) and math.isnan(value) else repr(value)


def _agree(text: str, one: Answer, other: Answer) -> bool:
    """Whether two answers are equal, or as close as the functions that are called in `text` promise."""
    called = (row for row in ROWS for name in (row.name, *row.aliases) if re.search(rf"\b{name}\(", text))
    tolerance = max((row.tolerance for row in called), default=0.0)
    if not tolerance or (one.type, one.is_error, len(one.values)) != (other.type, other.is_error, len(other.values)):
        return one == other
    pairs = [pair for pair in zip(one.values, other.values, strict=True) if pair[0] != pair[1]]
    return all(
        "None" not in pair and math.isclose(*map(float, pair), rel_tol=tolerance, abs_tol=tolerance) for pair in pairs
    )


def _shown(answer: Answer) -> str:
    return "an error" if answer.is_error else f"{answer.type}: {', '.join(answer.values)}"
