"""Merges several iterators into one; each is read by a thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

from etlrun.failures import RunFailure

Item = TypeVar("Item")


def side_by_side(sources: Iterable[Iterator[Item]], threads: int) -> Iterator[Item]:
    """The items of all `sources`; those of one source stay in order. At most `threads` items are buffered.

    Raises the same RunFailure or OSError as reading the sources in order: that of the first source that fails.
    """
    waiting = enumerate(sources)
    failures: dict[int, RunFailure | OSError] = {}
    with ThreadPoolExecutor(threads) as pool:
        running: dict[Future[Item | None], tuple[int, Iterator[Item]]] = {}

        def pull(index: int, source: Iterator[Item]) -> None:
            if not failures or index < min(failures):
                running[pool.submit(next, source, None)] = index, source

        for index, source in islice(waiting, threads):
            pull(index, source)
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                index, source = running.pop(future)
                try:
                    item = future.result()
                except (RunFailure, OSError) as failure:
                    failures[index] = failure
                    continue
                if item is None:
                    for following in islice(waiting, 1):
                        pull(*following)
                    continue
                pull(index, source)
                yield item
    if failures:
        raise failures[min(failures)]
