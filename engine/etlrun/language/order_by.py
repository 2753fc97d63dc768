"""Checks ORDER BY, LIMIT and windows of a SELECT: which columns they may name, and that the order decides which row is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from etlrun.language.checking import own_nodes
from etlrun.language.columns import Columns
from etlrun.language.expressions import TYPE, column, respell, type_of
from etlrun.language.grouping import same_among
from etlrun.language.templates import whole_of
from etlrun.language.totality import Place, picks_a_row, place_list, places_in
from etlrun.language.typed import has_aggregate, has_window

if TYPE_CHECKING:
    from etlrun.language.queries import QueryChecker, Selected

MOST_ROWS = 2**31 - 1  # the largest number in LIMIT and frames, as in Spark


def check_order(
    checker: QueryChecker, order: exp.Expr | None, outputs: Columns, selected: Selected | None = None
) -> None:
    """Resolve the items of ORDER BY, in place: columns of the result, or expressions over the input of a plain SELECT."""
    for item in order.expressions if order is not None else ():
        inner = _column_at(item, outputs)
        found = outputs.get(inner.name) if isinstance(inner, exp.Column) and not inner.table else None
        if found is not None:
            respell(inner, found.name)
            inner.meta[TYPE] = kind = found.type
        elif selected is None:
            fix = f"the columns of the result are {', '.join(outputs.names[:12])}"
            checker.complain(inner, "not-allowed-here", "after UNION, ORDER BY accepts only columns of the result", fix)
            continue
        else:
            before = len(checker.problems)
            typed = checker.expression(inner, selected.names, replace=True)
            if len(checker.problems) > before:
                continue
            kind = type_of(typed)
            _check_item(checker, typed, outputs, selected)
        if not kind.is_orderable:
            checker.complain(item, "type-mismatch", f"{kind} has no order", "order by its elements or fields")


def _column_at(item: exp.Expr, outputs: Columns) -> exp.Expr:
    """What an item of ORDER BY names; a position is replaced by the column of the result, in place."""
    position = whole_of(item.this) or 0
    if 0 < position <= len(outputs):
        item.this.replace(column(outputs.names[position - 1]))
    named: exp.Expr = item.this
    return named


def _check_item(checker: QueryChecker, typed: exp.Expr, outputs: Columns, selected: Selected) -> None:
    """Check an expression in ORDER BY. It is refused unless it means the same on every engine."""
    made = {name: selected.projection(name) for name in outputs.names}
    meant = same_among(made.values(), typed, selected.names)
    if meant is not None:
        same = next(name for name, tree in made.items() if tree is meant)
        kind = type_of(typed)
        typed.replace(named := column(same))
        named.meta[TYPE] = kind
        return
    if typed.find(exp.Column) is None and not has_aggregate(typed):
        fix = f"name a column of the result, or write a position from 1 to {len(outputs)}"
        checker.complain(typed, "expression-not-allowed", "this value of ORDER BY is equal in all rows", fix)
    elif selected.query.args.get("distinct"):
        fix = "add it to the SELECT with `as NAME`, and order by that name"
        checker.complain(typed, "not-grouped", "after DISTINCT, ORDER BY accepts only columns of the result", fix)
    elif selected.keys is not None and (key := same_among(selected.keys, typed, selected.names)) is not None:
        if key != typed:
            typed.replace(typed := key.copy())
        refuse_shadowed(checker, typed, selected)
    elif selected.keys is not None:
        fix = "add it to the SELECT with `as NAME`, and order by that name"
        message = "after GROUP BY, ORDER BY accepts only columns of the result and expressions of GROUP BY"
        checker.complain(typed, "not-grouped", message, fix)
    elif has_aggregate(typed) or has_window(typed):
        fix = "add it to the SELECT with `as NAME`, and order by that name"
        checker.complain(typed, "not-allowed-here", "ORDER BY accepts only values of single rows", fix)
    else:
        refuse_shadowed(checker, typed, selected)


def refuse_shadowed(checker: QueryChecker, tree: exp.Expr, selected: Selected) -> None:
    """Report a name that one engine reads as a column of the result, and another as a column of the input."""
    for node in own_nodes(tree):
        if (
            isinstance(node, exp.Column)
            and not node.table
            and node.name in selected.outputs
            and selected.projection(node.name) != node
        ):
            message = f"`{node.name}` is a column of the result and of what is read"
            checker.complain(node, "unknown-column", message, "give the column of the result another name with `as`")


def check_limit(checker: QueryChecker, query: exp.Query, outputs: Columns, selected: Selected | None = None) -> None:
    """Check that LIMIT has a number, and an ORDER BY without ties between different rows."""
    limit, order = query.args.get("limit"), query.args.get("order")
    if limit is None:
        return
    count = whole_of(limit.expression)
    if count is None or not 0 <= count <= MOST_ROWS:
        fix = f"write a number of rows from 0 to {MOST_ROWS}"
        checker.complain(limit, "wrong-value", "LIMIT takes a literal number of rows", fix)
    if not checker.text or checker.problems or selected is not None and selected.keys == ():
        return
    if order is None:
        fix = "add ORDER BY"
        checker.complain(limit, "no-total-order", "LIMIT without ORDER BY can give different rows in every run", fix)
        return
    by_name = {item.this.name.lower() for item in order.expressions if _is_output(item.this, outputs)}
    missing = [("", name.lower()) for name in outputs.telling if name.lower() not in by_name]
    if missing and selected is not None and not selected.query.args.get("distinct"):
        trees = [selected.projection(tree.name) if _is_output(tree, outputs) else tree for tree in _ordered(order)]
        missing = missing if _leaves_ties(selected, trees) else []
    if missing:
        _not_total(checker, order, missing, {name.lower(): outputs.get(name) for name in outputs.names})


def _leaves_ties(selected: Selected, trees: list[exp.Expr]) -> bool:
    """Whether different rows may be equal in all of `trees`."""
    if selected.keys is None:
        return bool(selected.key.missing(places_in(trees, selected.names)))
    return any(key not in trees for key in selected.keys)


def _ordered(order: exp.Expr) -> list[exp.Expr]:
    return [item.this for item in order.expressions]


def _is_output(tree: exp.Expr, outputs: Columns) -> bool:
    return isinstance(tree, exp.Column) and not tree.table and tree.name in outputs


def _windows(selected: Selected) -> list[exp.Window]:
    nodes = (node for item in selected.query.expressions for node in own_nodes(item))
    return [node for node in nodes if isinstance(node, exp.Window)]


def _not_total(checker: QueryChecker, node: exp.Expr, missing: list[Place], known: dict[str, object]) -> None:
    unordered = [
        place
        for place in missing
        if (found := known.get(place[1])) is not None and not found.type.is_orderable  # type: ignore[attr-defined]
    ]
    fix = f"add {place_list(missing)} to ORDER BY"
    if unordered:
        has, it = ("has", "it") if len(unordered) == 1 else ("have", "them")
        fix = f"{place_list(unordered)} {has} no order: read the rows without {it}, or make a key with GROUP BY first"
    message = "rows can tie here, so the result can differ in every run"
    checker.complain(node, "no-total-order", message, fix)


def check_windows(checker: QueryChecker, selected: Selected) -> None:
    """Check that a window which picks a row has an order that, with PARTITION BY, leaves no ties between different rows."""
    if not checker.text or checker.problems or selected.keys == ():
        return
    for window in _windows(selected):
        order = window.args.get("order")
        if order is None or not picks_a_row(window):
            continue
        trees = [*window.args.get("partition_by", ()), *_ordered(order)]
        if selected.keys is None:
            missing = selected.key.missing(places_in(trees, selected.names))
        else:
            rest = [key for key in selected.keys if key not in trees]
            missing = [("", key.name or key.sql(dialect="spark")) for key in rest]
        if missing:
            known = {(alias, item.name.lower()): item for alias, columns in selected.names for item in columns}
            flat: dict[str, object] = {name: item for (_, name), item in known.items()}
            _not_total(checker, window, missing, flat)
