"""Writes the windows of a WINDOW clause where they are used: `sum(x) over w` with `window w as (order by y)`."""

from __future__ import annotations

from sqlglot import exp

_PARTS = ("partition_by", "order", "spec")


def without_named_windows(query: exp.Expr) -> None:
    """Replace, in place, each use of a window that its SELECT names. What cannot be replaced stays, and the grammar refuses it."""
    for select in list(query.find_all(exp.Select)):
        named = {window.name.lower(): window for window in select.args.get("windows") or ()}
        uses = [node for node in select.find_all(exp.Window) if node.alias and node.parent_select is select]
        if not named or not all(_fits(use, named) for use in uses):
            continue
        for use in uses:
            window = named[use.alias.lower()]
            use.set("alias", None)
            for part in _PARTS:
                value = window.args.get(part)
                if value:
                    use.set(part, [item.copy() for item in value] if isinstance(value, list) else value.copy())
        select.set("windows", None)


def _fits(use: exp.Window, named: dict[str, exp.Window]) -> bool:
    """Whether a window is named, is not made of another one, and has no part that its use also has."""
    window = named.get(use.alias.lower())
    return (
        window is not None
        and not window.alias
        and not any(use.args.get(part) and window.args.get(part) for part in _PARTS)
    )
