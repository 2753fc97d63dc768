"""From one checked tree to the SQL of an engine: the only place where the engines' words differ."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from etlrun.language.columns import BIGINT, DOUBLE, Type
from etlrun.language.expressions import TYPE, Language
from etlrun.language.functions import FUNCTIONS, Template


class DuckDBWords(DuckDB):
    """DuckDB's grammar with every function name left as written, for templates."""

    class Parser(DuckDB.Parser):
        FUNCTIONS = {}
        FUNCTION_PARSERS = {name: parser for name, parser in DuckDB.Parser.FUNCTION_PARSERS.items() if name in ("CAST", "TRY_CAST")}
        NO_PAREN_FUNCTION_PARSERS = {"CASE": DuckDB.Parser.NO_PAREN_FUNCTION_PARSERS["CASE"]}


def spark_sql(tree: exp.Expr, pretty: bool = False) -> str:
    """The tree as Spark 4 SQL."""
    lowered = _rewrite(tree.copy(), _spark_call, SPARK_RULES)
    return lowered.sql(dialect="spark", pretty=pretty, normalize_functions=False)


def duckdb_sql(tree: exp.Expr, pretty: bool = False) -> str:
    """The tree as DuckDB SQL that gives the same rows."""
    lowered = _rewrite(tree.copy(), _duckdb_call, DUCKDB_RULES)
    return lowered.sql(dialect="duckdb", pretty=pretty, normalize_functions=False)


Rules = dict[type[exp.Expr], Callable[[exp.Expr], exp.Expr]]


def _rewrite(tree: exp.Expr, call: Callable[[exp.Anonymous], exp.Expr], rules: Rules) -> exp.Expr:
    """Replace, leaves first, every node that the engine says differently."""
    for node in reversed(list(tree.walk(bfs=True))):
        kind = node.meta.get(TYPE)
        replacement = node
        if isinstance(node, exp.Anonymous):
            replacement = call(node)
        elif type(node) in rules:
            replacement = rules[type(node)](node)
        if replacement is node:
            continue
        if kind is not None:
            replacement.meta[TYPE] = kind
        if node is tree:
            tree = replacement
        else:
            node.replace(replacement)
    return tree


def _spark_call(node: exp.Anonymous) -> exp.Expr:
    function = FUNCTIONS.get(node.name.lower())
    return node if function is None or function.spark is None else _fill(function.spark, node, "spark")


def _duckdb_call(node: exp.Anonymous) -> exp.Expr:
    function = FUNCTIONS.get(node.name.lower())
    if node.name.lower() == "sum" and node.meta.get(TYPE) is not None:
        return exp.cast(node.copy(), _words(node.meta[TYPE]))
    return node if function is None or function.duckdb is None else _fill(function.duckdb, node, "duckdb")


def _words(kind: Type) -> exp.DataType:
    from etlrun.language.expressions import data_type

    return data_type(kind)


def _fill(template: Template, node: exp.Anonymous, dialect: str) -> exp.Expr:
    types = tuple(argument.meta.get(TYPE) for argument in node.expressions)
    if not isinstance(template, str):
        return template(node.expressions, types)  # type: ignore[arg-type]
    tree = _template(template, dialect).copy()
    for place in list(tree.find_all(exp.Column)):
        name = place.name
        if name.startswith("_") and name[1:].isdigit():
            place.replace(node.expressions[int(name[1:]) - 1].copy())
    return tree


@cache
def _template(text: str, dialect: str) -> exp.Expr:
    found = (DuckDBWords() if dialect == "duckdb" else Language()).parse(text)[0]
    assert found is not None
    return found


def _duckdb_division(node: exp.Expr) -> exp.Expr:
    tree = _template("case when _2 = 0 then error('division by zero') else cast(_1 as double) / cast(_2 as double) end", "duckdb").copy()
    return _fill_operands(tree, node)


def _fill_operands(tree: exp.Expr, node: exp.Expr) -> exp.Expr:
    for place in list(tree.find_all(exp.Column)):
        if place.name in ("_1", "_2"):
            place.replace((node.this if place.name == "_1" else node.expression).copy())
    return tree


def _spark_division(node: exp.Expr) -> exp.Expr:
    return _fill_operands(_template("cast(_1 as double) / cast(_2 as double)", "spark").copy(), node)


def _spark_elements(node: exp.Expr) -> exp.Expr:
    """`JOIN UNNEST(array) WITH ORDINALITY` is LATERAL VIEW POSEXPLODE in Spark, which counts from 0."""
    for join in [item for item in node.args.get("joins") or () if isinstance(item.this, exp.Unnest)]:
        unnest = join.this
        position = unnest.args["offset"]
        for place in list(node.find_all(exp.Column)):
            if place.name == position.name:
                place.replace(exp.paren(exp.Add(this=place.copy(), expression=exp.Literal.number(1)), copy=False))
        alias = exp.TableAlias(this=unnest.args["alias"].this, columns=[position, *unnest.args["alias"].columns])
        view = exp.Lateral(this=exp.Anonymous(this="POSEXPLODE", expressions=unnest.expressions), view=True, outer=join.side == "LEFT", alias=alias)
        join.pop()
        node.append("laterals", view)
    return node


def _around_calls(node: exp.Expr) -> exp.Expr:
    """Put OVER and FILTER back around the call itself, where the engine's words for it wrapped a cast or more around it."""
    if _is_call_over_rows(node.this):
        return node
    holder = exp.Paren(this=node.this.copy())
    for found in list(holder.walk(prune=_is_call_over_rows)):
        if _is_call_over_rows(found):
            wrapped = node.copy()
            wrapped.set("this", found.copy())
            found.replace(wrapped)
    return holder.this.pop()  # type: ignore[no-any-return]


def _is_call_over_rows(node: exp.Expr) -> bool:
    if isinstance(node, (exp.Filter, exp.Window)):
        return True
    function = FUNCTIONS.get(node.name.lower()) if isinstance(node, exp.Anonymous) else None
    return isinstance(node, exp.Anonymous) and (function is None or function.kind != "scalar")


SPARK_RULES: Rules = {exp.Div: _spark_division, exp.Select: _spark_elements, exp.Window: _around_calls, exp.Filter: _around_calls}
DUCKDB_RULES: Rules = {exp.Div: _duckdb_division, exp.Window: _around_calls, exp.Filter: _around_calls}

_ = (BIGINT, DOUBLE)
