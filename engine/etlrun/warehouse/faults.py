"""Fault points: places where a test lets the process fail or die, to check the state after such a crash.

`ETLRUN_FAULT=NAME:DO` or `NAME:DO:N` arms the N-th time (the first where it is not said) that the point NAME is reached, any
point where NAME is `*`. DO is `raise` or `kill` (SIGKILL to this process). Without the variable a point does nothing.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "ETLRUN_FAULT"
_hits: dict[str, int] = {}


class FaultError(Exception):
    """What an armed point raises."""


def point(name: str) -> None:
    """Mark the place `name` of the protocol, where a test can let the process fail."""
    armed = os.environ.get(VARIABLE)
    if not armed:
        return
    wanted, do, *rest = armed.split(":")
    if wanted not in (name, "*"):
        return
    _hits[armed] = _hits.get(armed, 0) + 1
    if _hits[armed] != int(rest[0] if rest else 1):
        return
    if do == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise FaultError(f"the fault point `{name}`")
