"""Long work in a thread of its own, so that the main thread can show progress and stop it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

Result = TypeVar("Result")
EVERY_SECONDS = 0.1
PATIENCE_SECONDS = 10.0  # for work that was cancelled


class Reporter(Protocol):
    """Who is told how a run goes."""

    def say(self, text: str) -> None:
        """One line of news."""

    def warn(self, text: str) -> None:
        """One line that a person should read."""

    def progress(self, label: str, done: int, total: int) -> None:
        """How far the work called `label` is; a total of 0 is not known."""


def work(action: Callable[[], Result], look: Callable[[], None], cancel: Callable[[], None]) -> Result:
    """The result of `action`; `look` is called again and again meanwhile, and `cancel` when the main thread is interrupted."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(action())
        except BaseException as error:  # noqa: BLE001 - carried over to the thread that waits
            errors.append(error)
        finally:
            done.set()

    # Not `join`: interrupted, it takes the thread for ended (Python 3.11).
    done = threading.Event()
    threading.Thread(target=run, name="etlrun-work", daemon=True).start()
    try:
        while not done.wait(EVERY_SECONDS):
            look()
    except KeyboardInterrupt:
        cancel()
        done.wait(PATIENCE_SECONDS)
        raise
    if errors:
        raise errors[0]
    return results[0]
