"""A server that speaks Azure's storage of blobs, for tests: azurite on 127.0.0.1, with its blobs in memory; `make azure` installs it."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pyarrow.fs import AzureFileSystem, FileSelector, FileType

from clusters import free_port, is_open
from projects import wait_for

PROGRAM = Path(sys.prefix) / "azurite/node_modules/azurite/dist/src/blob/main.js"
ACCOUNT, KEY = "acct", base64.b64encode(b"k" * 64).decode()


@dataclass(frozen=True)
class AzuriteServer:
    """A running server, asked by Arrow's client."""

    port: int

    @cached_property
    def files(self) -> AzureFileSystem:
        here, scheme = f"127.0.0.1:{self.port}", "http"
        return AzureFileSystem(
            ACCOUNT,
            account_key=KEY,
            blob_storage_authority=here,
            dfs_storage_authority=here,
            blob_storage_scheme=scheme,
            dfs_storage_scheme=scheme,
        )

    def make_container(self, name: str) -> None:
        self.files.create_dir(name)

    def put(self, path: str, content: bytes) -> None:
        with self.files.open_output_stream(path) as stream:
            stream.write(content)

    def get(self, path: str) -> bytes:
        with self.files.open_input_stream(path) as stream:
            return bytes(stream.read())

    def names(self, folder: str) -> list[str]:
        """The blobs below a folder of a container."""
        found = self.files.get_file_info(FileSelector(folder, allow_not_found=True, recursive=True))
        return sorted(one.path for one in found if one.type == FileType.File)


@contextmanager
def azurite_server() -> Iterator[AzuriteServer]:
    """A server, for as long as the context is open."""
    assert PROGRAM.exists(), "make azure installs the server"
    port = free_port()
    options = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence", "--skipApiVersionCheck"]
    process = subprocess.Popen(
        ["node", str(PROGRAM), "--disableTelemetry", "--silent", *options],
        env={"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}", "PATH": "/usr/local/bin:/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: is_open(port) or process.poll() is not None, 120)
        yield AzuriteServer(port)
    finally:
        process.terminate()
        process.wait()
