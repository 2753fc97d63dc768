"""What the tests put before a server ends with the test: a socket left behind would fail another one."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

import pytest

from .proxy import Fault, Proxy
from .rogue import Rogue


@contextlib.contextmanager
def nothing_is_left_of(ports: list[int]) -> Any:
    """What is begun inside has ended after it, and nobody listens at `ports` any more."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize("fault", [None, Fault("hang", "up", 3), Fault("cut", "down", 3)])
def test_a_proxy_that_is_closed_leaves_no_thread_and_no_socket(fault: Fault | None) -> None:
    ports: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server, nothing_is_left_of(ports):
        proxy = Proxy(int(server.getsockname()[1]))
        ports.append(proxy.port)
        proxy.arm(fault)
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            other, _ = server.accept()
            with other:
                client.sendall(b"a statement")
                other.sendall(b"its answer")
                assert other.recv(3) == b"a s"
                proxy.close()
                proxy.close()
        assert [one.fileno() for one in (proxy.listener, *proxy.sockets)] == [-1] * (1 + len(proxy.sockets))


def test_a_proxy_before_a_server_that_is_away_hangs_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = int(server.getsockname()[1])
    ports: list[int] = []
    with nothing_is_left_of(ports), Proxy(port) as proxy:
        ports.append(proxy.port)
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", proxy.port)) as client:
                assert client.recv(1) == b""


def test_a_false_server_ends_though_a_client_stays() -> None:
    ports: list[int] = []
    with nothing_is_left_of(ports):
        with Rogue("clear") as rogue:
            ports.append(rogue.port)
            client = socket.create_connection(("127.0.0.1", rogue.port))
            assert client.recv(1)
        client.close()
