"""Prefetching: one thread prepares data while another thread sends earlier data."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")
DEPTH = 4


class Prefetcher(Generic[Item]):
    """The items of a generator that runs in its own thread from the start of the `with` block.

    At most four items wait. An exception of the generator comes out where its item would have. Leaving the block early calls
    `cancel`, which must end the generator's wait; it is closed when the block has been left.
    """

    def __init__(self, items: Generator[Item, None, None], cancel: Callable[[], None]) -> None:
        self._items = items
        self._cancel = cancel
        self._made: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(DEPTH)
        self._is_left = threading.Event()
        self._thread = threading.Thread(target=self._make, name="etlrun-prefetch", daemon=True)
        self._is_done = False

    def __enter__(self) -> Prefetcher[Item]:
        self._thread.start()
        return self

    def __iter__(self) -> Iterator[Item]:
        while not self._is_done:
            item, error = self._made.get()
            if error is not None:
                self._is_done = True
                raise error
            if item is None:
                self._is_done = True
                return
            yield item

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_left.set()
        while self._thread.is_alive():
            self._cancel()
            self._thread.join(0.05)

    def _make(self) -> None:
        try:
            with closing(self._items):
                for item in self._items:
                    if not self._put(item, None):
                        return
            self._put(None, None)
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that reads
            self._put(None, error)

    def _put(self, item: Item | None, error: BaseException | None) -> bool:
        while not self._is_left.is_set():
            try:
                self._made.put((item, error), timeout=0.05)
            except queue.Full:
                continue
            return True
        return False
