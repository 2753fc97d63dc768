"""Turns for a database that allows one writer at a time: pipelines that run in parallel in this process wait for each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from etlrun.stopping import safe_point

EVERY_SECONDS = 0.1


@dataclass
class _Turns:
    """The thread that uses a database, and how often it has opened it."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    several: int = 0
    held: dict[Path, tuple[int, int]] = field(default_factory=dict)


_turns = _Turns()


@contextmanager
def several_at_once() -> Iterator[None]:
    """Context in which pipelines run in parallel; outside of it nothing waits."""
    with _turns.changed:
        _turns.several += 1
    try:
        yield
    finally:
        with _turns.changed:
            _turns.several -= 1


def take_turn(database: Path) -> Callable[[], None]:
    """Wait until no other thread uses the database; returns the function that ends the turn. Raises Stopped."""
    if not _turns.several:
        return lambda: None
    mine = threading.get_ident()
    with _turns.changed:
        while _turns.held.get(database, (mine, 0))[0] != mine:
            _turns.changed.wait(EVERY_SECONDS)
            safe_point()
        _turns.held[database] = (mine, _turns.held.get(database, (mine, 0))[1] + 1)

    def end() -> None:
        with _turns.changed:
            thread, times = _turns.held.pop(database)
            if times > 1:
                _turns.held[database] = (thread, times - 1)
            _turns.changed.notify_all()

    return end
