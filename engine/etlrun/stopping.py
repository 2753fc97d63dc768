"""Signals that end the process: one is noted at once, what runs is cancelled, and the work ends at its next safe point.

No exception is ever raised where a signal happens to land. `run_until_stopped` does the work in a thread; the main thread only takes
signals. A signal ends the process at once where nothing has to be put in order, and else the work has `GRACE_SECONDS` for that. A second
signal ends the process in any case. Elsewhere (in tests, in other programs) nobody asks, and all of this does nothing.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_SECONDS = 8.0  # from a signal to the end of the process
COMMIT_SECONDS = 4.0  # of these, that a COMMIT which is under way is left alone
EVERY_SECONDS = 0.1  # between two tries to cancel: what starts meanwhile does not know of the last one
ONE_REQUEST_SECONDS = 0.5  # signals that follow so soon are the same request: `timeout` sends two


class Stopped(BaseException):
    """The process was asked to end, and the work has reached a safe point."""


class _State:
    """What this process was asked, and what it is doing. `lock` guards all but `signals`."""

    def __init__(self) -> None:
        self.signals: SimpleQueue[int] = SimpleQueue()  # the only thing that a handler touches
        self.lock = threading.Lock()
        self.asked = threading.Event()
        self.number = 0
        self.tasks = 0  # that have to be put in order before the process ends
        self.is_finishing = 0  # commits under way
        self.cancels: list[Callable[[], None]] = []
        self.leave: Callable[[int], object] = _leave


def _leave(number: int) -> None:
    os._exit(128 + number)


_state = _State()


def run_until_stopped(work: Callable[[], int], leave: Callable[[int], object]) -> int:
    """The result of `work`, which runs in another thread, or what it raises: Stopped where a signal came first.

    `leave` ends the process where the work need not or cannot end by itself; it is given the number of the signal.
    """
    results: list[int] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            errors.append(error)
        finally:
            done.set()

    _state.leave = leave
    take_signals()
    threading.Thread(target=_watch, name="etlrun-signals", daemon=True).start()
    threading.Thread(target=run, name="etlrun-command", daemon=True).start()
    done.wait()
    with _state.lock:
        _state.tasks += 1  # the result is decided: a signal that comes now changes nothing
    if errors and is_asked() and not isinstance(errors[0], SystemExit):
        raise Stopped from errors[0]  # what was cancelled may fail in ways of its own
    if errors:
        raise errors[0]
    return results[0]


def take_signals() -> None:
    """Let the signals be noted. One that is ignored, as `nohup` and background jobs of scripts want it, stays ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _note)


def _note(number: int, frame: FrameType | None) -> None:
    _state.signals.put(number)


def _watch() -> None:
    """Wait for a signal, cancel what runs, and end the process at the second signal or when the time is over."""
    number = _state.signals.get()
    first = time.monotonic()
    with _state.lock:
        _state.number = number
        _state.asked.set()
        if not _state.tasks:
            _state.leave(number)
    threading.Thread(target=_cancel_again_and_again, args=(first,), name="etlrun-cancel", daemon=True).start()
    while (left := first + GRACE_SECONDS - time.monotonic()) > 0:
        try:
            _state.signals.get(timeout=left)
        except Empty:
            break
        if time.monotonic() - first > ONE_REQUEST_SECONDS:
            break
    _state.leave(number)


def _cancel_again_and_again(first: float) -> None:
    while True:
        with _state.lock:
            is_left_alone = _state.is_finishing and time.monotonic() - first < COMMIT_SECONDS
            cancels = () if is_left_alone else tuple(_state.cancels)
        for cancel in cancels:
            cancel()
        time.sleep(EVERY_SECONDS)


def is_asked() -> bool:
    """Whether the process was asked to end."""
    return _state.asked.is_set()


def asked_by() -> int:
    """The number of the signal; 0 where none came."""
    return _state.number


def safe_point() -> None:
    """Raises Stopped where the process was asked to end. For places that leave nothing half done."""
    if _state.asked.is_set():
        raise Stopped


def pause(seconds: float) -> None:
    """Sleep. Raises Stopped as soon as the process is asked to end."""
    if _state.asked.wait(seconds):
        raise Stopped


@contextmanager
def orderly() -> Iterator[None]:
    """Inside, a signal does not end the process at once: the work does, at a safe point, and has time to put things in order."""
    with _state.lock:
        if _state.asked.is_set() and not _state.tasks:  # the process is ending
            raise Stopped
        _state.tasks += 1
    try:
        yield
    finally:
        with _state.lock:
            _state.tasks -= 1


@contextmanager
def cancelling(cancel: Callable[[], None]) -> Iterator[None]:
    """Inside, a signal calls `cancel` from another thread, again and again. Raises Stopped at the start, or for what fails then."""
    safe_point()
    with _state.lock:
        _state.cancels.append(cancel)
    try:
        yield
    except BaseException as error:
        if is_asked() and not isinstance(error, Stopped):
            raise Stopped from error
        raise
    finally:
        with _state.lock:
            _state.cancels.remove(cancel)


@contextmanager
def finishing() -> Iterator[None]:
    """For a COMMIT: raises Stopped before it, and inside nothing is cancelled, so that its outcome is known."""
    with _state.lock:
        safe_point()
        _state.is_finishing += 1
    try:
        yield
    finally:
        with _state.lock:
            _state.is_finishing -= 1
