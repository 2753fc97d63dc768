"""Sessions that can be ended together, from another thread as well."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic

from etlrun.warehouse.server import S


class OpenSessions(Generic[S]):
    """Sessions that are opened one by one, and closed together."""

    def __init__(self, connect: Callable[[], S]) -> None:
        self._connect = connect
        self._open: list[S] = []
        self._is_cut = False
        self._lock = threading.Lock()

    def open(self) -> S:
        session = self._connect()
        with self._lock:
            self._open.append(session)
            if self._is_cut:
                session.cut()
        return session

    def cut(self) -> None:
        """Make everything that waits for the server fail at once, now and later."""
        with self._lock:
            self._is_cut = True
            for session in self._open:
                session.cut()

    def abort(self, but: S | None = None) -> None:
        """Close all sessions except `but`, when no other thread uses them."""
        with self._lock:
            for session in self._open:
                if session is not but:
                    session.abort()
            self._open = [session for session in self._open if session is but]
