"""Checks whether the process of a run is still alive: on this machine by asking the system, on others by the age of its record."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from etlrun.runtime.record import Record

EVERY_SECONDS = 30.0  # seconds between two heartbeats
SILENT_SECONDS = 600.0  # seconds without a heartbeat, after which a run of another machine counts as killed


@contextmanager
def showing_life(record: Path, every: float = EVERY_SECONDS) -> Iterator[None]:
    """In this block, the modification time of a record's file is updated regularly: the heartbeat for machines that share its disk."""
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(every):
            with suppress(OSError):  # the disk is away for a moment, or the record is not there yet
                os.utime(record)

    threading.Thread(target=renew, name="etlrun-life", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def is_alive(path: Path, record: Record) -> bool:
    """Whether the process of a running record, which is the file `path`, may still be at work."""
    if record.host != socket.gethostname():
        try:
            return time.time() - path.stat().st_mtime < SILENT_SECONDS
        except FileNotFoundError:  # another machine has removed the run in the meantime
            return False
    try:
        os.kill(record.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return record.pid > 0
