"""A REST catalog of Iceberg tables, for tests: the protocol on 127.0.0.1 over a catalog in a SQLite file, with faults on demand.

It refuses whoever has no token, knows one client of OAuth, and keeps the requests of its clients. `faults` are what befalls the next
commits: `409` and `503` refuse, `lost` closes the connection after the commit, `cut` before it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs, unquote

from pyiceberg.catalog.rest import CreateTableRequest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.table import CommitTableRequest

TOKEN, CLIENT, SECRET = "t0ken-of-catalog", "client", "s3cr3t-of-client"
STATUSES: dict[type[Exception], int] = {
    NoSuchTableError: 404,
    NoSuchNamespaceError: 404,
    CommitFailedException: 409,
    TableAlreadyExistsError: 409,
    NamespaceAlreadyExistsError: 409,
    NotImplementedError: 501,
    PermissionError: 401,
    TimeoutError: 503,
}
REFUSED = {"409": CommitFailedException("another commit was first"), "503": TimeoutError("the catalog is busy")}


@dataclass
class RestCatalog:
    """A running catalog over `tables`. `may_stage` says whether it creates tables by their first snapshot."""

    tables: SqlCatalog
    port: int = 0
    may_stage: bool = True
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    meanwhile: list[Callable[[], object]] = field(default_factory=list)  # called before the next commits
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, method: str, path: list[str], body: bytes) -> Any:
        """What a client gets. Raises the exceptions of `STATUSES`, and ConnectionError where it gets nothing."""
        match method, path:
            case "GET", ["config"]:
                return {"defaults": {}, "overrides": {}}
            case "GET", ["namespaces"]:
                return {"namespaces": self.tables.list_namespaces()}
            case "POST", ["namespaces"]:
                namespace = json.loads(body)["namespace"]
                self.tables.create_namespace(tuple(namespace))
                return {"namespace": namespace, "properties": {}}
            case "POST", ["namespaces", namespace, "tables"]:
                return self.create(namespace, CreateTableRequest.model_validate({"location": None, **json.loads(body)}))
            case "GET", ["namespaces", namespace, "tables", name]:
                table = self.tables.load_table((namespace, name))
                return _table(table.metadata, table.metadata_location)
            case "POST", ["namespaces", namespace, "tables", name]:
                return self.commit((namespace, name), CommitTableRequest.model_validate_json(body))
        raise NotImplementedError(f"{method} {'/'.join(path)}")

    def create(self, namespace: str, asked: CreateTableRequest) -> Any:
        if not (asked.stage_create and self.may_stage):
            raise NotImplementedError("staged creation of tables is not supported")
        staged = self.tables.create_table_transaction(
            (namespace, asked.name),
            asked.table_schema,
            location=asked.location,
            partition_spec=asked.partition_spec or UNPARTITIONED_PARTITION_SPEC,
            properties=asked.properties,
        )
        return _table(staged.table_metadata)

    def commit(self, name: tuple[str, str], asked: CommitTableRequest) -> Any:
        fault = self.faults.pop(0) if self.faults else ""
        if self.meanwhile:
            self.meanwhile.pop(0)()
        if fault in REFUSED:
            raise REFUSED[fault]
        if fault == "cut":
            raise ConnectionError
        table = cast(Any, SimpleNamespace(name=lambda: name))
        done = self.tables.commit_table(table, asked.requirements, asked.updates)
        if fault == "lost":
            raise ConnectionError
        return _table(done.metadata, done.metadata_location)


def _table(metadata: Any, location: str | None = None) -> Any:
    return {"metadata": json.loads(metadata.model_dump_json()), "metadata-location": location, "config": {}}


class Handler(BaseHTTPRequestHandler):
    """A request of a client."""

    protocol_version = "HTTP/1.1"
    catalog: RestCatalog

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = [unquote(part) for part in self.path.partition("?")[0].strip("/").split("/")][1:]
        try:
            if path == ["oauth", "tokens"]:
                self._send(*_token(parse_qs(body.decode())))
                return
            self.catalog.requests.append(f"{self.command} {'/'.join(path)}")
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                raise PermissionError("the token is not valid")
            with self.catalog.one_at_a_time:
                found = self.catalog.answer(self.command, path, body)
            self._send(200, found)
        except ConnectionError:
            self.close_connection = True
        except tuple(STATUSES) as error:
            status = STATUSES[type(error)]
            self._send(status, {"error": {"message": str(error), "type": type(error).__name__, "code": status}})

    def _send(self, status: int, answer: Any) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: the catalog keeps the requests."""


def _token(asked: dict[str, list[str]]) -> tuple[int, Any]:
    if (asked["client_id"], asked["client_secret"]) != ([CLIENT], [SECRET]):
        return 401, {"error": "invalid_client"}
    return 200, {"access_token": TOKEN, "token_type": "bearer", "expires_in": 3600}


@contextmanager
def rest_catalog(folder: Path) -> Iterator[RestCatalog]:
    """A catalog whose tables are below `folder`, for as long as the context is open."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = SqlCatalog("served", uri=f"sqlite:///{folder}/served.db", warehouse=(folder / "tables").as_uri())
    catalog = RestCatalog(tables)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"catalog": catalog}))
    catalog.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield catalog
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        tables.close()
