"""Type rules of function calls, their windows and their filters."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from etlrun.diagnostics import nearest
from etlrun.language.checking import Checker, Rule, typed_null
from etlrun.language.columns import BIGINT, BOOLEAN, DATE, NULL, TIMESTAMP, TIMESTAMPTZ, Type
from etlrun.language.comparisons import comparable
from etlrun.language.expressions import TYPE
from etlrun.language.frames import FRAMED, check_frame
from etlrun.language.functions import FUNCTIONS, Function, common_type
from etlrun.language.functions.left_out import ELSEWHERE, NOT_DETERMINISTIC, NOT_EQUAL, NOT_SAFE
from etlrun.language.functions.other_arguments import with_other_arguments
from etlrun.language.grammar import detail
from etlrun.language.moment_literals import as_moment, has_offset
from etlrun.language.operators import key_of_map
from etlrun.language.templates import text_of, whole_of

_DAYS = ("to_date", "try_to_date")
# Compared as text, on every engine.
_WRITTEN_ALIKE = ("tinyint", "smallint", "int", "bigint", "decimal", "boolean", "date")
_A = {
    "string": "text",
    "integer": "an integer",
    "numeric": "a number",
    "boolean": "a condition",
    "date": "a date",
    "timestamp": "a timestamp",
    "clock": "a timestamp or timestamptz",
    "utc": "a timestamptz, or a timestamp in UTC,",
    "moment": "a date or timestamp",
    "array": "an array",
    "map": "a map",
    "orderable": "a value that has an order",
    "double": "a double",
}
_GREATEST = 2**31 - 1  # of a literal that counts digits
_UNORDERED = ("collect_set", "collect_list")


def visit_call(checker: Checker, node: exp.Expr) -> Type:
    assert isinstance(node, exp.Anonymous)
    function = FUNCTIONS.get(node.name.lower())
    if function is None:
        for argument in node.expressions:
            if not isinstance(argument, (exp.Star, exp.Lambda, exp.Distinct, exp.Query)):
                checker.visit(argument)
        return _unknown(checker, node)
    if function.name in OF_MAPS and node.expressions and _type_alone(checker, node.expressions[0]).entry is not None:
        of_map = OF_MAPS[function.name](node)
        of_map.meta.update(node.meta)
        node.replace(of_map)
        return checker.visit(of_map)
    _place(checker, node, function)
    return _typed(checker, node, function)


def _type_alone(checker: Checker, node: exp.Expr) -> Type:
    """The type of an argument, without storing it in the node."""
    return replace(checker, problems=[]).visit(exp.Paren(this=node.copy()))


def _value_of_key(node: exp.Anonymous) -> exp.Expr:
    return exp.Bracket(this=node.expressions[0].copy(), expressions=[part.copy() for part in node.expressions[1:]])


def _size_of_keys(node: exp.Anonymous) -> exp.Expr:
    keys = exp.Anonymous(this="map_keys", expressions=[part.copy() for part in node.expressions])
    return exp.Anonymous(this="size", expressions=[keys])


OF_MAPS = {"element_at": _value_of_key, "try_element_at": _value_of_key, "size": _size_of_keys}
"""Functions of arrays that take maps, too, and what they are there."""


def _unknown(checker: Checker, node: exp.Anonymous) -> Type:
    name = node.name.lower()
    message, fix = f"there is no function `{node.name}`", nearest(name, tuple(FUNCTIONS))
    if name in ELSEWHERE:
        fix = ELSEWHERE[name]
    elif name in NOT_DETERMINISTIC:
        message, fix = f"`{node.name}` can give a different result in every run", NOT_DETERMINISTIC[name]
    elif name in NOT_EQUAL:
        message, fix = f"`{node.name}` gives different results on different engines", NOT_EQUAL[name]
    elif name in NOT_SAFE:
        message, fix = f"`{node.name}` is not allowed: an expression cannot run code, read files or stop a run", ""
    return checker.complain(node, "unknown-function", message, fix, whole=False)


def _place(checker: Checker, node: exp.Anonymous, function: Function) -> None:
    """Report a call that is not allowed where it is."""
    if function.kind == "window" and not checker.in_window:
        fix = (
            f"use `{'max_by' if function.name == 'last_value' else 'min_by'}(value, order)`"
            if function.name in FRAMED
            else ""
        )
        checker.complain(node, "not-allowed-here", f"`{node.name}` needs `over (order by ...)`", fix, whole=False)
    if function.kind == "scalar" and checker.in_window:
        checker.complain(
            node, "not-allowed-here", f"`{node.name}` uses a single row, so it cannot have `over`", whole=False
        )
    if function.kind == "aggregate" and checker.in_aggregate and not checker.in_window:
        checker.complain(node, "not-allowed-here", f"`{node.name}` is inside another aggregate", whole=False)
    if function.name in _UNORDERED:
        parent = node.parent
        while isinstance(parent, (exp.Paren, exp.Window, exp.Filter)):
            parent = parent.parent
        outer = FUNCTIONS.get(parent.name.lower()) if isinstance(parent, exp.Anonymous) else None
        if outer is None or outer.name not in ("sort_array", "size"):
            fix = f"write sort_array({function.name}(...))"
            checker.complain(
                node,
                "no-total-order",
                f"`{node.name}` can give its values in a different order in every run",
                fix,
                whole=False,
            )


def _typed(checker: Checker, node: exp.Anonymous, function: Function) -> Type:
    arguments = arguments_of(node)
    distinct = is_distinct(node)
    if distinct and (not function.distinct or checker.in_window):
        place = " over a window" if function.distinct else ""
        is_count = function.name == "count" and len(arguments) == 1
        fix = f"write size(collect_set({detail(arguments[0])}) over (...))" if place and is_count else ""
        checker.complain(node, "not-allowed-here", f"`{node.name}` has no `distinct`{place}", fix, whole=False)
    if function.name == "count" and len(arguments) == 1 and isinstance(arguments[0], exp.Star):
        if any(arguments[0].args.values()):
            checker.complain(node, "wrong-arguments", "`count(*)` counts rows", "leave `except` out", whole=False)
        return BIGINT
    if function.name == "count" and not arguments or len(arguments) > 1 and function.name == "count" and not distinct:
        return checker.complain(
            node, "wrong-arguments", "`count` takes `*`, one value, or `distinct` and several", whole=False
        )
    outside, in_window = checker.in_aggregate, checker.in_window
    checker.in_aggregate, checker.in_window = outside or (function.kind == "aggregate" and not in_window), False
    types = _argument_types(checker, node, function, arguments)
    checker.in_aggregate, checker.in_window = outside, in_window
    if types is None:
        return NULL
    result = function.result(arguments_of(node), types)
    if result.holds_instants:
        message, fix = (
            f"`{node.name}` cannot put a timestamptz into an array",
            "cast it to string first",
        )
        return checker.complain(node, "type-mismatch", message, fix, whole=False)
    return result


def arguments_of(node: exp.Anonymous) -> list[exp.Expr]:
    """The arguments of a call, including those after `distinct`."""
    arguments = list(node.expressions)
    return (
        list(arguments[0].expressions) if len(arguments) == 1 and isinstance(arguments[0], exp.Distinct) else arguments
    )


def is_distinct(node: exp.Anonymous) -> bool:
    """Whether the call has `distinct`."""
    return len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Distinct)


def _argument_types(
    checker: Checker, node: exp.Anonymous, function: Function, arguments: list[exp.Expr]
) -> tuple[Type, ...] | None:
    wanted = function.wants(len(arguments))
    if wanted is None:
        count = f"{len(arguments)} argument{'' if len(arguments) == 1 else 's'}"
        message = f"`{node.name}` takes {function.signature()}, not {count}"
        fix = with_other_arguments(node.name.lower(), [detail(argument) for argument in arguments])
        checker.complain(node, "wrong-arguments", message, fix, whole=False)
        return None
    before = len(checker.problems)
    same = [argument for argument, kind in zip(arguments, wanted, strict=True) if kind == "same"]
    if same:
        comparable(checker, same, node)
    for position, (argument, kind) in enumerate(zip(arguments, wanted, strict=True)):
        if kind != "same":
            _argument(checker, node, argument, kind, arguments[:position])
    if len(checker.problems) > before:
        return None
    current = arguments_of(node)
    types = tuple(argument.meta.get(TYPE, NULL) for argument in current)
    for argument, kind in zip(current, types, strict=True):
        if not kind.is_groupable and is_distinct(node):
            message = f"`{node.name}` compares values, and {kind} cannot be compared for equality on every engine"
            checker.complain(argument, "type-mismatch", message, "compare its elements or fields")
            return None
    complaint = function.verify(current, types) if function.verify else None
    if complaint is None:
        return types
    place = current[complaint.position] if complaint.position < len(current) else node
    checker.complain(place, complaint.code, f"`{node.name}`: {complaint.message}", complaint.fix)
    return None


def _argument(checker: Checker, node: exp.Anonymous, argument: exp.Expr, kind: str, before: list[exp.Expr]) -> None:
    if kind.startswith("=") and not isinstance(argument, (exp.Literal, exp.Boolean)) and whole_of(argument) is None:
        fix = "write the value itself, without brackets, columns or functions"
        checker.complain(argument, "wrong-arguments", f"`{node.name}` needs a literal here", fix)
    if kind == "=integer" and abs(whole_of(argument) or 0) > _GREATEST:
        checker.complain(argument, "wrong-arguments", f"`{node.name}` takes a number up to {_GREATEST} here")
    found = checker.visit(argument)
    kind = kind.lstrip("=")
    if kind == "clock":
        found = as_moment(checker, argument, found, TIMESTAMPTZ if has_offset(argument) else TIMESTAMP)
    if kind in ("date", "moment", "timestamp"):
        has_clock = len(text_of(argument) or "") > len("2022-04-30")
        found = as_moment(
            checker, argument, found, TIMESTAMP if kind == "timestamp" or has_clock and kind == "moment" else DATE
        )
    if kind == "key":
        key_of_map(checker, argument, found, before[-1].meta.get(TYPE, NULL))
    elif kind == "element":
        element = before[-1].meta.get(TYPE, NULL).element or NULL
        if element != NULL and common_type((element, found)) not in (element, NULL):
            checker.complain(
                argument,
                "type-mismatch",
                f"the elements of the array are {element}, but this is {found}",
                f"cast it to {element}"
                if not element.is_nested
                else "turn each element into a row with `explode`, and compare its fields",
            )
    elif not accepts(kind, found):
        fix = _fitting(node.name.lower(), detail(argument), kind, found)
        checker.complain(argument, "type-mismatch", f"`{node.name}` needs {_A[kind]} here, but this is {found}", fix)


def _fitting(name: str, argument: str, kind: str, found: Type) -> str:
    """What to write for an argument of the wrong type."""
    clock = f"from_utc_timestamp({argument}, 'Asia/Ho_Chi_Minh')"
    if found == TIMESTAMPTZ and name in _DAYS:
        return f"name the time zone: cast({clock} as date), or 'UTC'"
    if found == TIMESTAMPTZ and kind in ("moment", "timestamp", "date"):
        return f"name the time zone: {clock}, or 'UTC'"
    if found == TIMESTAMP and name in _DAYS:
        return f"write cast({argument} as date)"
    if found == DATE and kind in ("timestamp", "clock", "utc"):
        return f"write cast({argument} as timestamp)"
    if found == BOOLEAN and kind == "numeric":
        return f"write count_if({argument})" if name == "sum" else f"write {name}(if({argument}, 1, 0))"
    return f"write cast({argument} as string)" if kind == "string" and found.name in _WRITTEN_ALIKE else ""


def accepts(wanted: str, found: Type) -> bool:
    """Whether an argument of type `found` is accepted where the table of functions expects `wanted`."""
    if wanted == "any" or found == NULL:
        return True
    if wanted == "integer":
        return found.is_integer
    if wanted == "numeric":
        return found.is_numeric
    if wanted == "moment":
        return found in (DATE, TIMESTAMP)
    if wanted in ("clock", "utc"):
        return found in (TIMESTAMP, TIMESTAMPTZ)
    if wanted == "orderable":
        return found.is_orderable
    return found.name == wanted


def visit_match(checker: Checker, node: exp.Expr) -> Type:
    """`text rlike 'pattern'` is the call rlike(text, 'pattern')."""
    matching = exp.Anonymous(this="rlike", expressions=[node.this, node.expression])
    matching.meta.update(node.meta)
    node.replace(matching)
    return checker.visit(matching)


def visit_window(checker: Checker, node: exp.Expr) -> Type:
    assert isinstance(node, exp.Window)
    order = node.args.get("order")
    called = node.this.this if isinstance(node.this, (exp.Filter, exp.IgnoreNulls)) else node.this
    function = FUNCTIONS.get(called.name.lower())
    if checker.in_aggregate or checker.in_over:
        what = "another window" if checker.in_over else "an aggregate"
        fix = "put it into a subquery first"
        checker.complain(node, "not-allowed-here", f"a window is not allowed inside {what}", fix)
    outside = checker.in_window, checker.in_over
    checker.in_window, checker.in_over = False, True
    for part in [*node.args.get("partition_by", ()), *((item.this for item in order.expressions) if order else ())]:
        kind = checker.visit(part)
        if not kind.is_orderable:
            checker.complain(part, "type-mismatch", f"{kind} has no order", "order by its elements or fields")
    if function is not None and function.ordered and not order:
        checker.complain(
            node, "no-total-order", f"`{function.name}` needs `order by`: without it the answer depends on row order"
        )
    if function is not None:
        check_frame(checker, node, function)
    checker.in_window = True
    kind = checker.visit(node.this)
    checker.in_window, checker.in_over = outside
    return kind


def visit_ignore_nulls(checker: Checker, node: exp.Expr) -> Type:
    """`last_value(x) ignore nulls`: rows with nulls are skipped."""
    function = FUNCTIONS.get(node.this.name.lower())
    if function is not None and not function.skips_nulls:
        fix = "leave it out" + (": aggregates ignore nulls" if function.kind == "aggregate" else "")
        message = f"`{function.name}` takes no `ignore nulls`"
        return checker.complain(node.this, "not-allowed-here", message, fix, whole=False)
    return checker.visit(node.this)


def visit_filter(checker: Checker, node: exp.Expr) -> Type:
    outside = checker.in_window, checker.in_aggregate
    checker.in_window, checker.in_aggregate = False, True
    condition = checker.visit(node.expression.this)
    checker.in_window, checker.in_aggregate = outside
    if condition not in (BOOLEAN, NULL):
        checker.complain(
            node.expression, "type-mismatch", f"`filter (where ...)` needs a condition, but this is {condition}"
        )
    if isinstance(node.expression.this, exp.Null):
        checker.complain(node.expression.this, "type-mismatch", "`null` alone has no type", typed_null(BOOLEAN))
    function = FUNCTIONS.get(node.this.name.lower()) if isinstance(node.this, exp.Anonymous) else None
    if function is None or function.kind != "aggregate":
        return checker.complain(node, "not-allowed-here", "`filter (where ...)` follows an aggregate")
    return checker.visit(node.this)


CALLS: dict[type[exp.Expr], Rule] = {
    exp.Anonymous: visit_call,
    exp.RegexpLike: visit_match,
    exp.Window: visit_window,
    exp.Filter: visit_filter,
    exp.IgnoreNulls: visit_ignore_nulls,
}
