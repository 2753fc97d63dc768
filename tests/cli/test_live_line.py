"""A terminal shows one moving line, whatever number of runs go on; what is printed meanwhile stays whole above it."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import TextIO

import pytest

from etlrun.cli.live_line import ERASE, LiveLine
from etlrun.cli.reporting import PlainReporter, reporting


@contextmanager
def terminal(columns: int) -> Iterator[tuple[TextIO, int]]:
    """A stream to a terminal of so many columns, and the end from which its bytes are read."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        yield stream, ours
    os.close(ours)


def test_two_runs_share_a_line_and_what_is_printed_stands_above_it() -> None:
    line, stream = LiveLine(), StringIO()
    with line.showing("orders", stream) as orders:
        orders.label, orders.done, orders.total = "reading", 1, 4
        with line.showing("refunds", stream):
            line.print_above("warning: 2 rows", stream)
            shown = stream.getvalue().split(ERASE)[-1]
    assert shown == "warning: 2 rows\n| orders: reading [#####---------------] 25% 0:00 | refunds 0:00"
    assert stream.getvalue().endswith(ERASE)
    line.print_above("orders failed", stream)
    assert stream.getvalue().endswith(f"{ERASE}orders failed\n")


def test_a_line_is_cut_where_the_terminal_ends() -> None:
    line = LiveLine()
    with terminal(12) as (stream, ours), line.showing("한국어 pipeline", stream):
        line.redraw(stream)
        shown = os.read(ours, 1000).decode()
    assert shown.split(ERASE)[-1] == "| 한국어 pi"


def test_nothing_moves_while_a_person_is_asked() -> None:
    line, stream = LiveLine(), StringIO()
    with line.showing("orders", stream):
        with line.hidden(stream):
            line.redraw(stream)
            assert stream.getvalue().endswith(ERASE)
        line.redraw(stream)
        assert "orders" in stream.getvalue()


def test_a_terminal_that_moves_nothing_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with terminal(80) as (stream, _):
        monkeypatch.setattr("etlrun.cli.reporting.own_stderr", lambda: stream)
        with reporting("orders") as reporter:
            assert isinstance(reporter, PlainReporter)
