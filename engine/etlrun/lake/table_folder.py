"""The folder of a table or of a set of files, on a disk or in a store: what is in it, how files get into it, and how the library of Delta opens it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from etlrun.contracts.source import InputFile
from etlrun.failures import RunFailure
from etlrun.spec.urls import Url, is_url, read_url
from etlrun.storage.object_store import ObjectStore, StoreError, explained
from etlrun.storage.stores import Stores


class TableFolder(Protocol):
    """A folder that sinks write. Names in it are paths from it, with `/`. What fails raises OSError, or RunFailure where a store says why."""

    @property
    def uri(self) -> str:
        """How the library of Delta tables, and messages, name it."""

    @property
    def options(self) -> Mapping[str, str]:
        """What the library needs to know besides."""

    def names(self) -> set[str]:
        """What is right in it; none where it is not there. Raises NotADirectoryError for a file."""

    def written(self, name: str) -> float:
        """When something was written in a folder of it last, in seconds since 1970."""

    def workspace(self, name: str) -> AbstractContextManager[Path]:
        """A folder of this machine for the new files of the table's folder `name`."""

    def add(self, path: Path, name: str) -> tuple[int, int]:
        """Put a file into the folder, safe there, under a name that is new; gives its size in bytes and its time in ms since 1970."""

    def read(self, name: str) -> bytes | None:
        """The content of a small file of it; None where there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Put a small file in its place at once: a reader sees the one before, or this one."""

    def remove(self, name: str) -> None:
        """Remove a folder of it, as far as that succeeds."""

    def input_file(self, name: str, size: int, modified: int) -> InputFile:
        """A file of it, as its log tells of it: its size in bytes, its time in ms since 1970. Raises OSError where it is not there."""

    def explained(self, error_text: str) -> RunFailure | None:
        """What an error of the library means where it is one of the store."""


@dataclass(frozen=True)
class LocalFolder:
    """A folder of this machine. Files are linked into it, or copied to another disk; everybody may read them who may read the folder."""

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
        return (self.root / name).lstat().st_mtime

    @contextmanager
    def workspace(self, name: str) -> Iterator[Path]:
        folder = self.root / name
        folder.mkdir(parents=True)
        yield folder

    def add(self, path: Path, name: str) -> tuple[int, int]:
        target = self.root / name
        if path != target:
            try:
                os.link(path, target)
            except OSError:  # another disk, or one without links
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

    def explained(self, error_text: str) -> RunFailure | None:
        return None


@dataclass(frozen=True)
class StoreFolder:
    """A folder of a store. Files are copied there; the disk of `scratch` holds those that are written for it."""

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
            return max((one.modified / 1e9 for one in self.store.all_below(self.url / name)), default=0.0)

    @contextmanager
    def workspace(self, name: str) -> Iterator[Path]:
        self.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            yield Path(folder)

    def add(self, path: Path, name: str) -> tuple[int, int]:
        with _sink_failures():
            size = self.store.put(path, self.url / name)
        return size, int(path.stat().st_mtime * 1000)

    def read(self, name: str) -> bytes | None:
        with _sink_failures():
            return self.store.read(self.url / name)

    def write(self, name: str, content: bytes) -> None:
        with _sink_failures():
            self.store.write(self.url / name, content)

    def move(self, name: str, target: str) -> None:
        """Give a file of it another name, in the place of what has that, at once; the folder that it was in goes."""
        with _sink_failures():
            self.store.copy(self.url / name, self.url / target)
        self.remove(name.rpartition("/")[0])

    def remove(self, name: str) -> None:
        try:
            self.store.delete_below(self.url / name)
        except StoreError:  # nobody reads what stays, and a later publish tries again
            return

    def input_file(self, name: str, size: int, modified: int) -> InputFile:
        return InputFile(str(self.url / name), None, size, modified * 1_000_000)

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
    """The folder that `path` names, which starts at `root` where it is no URL. Raises RunFailure for a store that cannot be opened."""
    if not is_url(path):
        return LocalFolder(root / path)
    return store_folder(read_url(path), stores, scratch)


def store_folder(url: Url, stores: Stores, scratch: Path) -> StoreFolder:
    """The folder of a store at `url`. Raises RunFailure for a store that cannot be opened."""
    with _sink_failures():
        return StoreFolder(url, stores.of(url), scratch, stores)


@contextmanager
def _sink_failures() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise RunFailure("sink", error.code, str(error), error.fix) from error
