"""Long work ends when a person asks for it, whatever Python was doing at that moment."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from etlrun.runtime.working import work


def test_a_signal_ends_the_work_after_the_look_it_came_in() -> None:
    is_over = threading.Event()
    looks: list[str] = []

    def look() -> None:
        looks.append("begun")
        os.kill(os.getpid(), signal.SIGINT)
        is_over.wait(0.2)
        looks.append("ended")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        work(lambda: is_over.wait(30), look, is_over.set)
    assert looks == ["begun", "ended"]
    assert is_over.is_set()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_signal_ends_a_look_that_hangs() -> None:
    is_over = threading.Event()

    def look() -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        is_over.wait(30)

    with pytest.raises(KeyboardInterrupt):
        work(lambda: is_over.wait(30), look, is_over.set)
    assert is_over.is_set()


def test_a_signal_is_not_lost_where_the_work_ends_with_it() -> None:
    def action() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        work(action, lambda: None, lambda: None)


def test_work_in_another_thread_leaves_the_signals_alone() -> None:
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(work(lambda: 7, lambda: None, lambda: None)))
    thread.start()
    thread.join()
    assert results == [7]
