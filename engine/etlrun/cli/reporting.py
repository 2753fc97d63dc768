"""Reports the progress of a run: a live line on a terminal, plain lines elsewhere; always on standard error."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from etlrun.cli.live_line import LIVE_LINE, LiveWork
from etlrun.cli.words import tell
from etlrun.diagnostics import harmless
from etlrun.stopping import safe_point

EVERY_SECONDS = 10.0  # seconds between plain lines about the same work
EVERY_LOOK = 0.1  # seconds between two checks for a signal while the user is asked


@contextmanager
def reporting(name: str, *, quiet: bool = False) -> Iterator[PlainReporter | LiveReporter]:
    """A reporter for the run of the pipeline `name`."""
    stream = own_stderr()
    if quiet:
        yield PlainReporter(name, stream, is_verbose=False)
    elif stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown"):
        with LIVE_LINE.showing(name, stream) as work:
            yield LiveReporter(work, stream)
    else:
        yield PlainReporter(name, stream)


def own_stderr() -> TextIO:
    """A duplicate of standard error: while a JVM starts, the usual one goes to its log."""
    try:
        if sys.stderr.fileno() == 2:
            return os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    except (OSError, ValueError):  # standard error is not a file, as in a test
        pass
    return sys.stderr


class PlainReporter:
    """Prints one line for each event."""

    def __init__(self, name: str, stream: TextIO, *, is_verbose: bool = True) -> None:
        self.name = name
        self.stream = stream
        self.is_verbose = is_verbose
        self.last = time.monotonic()

    def say(self, text: str) -> None:
        if self.is_verbose:
            self._line(text)

    def warn(self, text: str) -> None:
        self._line(f"warning: {text}")

    def confirm(self, text: str) -> bool:
        """Nobody can be asked."""
        return False

    def progress(self, label: str, done: int, total: int) -> None:
        if self.is_verbose and total and 0 < done < total and time.monotonic() - self.last > EVERY_SECONDS:
            self._line(f"{label}: {100 * done // total}%")

    def _line(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a run continues if nobody reads its output
            self.stream.write(harmless(f"{self.name}: {text}\n"))
            self.stream.flush()
        self.last = time.monotonic()


class LiveReporter:
    """Reports on the live line."""

    def __init__(self, work: LiveWork, stream: TextIO) -> None:
        self.work = work
        self.stream = stream

    def say(self, text: str) -> None:
        self.progress(text, 0, 0)
        LIVE_LINE.redraw(self.stream)

    def warn(self, text: str) -> None:
        mark = "warning:" if os.environ.get("NO_COLOR") else "\x1b[33mwarning:\x1b[0m"
        LIVE_LINE.print_above(f"{mark} {harmless(text)}", self.stream)

    def confirm(self, text: str) -> bool:
        """Ask the user at the terminal to confirm `text`."""
        if not sys.stdin.isatty():
            return False
        with LIVE_LINE.hidden(self.stream):
            tell(f"{text}\nAsk now? [y/N]:", err=True)
            while not select.select([sys.stdin], [], [], EVERY_LOOK)[0]:
                safe_point()
            return sys.stdin.readline().strip().lower() in ("y", "yes")

    def progress(self, label: str, done: int, total: int) -> None:
        self.work.label, self.work.done, self.work.total = label, done, total
