"""A service of events that takes none is one line for a person: no traceback, no address, no key, no long wait."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest

from etlrun.runtime.event_service import EventNotTakenError, EventService
from etlrun.secrets import Secret

PLAIN = "expected an address such as `http://localhost:5000`, without user name, password and query"


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """The address of a server that gives `answer` to one request, and does not close the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_one() -> None:
            connection, _ = server.accept()
            connection.recv(100_000)
            connection.sendall(answer)
            over.wait()
            connection.close()

        over = threading.Event()
        thread = threading.Thread(target=answer_one)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        over.set()
        thread.join()


def refused(url: str, key: str = "") -> str:
    with pytest.raises(EventNotTakenError) as caught:
        EventService(url, Secret(key)).send({})
    return str(caught.value)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 500 planted\r\nContent-Length: 0\r\n\r\n", "it answered 500"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", "it answered 302"),
        (b"SSH-2.0-OpenSSH\r\n", "its answer is not HTTP"),
        (b"HTTP/1.1 201 Created\r\nX-Long", "no answer within 0.2 seconds"),
        (b"", "no answer within 0.2 seconds"),
    ],
)
def test_an_answer_that_takes_no_event_is_named(answer: bytes, why: str) -> None:
    with patch("etlrun.runtime.event_service.SECONDS", 0.2), answering(answer) as url:
        assert refused(url, "planted-key") == why


@pytest.mark.parametrize(
    "url",
    [
        "warehouse",
        "file:///etc/passwd",
        "http://",
        "http://user:planted@127.0.0.1:9",
        "http://127.0.0.1:planted",
        "http://127.0.0.1:9?key=planted",
        "http://a planted/",
        "http://[planted",
        "http://127.0.0.1:9/\nplanted",
    ],
)
def test_an_address_that_is_none_is_not_shown(url: str) -> None:
    assert refused(url) == PLAIN


def test_a_key_that_no_header_may_have_is_not_shown() -> None:
    for key in ("planted-key\n", "planted-kếy"):
        assert refused("http://127.0.0.1:9", key).startswith("OPENLINEAGE_API_KEY contains a line break or another")


def test_nobody_there_is_said_in_the_words_of_the_system() -> None:
    assert refused("http://127.0.0.1:9") == "Connection refused"
