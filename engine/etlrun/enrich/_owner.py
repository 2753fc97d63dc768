"""The process that owns a lease, and a check whether it is still alive."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path

LIFE = 60.0  # seconds without a heartbeat, after which a process counts as dead


@dataclass(frozen=True)
class Owner:
    """A process: a unique id, its host and its number."""

    id: str
    host: str
    pid: int
    until: float = 0.0

    def is_alive(self, now: float) -> bool:
        """Whether its leases are valid. A dead process on this machine is noticed at once; elsewhere its leases must time out."""
        if self.until <= now:
            return False
        return self.host != this_host() or self.pid == os.getpid() or _answers(self.pid)


def this_process() -> Owner:
    return Owner(uuid.uuid4().hex[:16], this_host(), os.getpid())


def this_host() -> str:
    """The machine, and on Linux the process namespace: in a different container the same number is a different process."""
    namespace = Path("/proc/self/ns/pid")
    return socket.gethostname() + (f"/{os.readlink(namespace)}" if namespace.exists() else "")


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
