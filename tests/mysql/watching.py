"""Readers that look at a table all the time while it is published, at every level of isolation."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from .loads import Place

LEVELS = ("READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")


class Watch:
    """Inside, one reader for each level; `seen` collects what they saw of `query`, `errors` what went wrong.

    READ UNCOMMITTED may see anything by its definition: what it saw stays out of `seen`. The reader of SERIALIZABLE takes no part in a
    transaction, so that its SELECT is a plain one.
    """

    def __init__(self, place: Place, query: str, levels: Sequence[str] = LEVELS) -> None:
        self.place = place
        self.query = query
        self.levels = levels
        self.seen: dict[str, set[tuple[Any, ...]]] = {level: set() for level in levels}
        self.looks = dict.fromkeys(levels, 0)
        self.errors: list[str] = []
        self.threads: list[threading.Thread] = []
        self.is_over = threading.Event()

    def states(self) -> set[tuple[Any, ...]]:
        """What was seen at any level but READ UNCOMMITTED."""
        return set().union(*(states for level, states in self.seen.items() if level != "READ UNCOMMITTED"))

    def __enter__(self) -> Watch:
        for level in self.levels:
            self.threads.append(threading.Thread(target=self._look, args=(level,), daemon=True))
            self.threads[-1].start()
        while min(self.looks.values()) == 0 and not self.errors:
            self.is_over.wait(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        so_far = dict(self.looks)
        while any(self.looks[level] < so_far[level] + 2 for level in self.levels) and not self.errors:
            self.is_over.wait(0.005)
        self.is_over.set()
        for thread in self.threads:
            thread.join()

    def _look(self, level: str) -> None:
        try:
            self._look_at(level, self.place.server.connect(self.place.database, autocommit=level != "REPEATABLE READ"))
        except Exception as error:  # noqa: BLE001 - the test tells, and would otherwise wait for this reader for ever
            self.errors.append(f"{level}: {error}")

    def _look_at(self, level: str, connection: Any) -> None:
        try:
            cursor = connection.cursor()
            cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")
            while not self.is_over.is_set():
                cursor.execute(self.query)
                first = cursor.fetchall()
                cursor.execute(self.query)
                second = cursor.fetchall()
                if level == "REPEATABLE READ":
                    if first != second:
                        self.errors.append(f"a snapshot changed from {first} to {second}")
                    connection.commit()
                self.seen[level] |= {*first, *second}
                self.looks[level] += 1
                self.is_over.wait(0.005)  # or the readers would take the time of who publishes
        finally:
            connection.close()
