"""A server of objects that speaks S3, for tests: moto on 127.0.0.1, with a log of what it is asked and with faults on demand.

It is a process of its own: `python object_server.py` prints its port. Besides S3 it answers `GET /-/log` (the requests since the last
time, one a line), `POST /-/faults` (what befalls keys: `{"key": "503"}`; see `Faulty`), and `POST /-/hold` (which request waits, so that
a test can kill who sent it; `GET /-/held` says whether it has come).
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

Respond = Callable[..., Any]
REFUSAL = "<Error><Code>{code}</Code><Message>{code}</Message><RequestId>1</RequestId></Error>"
ENTRY = (
    "<Contents><Key>many/{:06}.json</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>9</Size></Contents>"
)
WRITING = ("PUT", "POST", "DELETE")
LATE, LONGEST_HOLD = 4.0, 120.0  # seconds
FAULTS = {"403": ("403 Forbidden", "AccessDenied"), "503": ("503 Slow Down", "SlowDown")}


@dataclass(frozen=True)
class ObjectServer:
    """A running server, asked as a person would who has no client of it."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def put(self, bucket: str, key: str, content: bytes) -> None:
        self.ask("PUT", f"/{bucket}/{urllib.parse.quote(key)}", content)

    def get(self, bucket: str, key: str) -> bytes:
        return self.ask("GET", f"/{bucket}/{urllib.parse.quote(key)}")

    def delete(self, bucket: str, key: str) -> None:
        self.ask("DELETE", f"/{bucket}/{urllib.parse.quote(key)}")

    def make_bucket(self, bucket: str) -> None:
        self.ask("PUT", f"/{bucket}")

    def log(self, *, ranges: bool = False) -> list[str]:
        """The requests since the last time: `GET /lake?list-type=2`; with `ranges`, those of parts of objects end in ` bytes=0-99`."""
        found = self.ask("GET", "/-/log").decode().splitlines()
        return found if ranges else [line.partition(" bytes=")[0] for line in found]

    def fail(self, faults: dict[str, str]) -> None:
        """Let requests for these keys fail from now on, and no others; `PUT /lake/a` names those of one method."""
        self.ask("POST", "/-/faults", json.dumps(faults).encode())

    def hold(self, number: int, *, is_applied: bool = False) -> None:
        """Let the request of that number from now on, of those that write, wait before or after the store has done what it asks for.

        The next call lets it go without an answer; number 0 holds none.
        """
        self.ask("POST", "/-/hold", json.dumps([number, is_applied]).encode())

    def is_held(self) -> bool:
        """Whether the request to hold has come."""
        return self.ask("GET", "/-/held") == b"held"

    def age(self, bucket: str, seconds: int) -> None:
        """Let the objects of a bucket have been written `seconds` ago."""
        self.ask("POST", "/-/age", json.dumps({bucket: seconds}).encode())

    def pretend(self, bucket: str, count: int) -> None:
        """Let a bucket list `count` objects `many/000000.json`; moto takes a second to list a thousand of ten thousand."""
        self.ask("POST", "/-/pretend", json.dumps({bucket: count}).encode())

    def ask(self, method: str, path: str, content: bytes | None = None) -> bytes:
        headers = {
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request",
            "Content-Type": "application/octet-stream",
        }
        request = urllib.request.Request(f"{self.url}{path}", content, headers, method=method)
        with urllib.request.urlopen(request) as response:
            found: bytes = response.read()
        return found


@contextmanager
def object_server() -> Iterator[ObjectServer]:
    """A server, for as long as the context is open."""
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield ObjectServer(int(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


class Hold:
    """One request that writes, and waits until it is let go; it is never answered."""

    def __init__(self, number: int = 0, is_applied: bool = False) -> None:
        self.left = number
        self.is_applied = is_applied
        self.lock = threading.Lock()
        self.has_come = threading.Event()
        self.is_let_go = threading.Event()

    def takes(self, method: str) -> bool:
        """Whether a request is the one to hold."""
        if method not in WRITING:
            return False
        with self.lock:
            self.left -= 1
            return self.left == 0

    def wait(self) -> None:
        self.has_come.set()
        self.is_let_go.wait(LONGEST_HOLD)
        raise ConnectionError


class Faulty:
    """The application of moto, with a log, and with faults in front of it.

    `403` and `503` refuse, `closed` refuses what writes; `half` sends half of the bytes that it announces; `grows` has another object in the place as soon as it is opened,
    `swapped` one of the same size once it is read, and `replaced` one of another size then. `slow` answers late; `cut` closes the connection
    before the store has done anything, `lost` after it. `meet` lets one that writes wait for another one. `503 x2` befalls two requests and then no more.
    """

    def __init__(self, application: Respond) -> None:
        self.application = application
        self.requests: list[str] = []
        self.faults: dict[str, str] = {}
        self.pretended: dict[str, int] = {}
        self.hold = Hold()
        self.commits = threading.Lock()
        self.meeting = threading.Barrier(2)

    def __call__(self, environ: dict[str, Any], start: Respond) -> Iterable[bytes]:
        path, query = environ["PATH_INFO"].encode("latin-1").decode(), environ["QUERY_STRING"]
        if path.startswith("/-/"):
            return self.control(path, environ, start)
        copy = " (copy)" if "HTTP_X_AMZ_COPY_SOURCE" in environ else ""
        piece = f" {environ['HTTP_RANGE']}" if "HTTP_RANGE" in environ else ""
        self.requests.append(f"{environ['REQUEST_METHOD']} {path}{'?' + query if query else ''}{copy}{piece}")
        if "list-type" in query and path.strip("/") in self.pretended:
            return self.listed(path.strip("/"), query, start)
        if self.hold.takes(environ["REQUEST_METHOD"]):
            if self.hold.is_applied:
                b"".join(self.stored(environ, start))
            self.hold.wait()
        fault = self.fault(f"{environ['REQUEST_METHOD']} {path}?{urllib.parse.unquote(query)}")
        if fault == "closed" and environ["REQUEST_METHOD"] in WRITING:
            fault = "503"
        if fault in FAULTS:
            status, code = FAULTS[fault]
            start(status, [("Content-Type", "application/xml")])
            return [b"" if environ["REQUEST_METHOD"] == "HEAD" else REFUSAL.format(code=code).encode()]
        self.delay(fault, path, environ["REQUEST_METHOD"])
        return self.spoiled(fault, path, environ, self.stored(environ, start))

    def delay(self, fault: str, path: str, method: str) -> None:
        """What happens before the store does anything."""
        if fault == "slow":
            time.sleep(LATE)
        if fault == "cut":
            raise ConnectionError
        if fault == "meet" and method == "PUT":
            self.meeting.wait(LONGEST_HOLD)
        if fault == "grows" and method == "HEAD":
            self.put(path, b"another object, and longer")

    def spoiled(self, fault: str, path: str, environ: dict[str, Any], found: Iterable[bytes]) -> Iterable[bytes]:
        """What becomes of the answer of the store."""
        if fault == "lost":
            b"".join(found)
            raise ConnectionError
        if fault in ("swapped", "replaced") and environ["REQUEST_METHOD"] == "GET" and not environ["QUERY_STRING"]:
            whole = b"".join(found)
            self.put(path, b"x" * len(whole) if fault == "swapped" else b"x")
            self.faults = {}
            return [whole]
        if fault == "half" and environ["REQUEST_METHOD"] == "GET":
            return _half(b"".join(found))
        return found

    def fault(self, asked: str) -> str:
        """What befalls a request, which counts it."""
        key = next((key for key in self.faults if key in asked), "")
        fault, _, left = self.faults.get(key, "").partition(" x")
        if left == "1":
            del self.faults[key]
        elif left:
            self.faults[key] = f"{fault} x{int(left) - 1}"
        return fault

    def stored(self, environ: dict[str, Any], start: Respond) -> Iterable[bytes]:
        """What moto answers; it looks and writes in two steps where a request writes only if nothing is there."""
        if "HTTP_IF_NONE_MATCH" not in environ:
            found: Iterable[bytes] = self.application(environ, start)
            return found
        with self.commits:
            return [b"".join(self.application(environ, start))]

    def control(self, path: str, environ: dict[str, Any], start: Respond) -> Iterable[bytes]:
        answer = b""
        if path == "/-/log":
            answer, self.requests = "\n".join(self.requests).encode(), []
        elif path == "/-/age":
            self.age(json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))))
        elif path == "/-/held":
            answer = b"held" if self.hold.has_come.is_set() else b""
        elif path == "/-/hold":
            self.hold.is_let_go.set()
            self.hold = Hold(*json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))))
        elif path == "/-/pretend":
            self.pretended = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        else:
            self.faults = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        start("200 OK", [("Content-Length", str(len(answer)))])
        return [answer]

    def age(self, seconds: dict[str, int]) -> None:
        from moto.s3.models import s3_backends

        for bucket, ago in seconds.items():
            for key in s3_backends["123456789012"]["aws"].buckets[bucket].keys.values():
                key.last_modified = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=ago)

    def put(self, path: str, content: bytes) -> None:
        from moto.s3.models import s3_backends

        _, bucket, key = path.split("/", 2)
        s3_backends["123456789012"]["aws"].put_object(bucket, key, content)

    def listed(self, bucket: str, query: str, start: Respond) -> Iterable[bytes]:
        """A page of objects that are not there."""
        asked = dict(urllib.parse.parse_qsl(query))
        first = int(asked.get("continuation-token", "0"))
        last = min(first + int(asked["max-keys"]), self.pretended[bucket])
        more = f"<NextContinuationToken>{last}</NextContinuationToken>" if last < self.pretended[bucket] else ""
        entries = "".join(ENTRY.format(number) for number in range(first, last))
        answer = (
            f"<ListBucketResult><IsTruncated>{str(bool(more)).lower()}</IsTruncated>{more}{entries}</ListBucketResult>"
        )
        start("200 OK", [("Content-Type", "application/xml"), ("Content-Length", str(len(answer)))])
        return [answer.encode()]


def _half(whole: bytes) -> Iterator[bytes]:
    """The first half of an answer, after which the connection ends."""
    yield whole[: len(whole) // 2]
    raise ConnectionError


def main() -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, kind: str, message: str, *args: Any) -> None:
            """Nothing: the log is kept by the application."""

        def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
            self.close_connection = True

    application = Faulty(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
