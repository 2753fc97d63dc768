"""Rules that rewrite a tree for DuckDB, so that it gives the same rows as Spark."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from etlrun.language.calls import arguments_of, is_distinct
from etlrun.language.casts import duckdb_cast
from etlrun.language.columns import BIGINT, BOOLEAN, DATE, DOUBLE, INT, NULL, STRING, TIMESTAMP, Type, decimal
from etlrun.language.expressions import TYPE, cast
from etlrun.language.functions import common_type
from etlrun.language.functions.numbers import decimal_operand, division_by_zero, duckdb_remainder
from etlrun.language.lowering import (
    fill_call,
    folds,
    function_of,
    hang,
    kind_of,
    positive_zero,
    read_zero_alike,
    type_elements,
)
from etlrun.language.templates import duckdb, is_never_zero

RECAST = "etlrun.recast"  # the key in the `meta` of a call in a window or filter: the type to which the whole is cast


def lower(node: exp.Expr) -> exp.Expr:
    """The node in DuckDB's dialect; the node itself if it is the same there. Its children are already rewritten."""
    if isinstance(node, exp.Anonymous):
        return _call(node)
    rule = RULES.get(type(node))
    return rule(node) if rule else node


def _call(node: exp.Anonymous) -> exp.Expr:
    function = function_of(node)
    if function is None:
        return node
    if function.name == "nullif":
        return _nullif(*node.expressions)
    arguments, wanted = arguments_of(node), function.wants(len(arguments_of(node))) or ()
    widen(*(argument for argument, kind in zip(arguments, wanted, strict=False) if kind == "same"))
    for argument, detail in zip(arguments, wanted, strict=False):
        _type_null(argument, NULLS.get(detail.lstrip("="), NULL))
    type_elements(node, function, duckdb_cast)
    if function.picks or is_distinct(node):
        read_zero_alike(arguments_of(node), "duckdb")
    arguments = arguments_of(node)
    if function.name == "count" and len(arguments) > 1:
        return _count_of_several(arguments)
    filled = fill_call(node, function, function.duckdb, "duckdb")
    kind = kind_of(node)
    if not function.recast or kind == NULL:
        return filled
    if isinstance(node.parent, (exp.Window, exp.Filter, exp.IgnoreNulls)) and node.arg_key == "this":
        filled.meta[RECAST] = kind
        return filled
    return _recast(filled, kind)


def _nullif(value: exp.Expr, other: exp.Expr) -> exp.Expr:
    """The values are compared in their common type, and the result keeps its own: a bigint has more digits than a double."""
    kept = value.copy()
    equal = exp.EQ(this=value.copy(), expression=other.copy())
    widen(equal.this, equal.expression)
    for side in (equal.this, equal.expression):  # without parentheses, `a is null = b` is read differently
        if isinstance(side, (exp.Binary, exp.Predicate, exp.Not)):
            side.replace(exp.paren(side.copy(), copy=False))
    return duckdb("case when _1 then null else _2 end", equal, kept)


def _count_of_several(arguments: list[exp.Expr]) -> exp.Expr:
    """Count rows of distinct values, without rows that contain a null."""
    known = exp.and_(*(duckdb("_1 is not null", argument) for argument in arguments))
    row = exp.Anonymous(this="row", expressions=[argument.copy() for argument in arguments])
    value = exp.Case(ifs=[exp.If(this=known, true=row)])
    return exp.Anonymous(this="count", expressions=[exp.Distinct(expressions=[value])])


def widen(*operands: exp.Expr) -> Type:
    """Cast operands to their common type in place, and return it. DuckDB widens less, and depending on the values of literals."""
    types = [kind_of(operand) for operand in operands]
    shared = common_type(types) or common_type([*map(decimal_operand, operands, types)]) or NULL
    if shared == NULL or len(set(types)) == 1:
        return shared
    for operand, kind in zip(operands, types, strict=True):
        if kind not in (shared, NULL):
            replacement = duckdb_cast(operand, kind, shared)
            replacement.meta[TYPE] = shared
            operand.replace(replacement)
    return shared


def _type_null(node: exp.Expr, kind: Type) -> None:
    """Give a bare NULL the type that is expected in its position: DuckDB selects functions by it."""
    if isinstance(node, exp.Null) and kind != NULL:
        node.replace(_recast(node, kind))


def _text(node: exp.Expr) -> exp.Expr:
    for child in (node.this, node.expression):
        _type_null(child, STRING)
    return node


def _recast(node: exp.Expr, kind: Type) -> exp.Cast:
    return cast(node.copy(), kind)


def _cast(node: exp.Expr) -> exp.Expr:
    assert isinstance(node, exp.Cast)
    source, target = kind_of(node.this), kind_of(node)
    return (
        node if NULL in (source, target) else duckdb_cast(node.this, source, target, safe=isinstance(node, exp.TryCast))
    )


def _literal(node: exp.Expr) -> exp.Expr:
    """A decimal literal below 1 has one more digit in DuckDB."""
    kind = kind_of(node)
    is_small = kind.name == "decimal" and str(node.this).startswith(("0", "."))
    return _recast(node, kind) if is_small else node


def _negation(node: exp.Expr) -> exp.Expr:
    """DuckDB 2.0.1 reads the smallest INTEGER as the negation of a larger type, and widens the negation of a constant."""
    if isinstance(node.this, exp.Literal):
        return _recast(node.copy(), INT) if not node.this.is_string and node.this.this == SMALLEST_INT else node
    is_constant = kind_of(node).is_integer and node.this.find(exp.Column) is None
    return _recast(node.copy(), kind_of(node)) if is_constant else node


def _arithmetic(node: exp.Expr) -> exp.Expr:
    kind = kind_of(node)
    if kind.name != "decimal":
        widen(node.this, node.expression)
        return node
    for operand in (node.this, node.expression) if kind.precision > 18 else ():
        own = decimal_operand(operand, kind_of(operand))  # DuckDB gives two short decimals a short result
        operand.replace(_recast(operand, decimal(max(19, own.precision), own.scale)))
    return _recast(exp.paren(node.copy()), kind)


def _double(node: exp.Expr) -> exp.Expr:
    kind = kind_of(node)
    return node.copy() if kind == DOUBLE else duckdb_cast(node, kind, DOUBLE)


def _division(node: exp.Expr) -> exp.Expr:
    left, right = _double(node.this), _double(node.expression)
    if is_never_zero(node.expression):
        return duckdb("_1 / _2", left, right)
    return duckdb(f"_1 / case when _2 = 0 and _1 is not null then {division_by_zero(DOUBLE)} else _2 end", left, right)


def _whole_division(node: exp.Expr) -> exp.Expr:
    return duckdb(
        "_1 // _2",
        *(
            child.copy() if kind_of(child) == BIGINT else _recast(child, BIGINT)
            for child in (node.this, node.expression)
        ),
    )


def _remainder(node: exp.Expr) -> exp.Expr:
    types = (kind_of(node.this), kind_of(node.expression))
    widen(node.this, node.expression)
    lowered = duckdb_remainder((node.this, node.expression), types)
    kind = kind_of(node)
    return _recast(exp.paren(lowered), kind) if kind.name == "decimal" else lowered


def _widened(node: exp.Expr) -> exp.Expr:
    widen(*node.iter_expressions())
    return node


def _in(node: exp.Expr) -> exp.Expr:
    widen(node.this, *node.expressions)
    return node


def _case(node: exp.Expr) -> exp.Expr:
    branches = node.args["ifs"]
    if node.this:
        widen(node.this, *(branch.this for branch in branches))
    default = node.args.get("default")
    widen(*(branch.args["true"] for branch in branches), *([default] if default else []))
    return node


def _like(node: exp.Expr) -> exp.Expr:
    """DuckDB's LIKE has an escape character only with ESCAPE."""
    if "\\" not in str(node.expression.this) or isinstance(node.parent, exp.Escape):
        return node
    plain = exp.Like(this=node.this.copy(), expression=node.expression.copy())
    escaped = exp.Escape(this=plain, expression=exp.Literal.string("\\"))
    return exp.Not(this=escaped) if node.args.get("negate") else escaped


def _index(node: exp.Expr) -> exp.Expr:
    position = node.expressions[0]
    if kind_of(node.this).entry is not None:
        return duckdb("map_extract_value(_1, _2)", node.this, position)
    return duckdb(
        "list_extract(_1, case when _1 is null then null when _2 < 0 or _2 >= len(_1) then cast('there is no such element' as bigint) else _2 + 1 end)",
        node.this,
        position,
    )


def _select(node: exp.Expr) -> exp.Expr:
    """Grouped rows and distinct rows show 0.0 in place of -0.0, which is equal to it, as in Spark."""
    group = node.args.get("group")
    for key in list(group.expressions) if group else ():
        shown = positive_zero(key, kind_of(key), "duckdb")
        if shown is not key:
            _show_key(node, key.copy(), shown)
    if node.args.get("distinct"):
        _show_distinct(node)
    return node


def _show_key(select: exp.Expr, key: exp.Expr, shown: exp.Expr) -> None:
    """Replace a key by `shown` everywhere outside aggregates."""
    parts = [
        *select.expressions,
        *(select.args[name] for name in ("group", "having", "order") if select.args.get(name)),
    ]
    for part in parts:
        for found in list(part.walk(prune=folds)):
            if found == key:
                is_item = found.parent is select and found.arg_key == "expressions"
                found.replace(exp.alias_(shown.copy(), key.name, quoted=True) if is_item else shown.copy())


def _show_distinct(query: exp.Expr) -> None:
    """Write 0.0 for -0.0 in the result of a query."""
    if isinstance(query, exp.SetOperation):
        _show_distinct(query.this)
        _show_distinct(query.expression)
    elif isinstance(query, exp.Subquery):
        _show_distinct(query.this)
    for item in query.expressions if isinstance(query, exp.Select) else ():
        inner = item.this if isinstance(item, exp.Alias) else item
        shown = positive_zero(inner, kind_of(inner), "duckdb")
        if shown is not inner:
            inner.replace(exp.alias_(shown, item.alias_or_name, quoted=True) if inner is item else shown)


def _set_operation(node: exp.Expr) -> exp.Expr:
    if node.args.get("distinct") is not False:
        _show_distinct(node)
    return node


def _filter(node: exp.Expr) -> exp.Expr:
    condition, kind = node.expression, node.this.meta.get(RECAST)
    hung = hang(node.this.copy(), lambda call: exp.Filter(this=call, expression=condition.copy()))
    if kind is None:
        return hung
    if isinstance(node.parent, exp.Window):
        hung.meta[RECAST] = kind
        return hung
    return _recast(hung, kind)


def _ignore_nulls(node: exp.Expr) -> exp.Expr:
    """DuckDB writes IGNORE NULLS after the last argument."""
    called: exp.Expr = node.this.copy()
    last = called.expressions[-1]
    last.replace(exp.IgnoreNulls(this=last.copy()))
    return called


def _window(node: exp.Expr) -> exp.Expr:
    assert isinstance(node, exp.Window)
    kind = node.this.meta.get(RECAST)

    def over(call: exp.Expr) -> exp.Expr:
        window = node.copy()
        window.set("this", call)
        return window

    hung = hang(node.this.copy(), over)
    return hung if kind is None else _recast(hung, kind)


SMALLEST_INT = "2147483648"  # without its sign
NULLS = {
    "string": STRING,
    "integer": INT,
    "numeric": INT,
    "boolean": BOOLEAN,
    "double": DOUBLE,
    "date": DATE,
    "moment": DATE,
    "timestamp": TIMESTAMP,
    "clock": TIMESTAMP,
    "utc": TIMESTAMP,
}
RULES: dict[type[exp.Expr], Callable[[exp.Expr], exp.Expr]] = {
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Literal: _literal,
    exp.Neg: _negation,
    exp.Div: _division,
    exp.IntDiv: _whole_division,
    exp.Mod: _remainder,
    exp.DPipe: _text,
    exp.In: _in,
    exp.Case: _case,
    exp.Like: _like,
    exp.Bracket: _index,
    exp.Filter: _filter,
    exp.IgnoreNulls: _ignore_nulls,
    exp.Window: _window,
    exp.Select: _select,
    **dict.fromkeys((exp.Union, exp.Intersect, exp.Except), _set_operation),
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul), _arithmetic),
    **dict.fromkeys((exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor), _widened),
    **dict.fromkeys(
        (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between), _widened
    ),
}
