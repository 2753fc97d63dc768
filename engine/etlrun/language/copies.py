"""Copies expression trees quickly."""

from __future__ import annotations

from typing import TypeVar

from sqlglot import exp

T = TypeVar("T", bound=exp.Expr)


def copied(tree: T) -> T:
    """A copy of a tree that shares the marks of its nodes (types and places, which never change); `copy()` would copy those too."""
    root = tree.__class__()
    waiting: list[tuple[exp.Expr, exp.Expr]] = [(tree, root)]
    while waiting:
        node, copy = waiting.pop()
        if node._meta:
            copy._meta = dict(node._meta)
        copy.comments = list(node.comments) if node.comments is not None else None
        for key, value in node.args.items():
            if isinstance(value, exp.Expr):
                child = value.__class__()
                waiting.append((value, child))
                copy.set(key, child)
            elif isinstance(value, list):
                copy.args[key] = []
                for item in value:
                    inner = item.__class__() if isinstance(item, exp.Expr) else item
                    copy.append(key, inner)
                    if isinstance(item, exp.Expr):
                        waiting.append((item, inner))
            else:
                copy.args[key] = value
    return root
