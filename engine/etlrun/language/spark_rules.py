"""How Spark says what the tree says: its own words, but for divisions, doubles as means, and patterns."""

from __future__ import annotations

from sqlglot import exp

from etlrun.language.casts import spark_cast
from etlrun.language.expressions import TYPE
from etlrun.language.lowering import fill_call, function_of, hang, kind_of
from etlrun.language.templates import spark


def lower(node: exp.Expr) -> exp.Expr:
    """The node in Spark's words; the node itself where they are the same. Its children are lowered already."""
    if isinstance(node, exp.Div):
        return spark("cast(_1 as double) / cast(_2 as double)", node.this, node.expression)
    if isinstance(node, exp.Cast) and isinstance(node.this, (exp.Anonymous, exp.DPipe, exp.Case, exp.Paren)):
        return (
            spark_cast(node.this, kind_of(node.this), kind_of(node), safe=isinstance(node, exp.TryCast))
            if TYPE in node.meta
            else node
        )
    if isinstance(node, exp.NullSafeNEQ):
        return spark("not (_1 <=> _2)", node.this, node.expression)
    if isinstance(node, exp.Filter):
        condition = node.expression
        return hang(node.this.copy(), lambda call: exp.Filter(this=call, expression=condition.copy()))
    if isinstance(node, exp.Select):
        return _elements(node)
    if isinstance(node, exp.Window):
        return hang(node.this.copy(), lambda call: _over(node, call))
    function = function_of(node)
    if function is None:
        return node
    assert isinstance(node, exp.Anonymous)
    return fill_call(node, function, function.spark, "spark")


def _over(node: exp.Window, call: exp.Expr) -> exp.Window:
    window = node.copy()
    window.set("this", call)
    return window


def _elements(node: exp.Select) -> exp.Select:
    """`JOIN UNNEST(array) WITH ORDINALITY` is LATERAL VIEW POSEXPLODE in Spark, which counts from 0."""
    for join in [item for item in node.args.get("joins") or () if isinstance(item.this, exp.Unnest)]:
        unnest = join.this
        position = unnest.args["offset"]
        for place in list(node.find_all(exp.Column)):
            if place.name == position.name:
                place.replace(exp.paren(exp.Add(this=place.copy(), expression=exp.Literal.number(1)), copy=False))
        alias = exp.TableAlias(this=unnest.args["alias"].this, columns=[position, *unnest.args["alias"].columns])
        view = exp.Lateral(
            this=exp.Anonymous(this="POSEXPLODE", expressions=unnest.expressions),
            view=True,
            outer=join.side == "LEFT",
            alias=alias,
        )
        join.pop()
        node.append("laterals", view)
    return node
