"""Writes one checked tree as the SQL of an engine. The engines' dialects differ only here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import islice

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.dialects.spark import Spark
from sqlglot.generators.duckdb import DuckDBGenerator
from sqlglot.generators.spark import SparkGenerator

from etlrun.language import duckdb_rules, spark_rules
from etlrun.language.copies import copied
from etlrun.language.expressions import TYPE
from etlrun.language.templates import Engine, put_in_place

# Settings for equal results: each engine sets these before it runs a statement.
# Without `substitute` off, `${env:NAME}` in a text or name would read the environment.
SPARK_SETTINGS: dict[str, str] = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "false",
    "spark.sql.parser.escapedStringLiterals": "false",
    "spark.sql.variable.substitute": "false",
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    "spark.sql.decimalOperations.allowPrecisionLoss": "true",
}
DUCKDB_SETTINGS: dict[str, str] = {
    "error_on_division_by_zero": "true",
    "ieee_floating_point_ops": "true",
    "integer_division": "false",
    "default_collation": "",
}

Lower = Callable[[exp.Expr], exp.Expr]


class SparkWords(Spark):
    """Spark's SQL with NULLS FIRST or NULLS LAST always written out."""

    class Generator(SparkGenerator):
        def literal_sql(self, expression: exp.Literal) -> str:
            # Spark replaces `${...}` by variables of the process, even inside texts.
            text = super().literal_sql(expression)
            return text.replace("${", "$\\{") if expression.is_string else text

        def ordered_sql(self, expression: exp.Ordered) -> str:
            return _ordered(self.sql(expression, "this"), expression)


class DuckDBWords(DuckDB):
    """DuckDB's SQL with NULLS FIRST or NULLS LAST always written out."""

    class Generator(DuckDBGenerator):
        def ignorenulls_sql(self, expression: exp.IgnoreNulls) -> str:
            return f"{self.sql(expression, 'this')} IGNORE NULLS"

        def ordered_sql(self, expression: exp.Ordered) -> str:
            return _ordered(self.sql(expression, "this"), expression)


class TooLargeError(Exception):
    """A tree would have more nodes than are allowed in the dialect of an engine."""


def spark_sql(tree: exp.Expr, pretty: bool = False) -> str:
    """The tree as Spark 4 SQL, for a session with SPARK_SETTINGS."""
    lowered = lower_for(tree, "spark")
    return lowered.sql(dialect=SparkWords, pretty=pretty, copy=False, normalize_functions=False, identify=True)


def duckdb_sql(tree: exp.Expr, pretty: bool = False) -> str:
    """The tree as DuckDB SQL that gives the same rows, for a connection with DUCKDB_SETTINGS."""
    lowered = lower_for(tree, "duckdb")
    return lowered.sql(dialect=DuckDBWords, pretty=pretty, copy=False, normalize_functions=False, identify=True)


def _ordered(this: str, node: exp.Ordered) -> str:
    descending = " DESC" if node.args.get("desc") else ""
    return f"{this}{descending} NULLS {'FIRST' if node.args.get('nulls_first') else 'LAST'}"


def lower_for(tree: exp.Expr, engine: Engine, largest: int = sys.maxsize) -> exp.Expr:
    """A copy of the tree, with every node replaced that the engine's dialect writes differently, leaves first.

    Raises TooLargeError if a part of it would have more than `largest` nodes.
    """
    rule: Lower = {"spark": spark_rules.lower, "duckdb": duckdb_rules.lower}[engine]
    holder = exp.Paren(this=copied(tree))
    for node in reversed(list(holder.this.walk(bfs=True))):
        replacement = rule(node)
        if replacement is node:
            continue
        if largest < sys.maxsize and next(islice(replacement.walk(), largest, None), None) is not None:
            raise TooLargeError
        if TYPE in node.meta:
            replacement.meta[TYPE] = node.meta[TYPE]
        put_in_place(node, replacement)
    lowered = holder.this
    assert isinstance(lowered, exp.Expr)
    return lowered
