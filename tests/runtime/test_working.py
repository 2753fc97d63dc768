"""Long work ends when a person asks for it, whatever Python was doing at that moment."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

import pytest

from etlrun.runtime.working import work


def test_an_interrupt_that_a_finalizer_swallowed_still_ends_the_work() -> None:
    is_over = threading.Event()

    def look() -> None:
        with contextlib.suppress(KeyboardInterrupt):  # as Python does around `__del__` and the callbacks of weak references
            os.kill(os.getpid(), signal.SIGINT)
            is_over.wait(1)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        work(lambda: is_over.wait(30), look, is_over.set)
    assert is_over.is_set()
    assert signal.getsignal(signal.SIGINT) is before


def test_work_in_another_thread_leaves_the_signals_alone() -> None:
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(work(lambda: 7, lambda: None, lambda: None)))
    thread.start()
    thread.join()
    assert results == [7]
