"""From one checked tree to the SQL of an engine: the only place where the engines' words differ."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.dialects.spark import Spark
from sqlglot.generators.duckdb import DuckDBGenerator
from sqlglot.generators.spark import SparkGenerator

from etlrun.language import duckdb_rules, spark_rules
from etlrun.language.expressions import TYPE
from etlrun.language.templates import put_in_place

# What the equality of the engines relies on: each engine sets these before it runs a statement.
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
    """Spark's SQL with the place of nulls always written out."""

    class Generator(SparkGenerator):
        def literal_sql(self, expression: exp.Literal) -> str:
            # Spark puts variables of the process into `${...}`, inside texts too.
            text = super().literal_sql(expression)
            return text.replace("${", "$\\{") if expression.is_string else text

        def ordered_sql(self, expression: exp.Ordered) -> str:
            return _ordered(self.sql(expression, "this"), expression)


class DuckDBWords(DuckDB):
    """DuckDB's SQL with the place of nulls always written out."""

    class Generator(DuckDBGenerator):
        def ordered_sql(self, expression: exp.Ordered) -> str:
            return _ordered(self.sql(expression, "this"), expression)


def spark_sql(tree: exp.Expr, pretty: bool = False) -> str:
    """The tree as Spark 4 SQL, for a session with SPARK_SETTINGS."""
    lowered = _lower(tree, spark_rules.lower)
    return lowered.sql(dialect=SparkWords, pretty=pretty, normalize_functions=False, identify=True)


def duckdb_sql(tree: exp.Expr, pretty: bool = False) -> str:
    """The tree as DuckDB SQL that gives the same rows, for a connection with DUCKDB_SETTINGS."""
    lowered = _lower(tree, duckdb_rules.lower)
    return lowered.sql(dialect=DuckDBWords, pretty=pretty, normalize_functions=False, identify=True)


def _ordered(this: str, node: exp.Ordered) -> str:
    descending = " DESC" if node.args.get("desc") else ""
    return f"{this}{descending} NULLS {'FIRST' if node.args.get('nulls_first') else 'LAST'}"


def _lower(tree: exp.Expr, rule: Lower) -> exp.Expr:
    """A copy of the tree with every node that the engine says differently replaced, leaves first."""
    holder = exp.Paren(this=tree.copy())
    for node in reversed(list(holder.this.walk(bfs=True))):
        replacement = rule(node)
        if replacement is node:
            continue
        if TYPE in node.meta:
            replacement.meta[TYPE] = node.meta[TYPE]
        put_in_place(node, replacement)
    lowered = holder.this
    assert isinstance(lowered, exp.Expr)
    return lowered
