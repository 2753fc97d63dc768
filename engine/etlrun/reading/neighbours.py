"""Groups of neighbouring things, such as files, that have a limited size together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def neighbours(items: Iterable[Item], size_of: Callable[[Item], int], most: int) -> Iterator[tuple[Item, ...]]:
    """Neighbouring items whose sizes are up to `most` together. An item that is larger is a group by itself."""
    group: list[Item] = []
    total = 0
    for item in items:
        size = size_of(item)
        if group and total + size > most:
            yield tuple(group)
            group, total = [], 0
        group.append(item)
        total += size
    if group:
        yield tuple(group)
