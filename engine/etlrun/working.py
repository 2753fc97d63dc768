"""Long work in a thread of its own, so that the thread that waits for it can show progress and stop it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import copy_context
from typing import Protocol, TypeVar

from etlrun.stopping import Stopped, cancelling, is_asked, safe_point

Result = TypeVar("Result")
EVERY_SECONDS = 0.1
CANCEL_SECONDS = 5.0  # for work that was cancelled


class Reporter(Protocol):
    """Who is told how a run goes."""

    def say(self, text: str) -> None:
        """One line of news."""

    def warn(self, text: str) -> None:
        """One line that a person should read."""

    def progress(self, label: str, done: int, total: int) -> None:
        """How far the work called `label` is; a total of 0 is not known."""


def work(action: Callable[[], Result], look: Callable[[], None], cancel: Callable[[], None]) -> Result:
    """The result of `action`; `look` is called again and again meanwhile. A signal calls `cancel`, and then this raises Stopped."""
    with cancelling(cancel):
        working = in_background(action)
        while not is_done(working) and not is_asked():
            look()
        if is_asked():
            wait([working], CANCEL_SECONDS)
            raise Stopped
        return working.result()


def in_background(action: Callable[[], Result]) -> Future[Result]:
    """The result to come of `action`, which runs in a thread that does not outlive the process."""
    result: Future[Result] = Future()
    context = copy_context()  # what runs there belongs to the span of what asked for it

    def run() -> None:
        try:
            result.set_result(context.run(action))
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            result.set_exception(error)

    threading.Thread(target=run, name="etlrun-work", daemon=True).start()
    return result


def wait_for(working: Future[Result]) -> Result:
    """The result, once it is there. Raises what the work raised, and Stopped where a signal comes first."""
    while not is_done(working):
        safe_point()
    return working.result()


def is_done(working: Future[Result]) -> bool:
    """Whether work is done, or is so in a moment."""
    return bool(wait([working], EVERY_SECONDS).done)
