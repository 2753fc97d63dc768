"""Rules that rewrite a tree for Spark. Most of it is Spark SQL already, except divisions, means of doubles and patterns."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from etlrun.language.calls import arguments_of, is_distinct
from etlrun.language.casts import spark_cast
from etlrun.language.columns import BIGINT, BOOLEAN, DOUBLE, INT, NULL, decimal
from etlrun.language.expressions import TYPE, cast
from etlrun.language.frames import with_one_unit
from etlrun.language.functions import as_decimal
from etlrun.language.functions.numbers import is_long, spark_negation
from etlrun.language.lowering import fill_call, function_of, hang, kind_of, read_zero_alike, type_elements
from etlrun.language.templates import spark, whole_of


def lower(node: exp.Expr) -> exp.Expr:
    """The node in Spark's dialect; the node itself if it is the same there. Its children are already rewritten."""
    if isinstance(node, exp.Anonymous):
        return _call(node)
    rule = RULES.get(type(node))
    return rule(node) if rule else node


def _call(node: exp.Anonymous) -> exp.Expr:
    function = function_of(node)
    if function is None:
        return node
    arguments = arguments_of(node)
    for argument, wanted in zip(arguments, function.wants(len(arguments)) or (), strict=False):
        if wanted == "boolean" and isinstance(argument, exp.Null):
            argument.replace(cast(argument.copy(), BOOLEAN))
    type_elements(node, function, spark_cast)
    if function.picks or is_distinct(node):
        read_zero_alike(arguments_of(node), "spark")
    return fill_call(node, function, function.spark, "spark")


def _division(node: exp.Expr) -> exp.Expr:
    return spark("cast(_1 as double) / cast(_2 as double)", node.this, node.expression)


def _cast(node: exp.Expr) -> exp.Expr:
    if TYPE in node.meta and kind_of(node).name == "float" and kind_of(node.this) in (INT, BIGINT):
        # Spark shortens a cast from integer to float to double into one cast to double, which loses the rounding of the float.
        node.this.replace(cast(node.this.copy(), DOUBLE))
        return node
    if TYPE not in node.meta:
        return node
    return spark_cast(node.this, kind_of(node.this), kind_of(node), safe=isinstance(node, exp.TryCast))


def _unequal(node: exp.Expr) -> exp.Expr:
    return spark("not (_1 <=> _2)", node.this, node.expression)


def _negation(node: exp.Expr) -> exp.Expr:
    return spark_negation(node.this, kind_of(node.this)) if is_long(kind_of(node.this)) else node


def _comparison(node: exp.Expr) -> exp.Expr:
    """For a literal beyond bigint, Spark evaluates `n < 1e30` as true even if the integer `n` is null."""
    operands = list(node.iter_expressions())
    kinds = [kind_of(operand) for operand in operands]
    if any(kind.name == "decimal" and kind.precision - kind.scale > 18 for kind in kinds):
        for operand, kind in zip(operands, kinds, strict=True):
            if kind.is_integer:
                operand.replace(cast(operand.copy(), as_decimal(kind)))
    return node


def _filter(node: exp.Expr) -> exp.Expr:
    condition = node.expression
    if isinstance(node.parent, exp.Window):
        return hang(node.this.copy(), lambda call: _only_where(call, condition.this))
    return hang(node.this.copy(), lambda call: exp.Filter(this=call, expression=condition.copy()))


def _only_where(call: exp.Expr, condition: exp.Expr) -> exp.Expr:
    """Write an aggregate with FILTER without it: Spark cannot run it over a window if the condition is never true."""
    value = call.expressions[0]
    kept = exp.Literal.number(1) if isinstance(value, exp.Star) else value.copy()
    value.replace(exp.Case(ifs=[exp.If(this=condition.copy(), true=kept)]))
    return call


def _case(node: exp.Expr) -> exp.Expr:
    """Give a condition that is a bare NULL its type, which Spark requires."""
    for branch in node.args["ifs"]:
        if not node.args.get("this") and kind_of(branch.this) == NULL:
            branch.this.replace(cast(branch.this.copy(), BOOLEAN))
    return node


def _decimals(node: exp.Expr) -> exp.Expr:
    """Give a bare NULL next to a decimal one digit: Spark would give it as many as the other operand, and the result more."""
    for operand in (node.this, node.expression) if kind_of(node).name == "decimal" else ():
        if kind_of(operand) == NULL:
            operand.replace(cast(operand.copy(), decimal(1, 0)))
    return node


def _index(node: exp.Expr) -> exp.Expr:
    """Rewrite `array[i]`: Spark truncates a position to 32 bits unless it is cast, and assumes a non-null element if only the position may be null."""
    position = node.expressions[0]
    if kind_of(node.this).entry is not None:
        return spark("try_element_at(_1, _2)", node.this, position)
    if whole_of(position) is not None:
        return node
    place = cast(position.copy(), INT) if kind_of(position) == BIGINT else position
    return spark("case when _1 is not null then _2[_3] end", position, node.this, place)


def _window(node: exp.Expr) -> exp.Expr:
    assert isinstance(node, exp.Window)
    return hang(node.this.copy(), lambda call: _over(node, call))


def _over(node: exp.Window, call: exp.Expr) -> exp.Window:
    window = node.copy()
    window.set("this", call)
    if isinstance(frame := window.args.get("spec"), exp.WindowSpec):
        window.set("spec", with_one_unit(frame))
    return window


def _elements(node: exp.Expr) -> exp.Expr:
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


RULES: dict[type[exp.Expr], Callable[[exp.Expr], exp.Expr]] = {
    exp.Div: _division,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Case: _case,
    exp.Neg: _negation,
    exp.Bracket: _index,
    exp.NullSafeNEQ: _unequal,
    exp.Filter: _filter,
    exp.Window: _window,
    exp.Select: _elements,
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Mod), _decimals),
    **dict.fromkeys((exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between), _comparison),
}
