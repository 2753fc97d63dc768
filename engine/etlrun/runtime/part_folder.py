"""The parts of a source in the store of runs: one folder with their objects, and an index that names these with their sizes.

What no index names does not exist. A run writes one new index in place of those that it has read. If two runs do this at the same time,
there are two indexes, and the next run merges them. An object is deleted a day after an index has listed it as removed, because a run may
have begun to read it before.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from etlrun.spec.urls import Url
from etlrun.storage.object_store import ObjectStore, StoredObject, StoreError

AT_ONCE = 8
INDEX = "index-"  # sorts before `part-`: a listing that has an index also has the objects that were there before it
PART = "part-"
DAY = 86_400.0  # seconds; no run reads longer
TRIES = 5


@dataclass(frozen=True)
class StoredPart:
    """The part of one file. `groups`, `account`, `broken`, `header` and `sha256` describe it as `FilePart` does, by names of objects.

    `objects` are the sizes of all its objects in bytes, and `digests` the SHA-256 of those for which it is known; `used` is when a run last used
    it, in seconds since 1970.
    """

    used: float
    objects: Mapping[str, int]
    digests: Mapping[str, str]
    groups: list[dict[str, Any]]
    account: dict[str, Any]
    broken: str
    header: list[str]
    sha256: str

    @property
    def size(self) -> int:
        return sum(self.objects.values())


@dataclass
class PartFolder:
    """The complete parts below `url` by name, and the objects that were removed, with the time of that. `indexes` were read."""

    store: ObjectStore
    url: Url
    parts: dict[str, StoredPart] = field(default_factory=dict)
    removed: dict[str, float] = field(default_factory=dict)
    indexes: tuple[str, ...] = ()
    objects: Mapping[str, StoredObject] = field(default_factory=dict)

    def put(self, name: str, part: StoredPart) -> None:
        """Add a part in place of one with its name, whose other objects are removed."""
        if name in self.parts:
            self.removed |= dict.fromkeys(self.parts[name].objects.keys() - part.objects.keys(), time.time())
        self.parts[name] = part

    def remove(self, name: str) -> None:
        """Remove a part."""
        self.removed |= dict.fromkeys(self.parts.pop(name).objects, time.time())

    def save(self) -> None:
        """Write a new index in place of those that were read. Raises StoreError."""
        index = f"{INDEX}{secrets.token_hex(8)}.json"
        if self.parts or self.removed:
            parts = {name: asdict(part) for name, part in self.parts.items()}
            text = json.dumps({"parts": parts, "removed": self.removed})
            self.store.write(self.url / index, f"{hashlib.sha256(text.encode()).hexdigest()} {text}".encode())
        self._delete(self.indexes)
        self.indexes = (index,)

    def clean(self) -> None:
        """Delete the objects that no run reads any more: those removed long ago, and those that runs left that were killed. Raises StoreError."""
        before = time.time() - DAY
        named = {name for part in self.parts.values() for name in part.objects}
        dead = [
            name
            for name, found in self.objects.items()
            if name.startswith(PART) and name not in named and self.removed.get(name, found.modified / 1e9) < before
        ]
        self._delete(dead)
        self.removed = {name: since for name, since in self.removed.items() if name not in dead}

    def _delete(self, names: Iterable[str]) -> None:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for _ in threads.map(lambda name: self.store.delete(self.url / name), names):
                pass


def read_part_folder(store: ObjectStore, url: Url) -> PartFolder:
    """Read the parts below `url`: one listing, and each index. Raises StoreError."""
    for _ in range(TRIES):
        objects = {found.url.parts[-1]: found for found in store.all_below(url)}
        names = [name for name in objects if name.startswith(INDEX)]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            texts = list(threads.map(lambda name: store.read(url / name), names))
        if None not in texts:  # else another run has just replaced an index
            folder = PartFolder(store, url, indexes=tuple(names), objects=objects)
            _merge(folder, filter(None, map(_content, filter(None, texts))))
            return folder
    raise StoreError("changed-file", f"{url}: runs change the index all the time", "run again")


def _content(text: bytes) -> dict[str, Any] | None:
    """The content of an index; None if it is damaged."""
    digest, _, content = text.partition(b" ")
    if hashlib.sha256(content).hexdigest().encode() != digest:
        return None
    found: dict[str, Any] = json.loads(content)
    return found


def _merge(folder: PartFolder, indexes: Iterable[dict[str, Any]]) -> None:
    """Fill a folder: with all parts that are complete and that no index has removed. Of two of a file, the one that was used last."""
    contents = list(indexes)
    removed = {name: since for index in contents for name, since in index["removed"].items() if name in folder.objects}
    found = sorted(_parts(contents), key=lambda item: item[1].used)
    for name, part in found:
        is_whole = all(
            name not in removed and name in folder.objects and folder.objects[name].size == size
            for name, size in part.objects.items()
        )
        if is_whole and folder.parts.get(name) != part:
            folder.put(name, part)
    folder.removed |= removed


def _parts(contents: Iterable[dict[str, Any]]) -> Iterator[tuple[str, StoredPart]]:
    for index in contents:
        for name, part in index["parts"].items():
            yield name, StoredPart(**part)
