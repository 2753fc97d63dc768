"""Checks whether the process of a run is still alive: on this machine by asking the system, on others by the age of its last sign of life."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from etlrun.failures import RunFailure
from etlrun.runtime.record import Record
from etlrun.runtime.run_folder import RECORD, RunFolder
from etlrun.runtime.run_store import HEARTBEAT

EVERY_SECONDS = 30.0  # seconds between two heartbeats
SILENT_SECONDS = 600.0  # without a heartbeat, after which a run of another machine counts as killed
JOIN_SECONDS = 5.0


@contextmanager
def showing_life(folder: RunFolder, every: float = EVERY_SECONDS) -> Iterator[None]:
    """In this block, a run writes heartbeats for machines that share its disk or its store. Raises RunFailure if the first one fails."""
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(every):
            with suppress(OSError, RunFailure):  # the disk or the store is away for a moment
                folder.show_life()

    folder.show_life()
    thread = threading.Thread(target=renew, name="etlrun-life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(JOIN_SECONDS)  # so that no heartbeat follows the end
        with suppress(OSError, RunFailure):
            folder.end_life()


def process_name() -> str:
    """Tells this process from all others, also of other machines and containers with the same host name; empty if the system cannot."""
    try:
        return f"{_here()} {_start_of(os.getpid())}"
    except OSError:
        return ""


def is_alive(folder: RunFolder, record: Record) -> bool:
    """Whether the process of a running record may still be at work."""
    if not _is_here(record):
        return time.time() - _last_sign(folder) < SILENT_SECONDS
    try:
        os.kill(record.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return record.pid > 0 and _is_same_process(record)


def _is_here(record: Record) -> bool:
    """Whether a run's process was started where this process can see it: on this machine, in the same container."""
    if record.host != socket.gethostname():
        return False
    try:
        return not record.process or record.process.rpartition(" ")[0] == _here()
    except OSError:
        return True


def _is_same_process(record: Record) -> bool:
    """Whether the process with the number of a run is that of the run, and not a later one with the same number."""
    try:
        return not record.process or record.process.rpartition(" ")[2] == _start_of(record.pid)
    except OSError:
        return True


def _here() -> str:
    """The boot of this machine, and the container."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {os.readlink('/proc/self/ns/pid')}"


def _start_of(pid: int) -> str:
    """When a process was started, in ticks since the boot."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]


def _last_sign(folder: RunFolder) -> float:
    """When a run wrote its last heartbeat, in seconds since 1970; 0 if another machine has removed the run."""
    last = 0.0
    for name in (RECORD, HEARTBEAT):
        with suppress(FileNotFoundError):
            last = max(last, (folder.path / name).stat().st_mtime)
    return last
