"""Signals that end the process: one is noted at once, what runs is cancelled, and the work ends at its next safe point.

No exception is ever raised where a signal happens to land. `run_until_stopped` does the work in a thread. The interpreter writes each
signal to a pipe at the moment it arrives, in whatever thread and without waiting for the main thread, and what reads the pipe knows of it.
A signal ends the process at once where nothing has to be put in order, and else the work has `GRACE_SECONDS` for that. A second signal
ends the process in any case. Elsewhere (in tests, in other programs) nobody asks, and all of this does nothing.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_SECONDS = 8.0  # from a signal to the end of the process
COMMIT_SECONDS = 4.0  # of these, that a COMMIT which is under way is left alone
EVERY_SECONDS = 0.1  # between two tries to cancel: what starts meanwhile does not know of the last one
ONE_REQUEST_SECONDS = 0.5  # signals that follow so soon are the same request: `timeout` sends two


class Stopped(BaseException):
    """The process was asked to end, and the work has reached a safe point."""


class _State:
    """What this process was asked, and what it is doing. `lock` guards it all, and reading from `signals`."""

    def __init__(self) -> None:
        self.signals = -1  # the end of the pipe to read from, once signals are taken
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
    if _state.signals < 0:
        _state.signals, into = os.pipe()
        os.set_blocking(into, False)
        signal.set_wakeup_fd(into, warn_on_full_buffer=False)
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _note)


def _note(number: int, frame: FrameType | None) -> None:
    """Nothing is left to do: the number is in the pipe."""


def _has_come(seconds: float | None = 0.0) -> bool:
    """Whether a signal that nobody has read is there, or comes within so many seconds; None waits without end."""
    if _state.signals < 0:
        return False
    poll = select.poll()  # unlike select(), it takes file numbers over 1023
    poll.register(_state.signals, select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


def _watch() -> None:
    """Wait for a signal, cancel what runs, and end the process at the second signal or when the time is over."""
    _has_come(None)
    first = time.monotonic()
    with _state.lock:  # read inside: a COMMIT that is about to begin finds the signal in the pipe, or `asked`
        _state.number = number = os.read(_state.signals, 1)[0]
        _state.asked.set()
        if not _state.tasks:
            _state.leave(number)
    threading.Thread(target=_cancel_again_and_again, args=(first,), name="etlrun-cancel", daemon=True).start()
    while (left := first + GRACE_SECONDS - time.monotonic()) > 0:
        if not _has_come(left):
            break
        os.read(_state.signals, 1)
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
        has_come = _has_come()
        _state.is_finishing += not has_come
    if has_come:
        _state.asked.wait()  # until its number is known too
        raise Stopped
    try:
        yield
    finally:
        with _state.lock:
            _state.is_finishing -= 1
