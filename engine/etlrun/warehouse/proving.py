"""Verify slices of a load while others are being sent, over a connection that sees uncommitted rows.

What it finds stands for the whole only where it agrees with what was sent: nobody can change rows of an open transaction meanwhile,
and rows of others that came between are counted at the end. Where it does not agree, or the line fails, or leads to another server,
the load itself proves everything once more.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from etlrun.failures import RunFailure
from etlrun.warehouse.open_sessions import OpenSessions
from etlrun.warehouse.proof import State, state_of
from etlrun.warehouse.server import AnyServer, ServerError, ServerSession
from etlrun.warehouse.slices import Slice
from etlrun.warehouse.stage import StageField


class Prover:
    """Verifies slices that were loaded into the part `owned` of a table. Its connection is opened for the first slice, and closed with the block."""

    def __init__(self, server: AnyServer, table: str, fields: tuple[StageField, ...], owned: str) -> None:
        self._server = server
        self._sessions: OpenSessions[ServerSession] = OpenSessions(server.open)
        self._session: ServerSession | None = None
        self._table = table
        self._fields = fields
        self._owned = owned
        self._pool = ThreadPoolExecutor(1, "etlrun-prove")
        self._states: list[Future[State]] = []

    def __enter__(self) -> Self:
        return self

    def prove(self, part: Slice) -> None:
        """Start to verify a slice on the server."""
        self._states.append(self._pool.submit(self._state, part))

    def state(self) -> State | None:
        """The state of all slices together on the server; None if it is not known."""
        try:
            states = [state.result() for state in self._states]
        except (ServerError, RunFailure):
            return None
        return State(sum(state.rows for state in states), sum(state.fingerprint for state in states))

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._sessions.cut()
        self._pool.shutdown(cancel_futures=True)
        if kind is None and self._session is not None:
            self._session.close()
        self._sessions.abort()

    def _state(self, part: Slice) -> State:
        if self._session is None:
            self._session = self._sessions.open()
            self._session.run(self._server.dirty_reads)
        where = " AND ".join(each for each in (self._owned, part.there) if each)
        return state_of(self._server, self._session, self._table, self._fields, where)
