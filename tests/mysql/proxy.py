"""A line between client and server that can be cut at any byte, hang, or lose the server's last word."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

Direction = Literal["up", "down"]  # to the server, to the client
COMMITS = (b"\x03COMMIT", b"Q\0\0\0\x0bCOMMIT\0")  # the statement as it is on the line: MySQL, PostgreSQL
SETTLE = 0.03  # seconds for the other side to work on what has arrived before the line is cut


@dataclass
class Fault:
    """What goes wrong, once: the line is `cut` or `hang`s after `after` bytes in one direction, all connections together.

    `lost-commit` cuts it when COMMIT is on its way and has not arrived, `lost-reply` when the server's answer to it comes back.
    """

    kind: Literal["cut", "hang", "lost-commit", "lost-reply"]
    direction: Direction = "up"
    after: int = 0


class Proxy:
    """A proxy in front of 127.0.0.1:`port`, until it is closed; `bytes` counts what went through since the last `arm`."""

    def __init__(self, port: int) -> None:
        self.upstream = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.fault: Fault | None = None
        self.has_struck = False
        self.is_committing = False
        self.bytes: dict[Direction, int] = {"up": 0, "down": 0}
        self.sockets: set[socket.socket] = set()
        self.lock = threading.Lock()
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def arm(self, fault: Fault | None) -> None:
        with self.lock:
            self.fault, self.has_struck, self.is_committing = fault, False, False
            self.bytes = {"up": 0, "down": 0}

    def cut(self) -> None:
        """Cut the connections that there are; new ones come through."""
        for one in list(self.sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End everything that was begun here: no thread and no socket is left."""
        if not self.is_over.is_set():
            self.is_over.set()
            socket.create_connection(("127.0.0.1", self.port)).close()  # wakes the thread that waits for a client
        self.threads[0].join()
        self.cut()
        for thread in self.threads:
            thread.join()
        for one in (self.listener, *self.sockets):
            one.close()

    def _accept(self) -> None:
        while True:
            client, _ = self.listener.accept()
            if self.is_over.is_set():
                client.close()
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.upstream))
            except OSError:
                client.close()
                continue
            self.sockets |= {client, server}
            self.threads.append(threading.Thread(target=self._carry, args=(client, server), daemon=True))
            self.threads[-1].start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        """Carry one connection in both directions; close it when both have come to an end, and leave it as it is where it hangs."""
        down = threading.Thread(target=self._pump, args=(server, client, "down"), daemon=True)
        down.start()
        self._pump(client, server, "up")
        down.join()
        if self.fault is None or self.fault.kind != "hang":
            for one in (client, server):
                one.close()
                self.sockets.discard(one)

    def _pump(self, source: socket.socket, target: socket.socket, direction: Direction) -> None:
        try:
            while data := source.recv(65536):
                passes = self._passes(data, direction)
                if passes is None:
                    target.sendall(data)
                    continue
                target.sendall(data[:passes])
                if self.fault is not None and self.fault.kind == "hang":
                    return  # both sockets stay open, and nothing comes through any more
                time.sleep(SETTLE)
                for one in (source, target):
                    with contextlib.suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)
                return
        except OSError:
            pass
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _passes(self, data: bytes, direction: Direction) -> int | None:
        """How many bytes still pass before the fault strikes; None for all, without a fault."""
        with self.lock:
            before = self.bytes[direction]
            self.bytes[direction] += len(data)
            fault = self.fault
            if fault is None or self.has_struck:
                return None
            if fault.kind in ("cut", "hang"):
                strikes = fault.direction == direction and before + len(data) > fault.after
                self.has_struck = strikes
                return fault.after - before if strikes else None
            if direction == "up" and any(commit in data for commit in COMMITS):
                self.is_committing = True
                self.has_struck = fault.kind == "lost-commit"
                return 0 if self.has_struck else None
            if direction == "down" and self.is_committing:
                self.has_struck = True
                return 0
            return None


class Trigger(Proxy):
    """A line that does something to the world, once, when so many bytes have gone to the server."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.after = -1
        self.act: Callable[[], None] = lambda: None
        self.has_acted = threading.Event()

    def set(self, after: int, act: Callable[[], None]) -> None:
        self.arm(None)
        self.after, self.act = after, act
        self.has_acted.clear()

    def _passes(self, data: bytes, direction: Direction) -> int | None:
        found = super()._passes(data, direction)
        if 0 <= self.after < self.bytes["up"] and not self.has_acted.is_set():
            self.has_acted.set()
            self.act()
        return found
