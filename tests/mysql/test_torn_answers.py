"""A server whose answer is cut, or is no MySQL at all, is a failure of the connection in our words, wherever the answer ends."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from etlrun.connections._mysql.server import MysqlServer
from etlrun.failures import RunFailure
from etlrun.secrets import Secret
from etlrun.warehouse.access import SessionSettings
from etlrun.warehouse.address import Address
from etlrun.warehouse.database import Warehouse

from .rogue import OK

CAPABILITIES = 0x0001 | 0x0008 | 0x0200 | 0x8000 | 0x0008_0000
GREETING = (
    b"\x0a8.4.0\x00"
    + struct.pack("<I", 7)
    + b"12345678\x00"
    + struct.pack("<HBHHB", CAPABILITIES & 0xFFFF, 45, 2, CAPABILITIES >> 16, 21)
    + bytes(10)
    + b"123456789012\x00mysql_native_password\x00"
)
OTHERS = [
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\x00" * 64,
    b"\xff" * 64,
    b"+OK ready\r\n",
    b"-ERR\r\n",
]
TORN = [
    b"",
    b"\xff",
    b"\xff\x15",
    b"\xff\x15\x04#",
    b"\xfe",
    b"\xfemysql_native_password",
    b"\xfe\x00",
    b"\x00",
    b"\x00\xfc",
    b"\x01",
    b"\x03",
]
TORN += [b"\xfb", b"\x01\x00", b"\xfc", b"\xfd\x01", b"\x02\xff\xff", b"\x00\x00\x00"]


def packet(payload: bytes, sequence: int) -> bytes:
    return struct.pack("<I", len(payload))[:3] + bytes([sequence]) + payload


@contextmanager
def a_server_that_says(answers: Sequence[Sequence[bytes]]) -> Iterator[int]:
    """Inside, connection N of the port gets the texts of `answers[N]`, each after something was heard but for the first, and is closed."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for texts in answers:
            try:
                client, _ = listener.accept()
            except OSError:  # the test has ended
                return
            with client, contextlib.suppress(OSError):
                client.settimeout(5)
                for number, text in enumerate(texts):
                    if number:
                        client.recv(65536)
                    client.sendall(text)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def expect_failures(answers: Sequence[Sequence[bytes]]) -> None:
    with a_server_that_says(answers) as port:
        address = Address("127.0.0.1", port, "", "w", "root", Secret("x1"))
        for texts in answers:
            server = MysqlServer("warehouse", address, SessionSettings(timeout=5, connect_timeout=2))
            with pytest.raises(RunFailure) as failure:
                Warehouse("warehouse", server).columns("t")
            assert failure.value.code == "connection-failed", texts


def test_a_greeting_that_ends_anywhere() -> None:
    expect_failures([[packet(GREETING[:length], 0)] for length in range(len(GREETING) + 1)])


def test_a_greeting_that_is_cut_on_its_way() -> None:
    whole = packet(GREETING, 0)
    expect_failures([[whole[:length]] for length in range(0, len(whole), 3)])


def test_another_program_on_the_port() -> None:
    expect_failures([[text] for text in OTHERS])


@pytest.mark.parametrize(
    "before",
    [
        lambda: [packet(GREETING, 0)],
        lambda: [packet(GREETING, 0), packet(OK, 2)],
        lambda: [packet(GREETING, 0), packet(OK, 2), packet(OK, 1)],
    ],
)
def test_an_answer_that_is_torn_later(before: Callable[[], list[bytes]]) -> None:
    detail = before()
    expect_failures([[*detail, packet(torn, 2 if len(detail) == 1 else 1)] for torn in TORN])


def test_a_torn_answer_is_explained() -> None:
    with a_server_that_says([[packet(GREETING[:9], 0)]]) as port:
        address = Address("127.0.0.1", port, "", "w", "root", Secret("x1"))
        with pytest.raises(
            RunFailure, match="the server's answer is incomplete, or is not in MySQL's protocol \\(2027\\)"
        ):
            Warehouse("warehouse", MysqlServer("warehouse", address, SessionSettings())).columns("t")
