"""One updated line in a terminal: what the runs of this process do at the moment. Other output is printed above it."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

import click

from etlrun.diagnostics import harmless, shown_width

FRAMES = "|/-\\"
EVERY_SECONDS = 0.2  # between two frames
BAR_WIDTH = 20
ERASE = "\r\x1b[K"
UNKNOWN_WIDTH = 80  # columns of a terminal of unknown width


@dataclass
class LiveWork:
    """What one run does at the moment, and how much of it is done, if known."""

    name: str
    label: str = ""
    done: int = 0
    total: int = 0
    began: float = field(default_factory=time.monotonic)

    def text(self) -> str:
        bar = ""
        if self.total:
            share = min(self.done / self.total, 1.0)
            bar = f" [{'#' * round(BAR_WIDTH * share):-<{BAR_WIDTH}}] {share:.0%}"
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        name = f"{self.name}: {self.label}" if self.label else self.name
        return f"{harmless(name)}{bar} {minutes}:{seconds:02}".replace("\n", " ").replace("\t", " ")


class LiveLine:
    """The live line, shared by all runs at the same time."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.works: list[LiveWork] = []
        self.is_hidden = False
        self.frame = 0

    @contextmanager
    def showing(self, name: str, stream: TextIO) -> Iterator[LiveWork]:
        """In this block, the line shows the given work next to that of other runs."""
        work = LiveWork(name)
        over = threading.Event()
        with self.lock:
            self.works.append(work)
        threading.Thread(target=self._move, args=(stream, over, work), name="etlrun-line", daemon=True).start()
        try:
            yield work
        finally:
            over.set()
            with self.lock:
                self.works.remove(work)
                self._write(stream, "")

    def redraw(self, stream: TextIO) -> None:
        """Show changes at once."""
        with self.lock:
            self._write(stream, "")

    def print_above(self, text: str, stream: TextIO) -> None:
        """Print permanent lines, as plain text if there is no live line, as in a log."""
        with self.lock:
            if self.works:
                self._write(stream, f"{text}\n")
            else:
                click.echo(text, file=stream)

    @contextmanager
    def hidden(self, stream: TextIO) -> Iterator[None]:
        """In this block, the line is hidden, so that the user can be asked."""
        with self.lock:
            self.is_hidden = True
            self._write(stream, "")
        try:
            yield
        finally:
            self.is_hidden = False

    def _move(self, stream: TextIO, over: threading.Event, work: LiveWork) -> None:
        while not over.wait(EVERY_SECONDS):
            with self.lock:
                if self.works[:1] == [work]:  # for several runs, the first one updates the line
                    self.frame += 1
                    self._write(stream, "")

    def _write(self, stream: TextIO, text: str) -> None:
        line = "" if self.is_hidden or not self.works else self._fitted(stream)
        with contextlib.suppress(OSError, ValueError):  # a run continues without its terminal
            stream.write(f"{ERASE}{text}{line}")
            stream.flush()

    def _fitted(self, stream: TextIO) -> str:
        """The line, cut at the width of the terminal: a wrapped line could not be erased."""
        left = _width(stream) - 1
        text = f"{FRAMES[self.frame % len(FRAMES)]} {' | '.join(work.text() for work in self.works)}"
        for index, character in enumerate(text):
            left -= shown_width(character)
            if left < 0:
                return text[:index]
        return text


def _width(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or UNKNOWN_WIDTH
    except (OSError, ValueError):
        return UNKNOWN_WIDTH


LIVE_LINE = LiveLine()
