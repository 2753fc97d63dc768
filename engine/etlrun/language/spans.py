"""Keeps in the tree where each part of an expression is written in the spec, so that a failure of the engine can show the place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlglot import exp

from etlrun.language.expressions import span

SPAN = "etlrun.span"  # the key under which a node's `meta` holds its WrittenAt
_COMPUTED = (exp.Binary, exp.Neg, exp.Cast, exp.Anonymous, exp.Bracket, exp.Case, exp.Connector)


@dataclass(frozen=True)
class WrittenAt:
    """Characters `start` to `end` (exclusive) of the text whose place in the file is `where`."""

    where: tuple[str | int, ...]
    start: int
    end: int

    def __deepcopy__(self, memo: object) -> WrittenAt:
        """Return itself, which is immutable: trees that carry places are copied often."""
        return self


def mark_spans(tree: exp.Expr, where: tuple[str | int, ...], text: str) -> None:
    """Store in every node that computes something its place in `text`; `where` is the place of `text` in the file."""
    for node in tree.walk():
        if isinstance(node, _COMPUTED):
            node.meta[SPAN] = WrittenAt(where, *_extent(node, text))


def written_at(node: exp.Expr) -> WrittenAt | None:
    """The place where the node is written; None if no user wrote it."""
    found = node.meta.get(SPAN)
    return found if isinstance(found, WrittenAt) else None


def _extent(node: exp.Expr, text: str) -> tuple[int, int]:
    """The span of a node with the words around its parts: `cast(` and the brackets that it opens."""
    start, end = span(node, text)
    if isinstance(node, exp.Cast):
        opening = re.search(r"(?:try_)?cast\s*\(\s*\Z", text[:start], re.IGNORECASE)
        start = opening.start() if opening else start
    for _ in range(text.count("(", start, end) - text.count(")", start, end)):
        closing = text.find(")", end)
        end = closing + 1 if closing >= 0 else end
    return start, end
