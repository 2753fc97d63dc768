"""Long work in a thread of its own, so that the main thread can show progress and stop it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol, TypeVar

Result = TypeVar("Result")
Handler = Callable[[int, "FrameType | None"], object]
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
        with _signals_put_off() as obey:
            while not done.wait(EVERY_SECONDS):
                look()
                obey()
        obey()
    except KeyboardInterrupt:
        cancel()
        done.wait(PATIENCE_SECONDS)
        raise
    if errors:
        raise errors[0]
    return results[0]


@contextmanager
def _signals_put_off() -> Iterator[Callable[[], None]]:
    """Inside, a first signal waits for a call of what this yields, which raises what its handler raises.

    An exception out of a handler would tear a command to the engine's own process in two, and is lost where it meets a finalizer. Whoever
    signals twice is heard at once, as `look` may hang.
    """
    came: list[tuple[Handler, int, FrameType | None]] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: handler for number, handler in found.items() if callable(handler)}

    def note(number: int, frame: FrameType | None) -> None:
        handler = handlers[signal.Signals(number)]
        if came:
            handler(number, frame)
        came.append((handler, number, frame))

    def obey() -> None:
        for handler, number, frame in came:
            handler(number, frame)

    for number in handlers:
        signal.signal(number, note)
    try:
        yield obey
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
