"""The folder of a table or a set of files, on a disk or in an object store: lists, adds and reads files, and opens it for the Delta library."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from etlrun.contracts.source import InputFile
from etlrun.failures import RunFailure
from etlrun.spec.urls import Url, is_url, read_url
from etlrun.storage.object_store import ObjectStore, StoredObject, StoreError, explained
from etlrun.storage.staging_area import StagedObject
from etlrun.storage.stores import Stores


class TableFolder(Protocol):
    """A folder that sinks write to. Names are relative paths with `/`. Failures raise OSError, or RunFailure if a store gives the reason."""

    @property
    def uri(self) -> str:
        """The name of the folder in messages and for the Delta library."""

    @property
    def options(self) -> Mapping[str, str]:
        """Further options for the library."""

    def names(self) -> set[str]:
        """The names directly in it; empty if it does not exist. Raises NotADirectoryError for a file."""

    def written(self, name: str) -> float:
        """When one of its folders was last written, in seconds since 1970; infinite if another process has removed it."""

    def workspace(self, name: str) -> AbstractContextManager[Path]:
        """A local folder for the new files of the table's folder `name`."""

    def add(self, path: Path, name: str, uploaded: StagedObject | None = None) -> tuple[int, int]:
        """Add a file durably under a new name; returns its size in bytes and its time in ms since 1970. `uploaded` is a copy of it in a
        store, which needs no file at `path` if this is in a store too."""

    def read(self, name: str) -> bytes | None:
        """The content of a small file in it; None if it does not exist."""

    def write(self, name: str, content: bytes) -> None:
        """Write a small file atomically: a reader sees the old file or the new one."""

    def remove(self, name: str) -> None:
        """Remove one of its folders, as far as possible."""

    def input_file(self, name: str, size: int, modified: int) -> InputFile:
        """A file in it with the size in bytes and the time in ms since 1970 from the log. Raises OSError if it does not exist."""

    def local_file(self, name: str, size: int, target: Path, columns: Collection[str] | None) -> Path:
        """The local path of a Parquet file in it; `target`, a new copy, if it is in a store. If `columns` are given, the copy may lack others.

        Raises OSError if it does not exist."""

    def explained(self, error_text: str) -> RunFailure | None:
        """Explain an error of the library that comes from the store."""


@dataclass(frozen=True)
class LocalFolder:
    """A local folder. Files are linked into it, or copied to another disk; everybody who may read the folder may read them."""

    root: Path
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        return str(self.root)

    def names(self) -> set[str]:
        if self.root.is_file():
            raise NotADirectoryError
        return {path.name for path in self.root.iterdir()} if self.root.is_dir() else set()

    def written(self, name: str) -> float:
        try:
            return (self.root / name).lstat().st_mtime
        except FileNotFoundError:
            return math.inf

    @contextmanager
    def workspace(self, name: str) -> Iterator[Path]:
        folder = self.root / name
        folder.mkdir(parents=True)
        yield folder

    def add(self, path: Path, name: str, uploaded: StagedObject | None = None) -> tuple[int, int]:
        target = self.root / name
        if path != target:
            try:
                os.link(path, target)
            except OSError:  # a different disk, or one without hard links
                shutil.copyfile(path, target)
        target.chmod(target.parent.stat().st_mode & 0o666)
        with target.open("rb") as stream:
            os.fsync(stream.fileno())
        status = target.stat()
        return status.st_size, int(status.st_mtime * 1000)

    def read(self, name: str) -> bytes | None:
        path = self.root / name
        return path.read_bytes() if path.is_file() else None

    def write(self, name: str, content: bytes) -> None:
        path = self.root / name
        new = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with new.open("xb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        shutil.rmtree(self.root / name, ignore_errors=True)

    def input_file(self, name: str, size: int, modified: int) -> InputFile:
        status = (self.root / name).stat()
        path, identity = str(self.root / name), (status.st_dev, status.st_ino)
        return InputFile(path, None, status.st_size, status.st_mtime_ns, identity)

    def local_file(self, name: str, size: int, target: Path, columns: Collection[str] | None) -> Path:
        (self.root / name).stat()
        return self.root / name

    def explained(self, error_text: str) -> RunFailure | None:
        return None


@dataclass(frozen=True)
class StoreFolder:
    """A folder of an object store. Files are written to `scratch` and then uploaded."""

    url: Url
    store: ObjectStore
    scratch: Path
    stores: Stores = field(repr=False)

    @property
    def uri(self) -> str:
        return str(self.url)

    @property
    def options(self) -> Mapping[str, str]:
        with _sink_failures():
            return self.stores.delta_options(self.url)

    def names(self) -> set[str]:
        with _sink_failures():
            found = self.store.names_in(self.url)
            if not found:
                self.store.refuse_missing(self.url)
            return {one.url.parts[-1] for one in found}

    def written(self, name: str) -> float:
        with _sink_failures():
            return max((one.modified / 1e9 for one in self.store.all_below(self.url / name)), default=math.inf)

    @contextmanager
    def workspace(self, name: str) -> Iterator[Path]:
        self.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            yield Path(folder)

    def add(self, path: Path, name: str, uploaded: StagedObject | None = None) -> tuple[int, int]:
        with _sink_failures():
            size = path.stat().st_size if path.exists() or uploaded is None else uploaded.size
            if uploaded is None or not self._copied(uploaded, name, size):
                if uploaded is not None and not path.exists():
                    uploaded.fetch(self.stores.of(uploaded.url), path)
                self.store.put(path, self.url / name)
        return size, int(time.time() * 1000)

    def _copied(self, source: StagedObject, name: str, size: int) -> bool:
        """Let the store copy an object of the same bucket or server; returns whether it is there in full. Raises RunFailure if it has changed."""
        is_near = (source.url.scheme, source.url.authority) == (self.url.scheme, self.url.authority)
        try:
            origin = self.store if is_near else self.stores.of(source.url)
            if not origin.is_alike(self.store):
                return False
            source.refuse_changed(origin)
            self.store.copy(source.url, self.url / name, origin)
            return self.store.size(self.url / name) == size
        except StoreError:  # such as a missing right, or an object that is too large to be copied
            return False

    def read(self, name: str) -> bytes | None:
        with _sink_failures():
            return self.store.read(self.url / name)

    def write(self, name: str, content: bytes) -> None:
        with _sink_failures():
            self.store.write(self.url / name, content)

    def move(self, name: str, target: str) -> None:
        """Rename a file, replacing one with the new name; its old folder is removed."""
        with _sink_failures():
            self.store.copy(self.url / name, self.url / target)
        self.remove(name.rpartition("/")[0])

    def remove(self, name: str) -> None:
        try:
            self.store.delete_below(self.url / name)
        except StoreError:  # nobody reads the remaining objects, and a later publish tries again
            return

    def input_file(self, name: str, size: int, modified: int) -> InputFile:
        return InputFile(str(self.url / name), None, size, modified * 1_000_000)

    def local_file(self, name: str, size: int, target: Path, columns: Collection[str] | None) -> Path:
        with _sink_failures():
            if columns is not None and self.store.copy_columns(self.url / name, columns, target):
                return target
            self.store.fetch(StoredObject(self.url / name, size, 0), target, goes_on=lambda _: True)
        return target

    def explained(self, error_text: str) -> RunFailure | None:
        if not any(sign in error_text for sign in _OF_STORE):
            return None
        error = explained(self.url, error_text)
        return RunFailure("sink", error.code, str(error), error.fix)


_OF_STORE = (
    "Generic S3",
    "Generic Microsoft",
    "Generic GCS",
    "object store",
    "Object store",
    "privileges",
    "credential",
)


def table_folder(root: Path, path: str, stores: Stores, scratch: Path) -> TableFolder:
    """The folder at `path`, which is relative to `root` unless it is a URL. Raises RunFailure if its store cannot be opened."""
    if not is_url(path):
        return LocalFolder(root / path)
    return store_folder(read_url(path), stores, scratch)


def store_folder(url: Url, stores: Stores, scratch: Path) -> StoreFolder:
    """The folder of a store at `url`. Raises RunFailure if the store cannot be opened."""
    with _sink_failures():
        return StoreFolder(url, stores.of(url), scratch, stores)


@contextmanager
def _sink_failures() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise RunFailure("sink", error.code, str(error), error.fix) from error
