"""The garbage collector and millions of small values: it walks all of them again and again, and none of them is ever garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def collect_seldom() -> None:
    """Collect after 200,000 new values instead of after 700, as a short command does not need: it loads its modules, works and ends."""
    gc.set_threshold(200_000, 10, 10)


@contextmanager
def not_collecting() -> Iterator[None]:
    """Build many values that form no cycles, without a look at them every few hundred."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def passing_over_what_is_there() -> Iterator[None]:
    """Collect what is made from now on only: what is there already stays."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
