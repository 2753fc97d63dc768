"""The runs of a project in an object store. A run works in a folder of its machine, and copies what other machines need into the store."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from etlrun.failures import RunFailure
from etlrun.spec.urls import Url
from etlrun.storage.object_store import ObjectStore, StoredObject, StoreError

HEARTBEAT = "heartbeat"  # an object that a run writes regularly, and removes at its end
AT_ONCE = 8  # objects that are copied at the same time
Item = TypeVar("Item")


@dataclass
class RunStore:
    """The objects below the URL of `runs`. Names are relative to it. Every method raises RunFailure if the store fails."""

    url: Url
    store: ObjectStore
    found: dict[str, StoredObject] = field(default_factory=dict)  # by the last `look`
    _sent: dict[str, tuple[int, int]] = field(default_factory=dict)  # size and time of what this process has written

    def look(self) -> None:
        """List what is there."""
        with _failing():
            listed = self.store.all_below(self.url)
            if not listed:
                self.store.refuse_missing(self.url)
        start = len(self.url.key) + 1
        self.found = {one.url.key[start:]: one for one in listed}

    def expect(self, folder: str) -> None:
        """Other machines may write below a folder: `holds` says that it is there."""
        self._sent[f"{folder}/"] = 0, 0

    def holds(self, name: str) -> bool:
        """Whether there is an object or a folder, by the last look or because this process wrote it."""
        return any(found == name or found.startswith(f"{name}/") for found in (*self.found, *self._sent))

    def write(self, name: str, content: bytes) -> None:
        """Write a small object atomically."""
        with _failing():
            self.store.write(self._at(name), content)
        self._sent[name] = len(content), 0

    def read(self, name: str) -> bytes | None:
        """The bytes of a small object; None if it does not exist."""
        with _failing():
            return self.store.read(self._at(name))

    def delete(self, name: str) -> None:
        """Delete an object, which may already be gone."""
        with _failing():
            self.store.delete(self._at(name))
        self._forget(name)

    def delete_below(self, folder: str) -> None:
        """Delete the objects below a folder."""
        with _failing():
            self.store.delete_below(self._at(folder))
        for name in [name for name in (*self.found, *self._sent) if name.startswith(f"{folder}/")]:
            self._forget(name)

    def upload(self, files: Iterable[tuple[str, Path]], goes_on: Callable[[], bool] = lambda: True) -> None:
        """Upload files under names, except those that this process has uploaded as they are. `goes_on` is asked before each."""

        def put(item: tuple[str, Path]) -> None:
            name, path = item
            if not goes_on():
                return
            status = path.stat()
            state = status.st_size, status.st_mtime_ns
            if self._sent.get(name) != state:
                self.store.put(path, self._at(name))
                self._sent[name] = state

        _for_each(put, files)

    def download(self, files: Iterable[tuple[str, Path]]) -> None:
        """Download objects into new files; names that are not in the store are left out."""

        def fetch(item: tuple[str, Path]) -> None:
            name, path = item
            if name not in self.found:
                return
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            try:
                self.store.fetch(self.found[name], new, goes_on=lambda size: True)
                os.chmod(new, 0o600)
                new.replace(path)
            finally:
                new.unlink(missing_ok=True)

        _for_each(fetch, files)

    def read_all(self, names: Iterable[str]) -> dict[str, bytes | None]:
        """The bytes of several small objects."""
        found: dict[str, bytes | None] = {}

        def read(name: str) -> None:
            found[name] = self.store.read(self._at(name))

        _for_each(read, names)
        return found

    def shown(self, name: str) -> str:
        """A name for messages: its URL."""
        return str(self._at(name))

    def _forget(self, name: str) -> None:
        self.found.pop(name, None)
        self._sent.pop(name, None)

    def _at(self, name: str) -> Url:
        return self.url / name


def _for_each(action: Callable[[Item], None], items: Iterable[Item]) -> None:
    """Call `action` for each item in threads. Raises RunFailure."""
    with _failing(), ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(action, items):
            pass


@contextmanager
def _failing() -> Iterator[None]:
    """In this block, errors of the store become RunFailure."""
    try:
        yield
    except StoreError as error:
        raise RunFailure("engine", error.code, str(error), error.fix) from error
