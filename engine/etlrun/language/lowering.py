"""Shared by the rules of all engines: rewrites function calls, and adds a window or filter to the SQL that replaces an aggregate."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlglot import exp

from etlrun.language.calls import arguments_of
from etlrun.language.columns import FRACTIONS, NULL, STRING, Type, array
from etlrun.language.expressions import TYPE, cast
from etlrun.language.functions import FUNCTIONS, Function
from etlrun.language.functions.function import Template
from etlrun.language.templates import Engine, fill

# The engines' names of aggregates and window functions; a template may contain several of them.
FOLDING = frozenset((*(name for name, row in FUNCTIONS.items() if row.kind != "scalar"), "list"))


def kind_of(node: exp.Expr) -> Type:
    """The type that checking gave to `node`; null if it was never checked."""
    kind = node.meta.get(TYPE, NULL)
    assert isinstance(kind, Type)
    return kind


def function_of(node: exp.Expr) -> Function | None:
    return FUNCTIONS.get(node.name.lower()) if isinstance(node, exp.Anonymous) else None


def fill_call(node: exp.Anonymous, function: Function, template: Template | None, engine: Engine) -> exp.Expr:
    """The call in the engine's SQL; without a template, the same name with the same arguments."""
    if template is None:
        return (
            node
            if node.this == function.name
            else exp.Anonymous(this=function.name, expressions=[part.copy() for part in node.expressions])
        )
    if isinstance(template, str):
        return fill(template, engine, node.expressions)
    return template(node.expressions, tuple(kind_of(argument) for argument in arguments_of(node)))


def type_elements(node: exp.Anonymous, function: Function, to: Callable[[exp.Expr, Type, Type], exp.Expr]) -> None:
    """Cast a value that is compared with the elements of an array to their type, in place: engines widen it differently."""
    arguments = arguments_of(node)
    element = STRING
    for argument, wanted in zip(arguments, function.wants(len(arguments)) or (), strict=False):
        kind = kind_of(argument)
        if wanted == "array":
            element = kind.element or STRING
        target = {"array": array(element), "element": element}.get(wanted, kind)
        if kind == target or wanted == "array" and kind != NULL:
            continue
        replacement = cast(argument.copy(), target) if kind == NULL else to(argument, kind, target)
        replacement.meta[TYPE] = target
        argument.replace(replacement)


def read_zero_alike(arguments: Iterable[exp.Expr], engine: Engine) -> None:
    """Replace -0.0 among the arguments by 0.0, in place: then it does not matter which of two equal values comes first."""
    for argument in arguments:
        replacement = positive_zero(argument, kind_of(argument), engine)
        if replacement is not argument:
            argument.replace(replacement)


def positive_zero(node: exp.Expr, kind: Type, engine: Engine) -> exp.Expr:
    """`node` with 0.0 for -0.0, also as an element of an array; the node itself where its type has no -0.0."""
    is_array = kind.element is not None
    fraction = kind.element if is_array else kind
    if fraction is None or fraction.name not in FRACTIONS:
        return node
    zero = f"cast(0 as {fraction})"
    if not is_array:
        template = f"_1 + {zero}"
    elif engine == "spark":
        template = f"transform(_1, element_ -> element_ + {zero})"
    else:
        template = f"list_transform(_1, lambda element_: element_ + {zero})"
    found = fill(template, engine, [node])
    found.meta[TYPE] = kind
    return exp.paren(found, copy=False) if not is_array else found


def hang(tree: exp.Expr, wrap: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """Wrap every outermost aggregate or window call of `tree`: `sum(x) / count(x)` becomes two windows, not one of a quotient."""
    if isinstance(tree, (exp.Anonymous, exp.Filter, exp.IgnoreNulls)) and tree.this and folds(tree):
        return wrap(tree)
    holder = exp.Paren(this=tree)
    for node in list(holder.walk(prune=folds)):
        if node is not holder and folds(node):
            node.replace(wrap(node.copy()))
    found = holder.this
    assert isinstance(found, exp.Expr)
    return found


def folds(node: exp.Expr) -> bool:
    """Whether the node is an aggregate or window function of an engine."""
    called = node.this if isinstance(node, (exp.Filter, exp.IgnoreNulls)) else node
    return isinstance(called, exp.Anonymous) and called.name.lower() in FOLDING
