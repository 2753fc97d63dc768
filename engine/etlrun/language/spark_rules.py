"""How Spark says what the tree says: its own words, but for divisions, doubles as means, and patterns."""

from __future__ import annotations

from sqlglot import exp

from etlrun.language.calls import arguments_of, is_distinct
from etlrun.language.casts import spark_cast
from etlrun.language.columns import BIGINT, BOOLEAN, INT, NULL, STRING, array, decimal
from etlrun.language.expressions import TYPE, cast
from etlrun.language.functions import Function
from etlrun.language.functions.numbers import is_long, spark_negation
from etlrun.language.lowering import fill_call, function_of, hang, kind_of, read_zero_alike
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
    if isinstance(node, exp.Case):
        return _case(node)
    if isinstance(node, exp.Neg) and is_long(kind_of(node.this)):
        return spark_negation(node.this, kind_of(node.this))
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Mod)) and kind_of(node).name == "decimal":
        return _decimals(node)
    if isinstance(node, exp.Bracket):
        return _index(node)
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
    _type_nulls(node, function)
    if function.picks or is_distinct(node):
        read_zero_alike(arguments_of(node), "spark")
    return fill_call(node, function, function.spark, "spark")


def _type_nulls(node: exp.Anonymous, function: Function) -> None:
    """Give a bare NULL in the place of an array or of its element a type, which Spark asks for."""
    arguments = arguments_of(node)
    element = STRING
    for argument, wanted in zip(arguments, function.wants(len(arguments)) or (), strict=False):
        kind = kind_of(argument)
        if wanted == "array":
            element = kind.element or STRING
        if wanted in ("array", "element") and kind == NULL:
            argument.replace(cast(argument.copy(), array(element) if wanted == "array" else element))


def _case(node: exp.Expr) -> exp.Expr:
    """A condition that is a bare NULL gets its type, which Spark asks for."""
    for branch in node.args["ifs"]:
        if not node.args.get("this") and kind_of(branch.this) == NULL:
            branch.this.replace(cast(branch.this.copy(), BOOLEAN))
    return node


def _decimals(node: exp.Expr) -> exp.Expr:
    """A bare NULL beside a decimal has one digit: Spark would give it as many as the other operand, and the result more."""
    for operand in (node.this, node.expression):
        if kind_of(operand) == NULL:
            operand.replace(cast(operand.copy(), decimal(1, 0)))
    return node


def _index(node: exp.Expr) -> exp.Expr:
    """Spark cuts a position to 32 bits, unless it is cast."""
    position = node.expressions[0]
    if kind_of(position) == BIGINT:
        position.replace(cast(position.copy(), INT))
    return node


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
