"""Topological order of relations, and the cycles between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def in_order(reads: Mapping[str, Iterable[str]]) -> tuple[list[str], list[list[str]]]:
    """The names, each after the relations that it reads, and the names of every cycle."""
    order: list[str] = []
    cycles: list[list[str]] = []
    state: dict[str, str] = {}

    def visit(name: str, path: list[str]) -> None:
        if state.get(name) == "done" or name not in reads:
            return
        if state.get(name) == "open":
            cycles.append(path[path.index(name) :])
            return
        state[name] = "open"
        for other in reads[name]:
            visit(other, [*path, other])
        state[name] = "done"
        order.append(name)

    for name in reads:
        visit(name, [name])
    return order, cycles
