"""Finds the objects of a store at a URL, by the same rules as files at a path: the object itself, those of a folder, or those that match `*`.

Objects are listed, never requested one by one. For a few URLs (one for each day, for example), each folder is listed; for many, the folder
that they share is listed once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from etlrun.contracts.source import Trouble
from etlrun.reading.compression import COMPRESSIONS
from etlrun.reading.finding import FoundFile, fixed_part, is_marker
from etlrun.spec.paths import Places, fix_of_url
from etlrun.spec.urls import Url, read_url
from etlrun.storage.object_store import StoredObject, StoreError
from etlrun.storage.stores import Stores

FEW = 8
OUTSIDE_URLS = "no store under `storage`, `data` or `roots` in etlrun.yaml matches the URL"


@dataclass
class ObjectFinder:
    """Looks for the objects of one source at `paths`, in `places` only. Use it for one source: it remembers its listings."""

    places: Places
    stores: Stores
    paths: Sequence[str]
    _below: dict[Url, list[StoredObject]] = field(default_factory=dict)
    _names: dict[Url, list[StoredObject]] = field(default_factory=dict)

    def find(self, path: str) -> Iterator[FoundFile | Trouble]:
        """The objects at `path`; empty if there are none."""
        start = read_url(fixed_part(path))
        if not self.places.holds_url(start):
            yield Trouble("path-outside", path, OUTSIDE_URLS, fix_of_url(start))
            return
        try:
            found = self._at_folder(path, start) if "*" in path or path.endswith("/") else self._at(start)
        except StoreError as error:
            yield Trouble(error.code, str(start), str(error).removeprefix(f"{start}: "), error.fix)
            return
        for each in found:
            yield FoundFile(str(each.url), each.size, each.modified) if _can_be_named(each.url) else _bad_name(each.url)

    def _at_folder(self, path: str, start: Url) -> list[StoredObject]:
        """The objects below `start` that match the rest of `path`."""
        parts = [part for part in path[len(fixed_part(path)) :].split("/") if part]
        fits = [re.compile(".*".join(map(re.escape, part.split("*"))), re.DOTALL) for part in parts]
        return [found for found in self._all_below(start) if _fits(found.url.parts[len(start.parts) :], parts, fits)]

    def _at(self, url: Url) -> list[StoredObject]:
        """The object at a URL, also with the ending of a compression; or the objects below the URL if it is a folder."""
        names = (
            {url.parts[-1] + ending for ending in ("", *(known.ending for known in COMPRESSIONS))} if url.key else {""}
        )
        found: list[StoredObject] = []
        for each in self._names_in(url.parent) if url.key else [StoredObject(url, -1, 0)]:
            if each.is_folder and each.url == url:
                found += self._at_folder(str(url), url)
            elif not each.is_folder and each.url.parts[-1] in names:
                found.append(each)
        return found

    def _names_in(self, folder: Url) -> list[StoredObject]:
        if len({read_url(path).parent for path in self.paths}) > FEW:
            depth = len(folder.parts) + 1
            below = self._all_below(folder)
            folders = {Url(folder.scheme, folder.authority, "/".join(one.url.parts[:depth])) for one in below}
            files = [one for one in below if len(one.url.parts) == depth]
            return files + [StoredObject(url, -1, 0) for url in folders - {one.url for one in files}]
        if folder not in self._names:
            self._names[folder] = self._checked(folder, self.stores.of(folder).names_in(folder))
        return self._names[folder]

    def _all_below(self, folder: Url) -> list[StoredObject]:
        listed = self._shared_folder() if len(set(self.paths)) > FEW else folder
        if listed not in self._below:
            self._below[listed] = self._checked(listed, self.stores.of(listed).all_below(listed))
        start = f"{folder.key}/" if folder.key else ""
        return [found for found in self._below[listed] if found.url.key.startswith(start)]

    def _shared_folder(self) -> Url:
        """The deepest folder that contains all the paths."""
        folders = [read_url(fixed_part(path) if "*" in path else path).parts for path in self.paths]
        first = read_url(fixed_part(self.paths[0]))
        return Url(first.scheme, first.authority, "/".join(os.path.commonprefix(folders)))

    def _checked(self, folder: Url, listed: list[StoredObject]) -> list[StoredObject]:
        """The listed objects. Raises StoreError if there are none because the bucket does not exist."""
        if not listed:
            self.stores.of(folder).refuse_missing(folder)
        return listed


def _fits(names: Sequence[str], parts: Sequence[str], fits: Sequence[re.Pattern[str]]) -> bool:
    """Whether a key matches the parts of a path. A deeper key matches if one of its folders does and no deeper name is a marker."""
    if len(names) < len(parts):
        return False
    for name, part, pattern in zip(names, parts, fits, strict=False):
        if not pattern.fullmatch(name) or (
            "*" in part and is_marker(name) and (part[0] != name[:1] or name.endswith(".crc"))
        ):
            return False
    return not any(is_marker(name) for name in names[len(parts) :])


def _can_be_named(url: Url) -> bool:
    """Whether every program requests the same object by this key. Some replace `//` by `/`, and resolve `..`."""
    return not any(part in ("", ".", "..") for part in url.parts) and not re.search(r"[\x00-\x1f\x7f]", url.key)


def _bad_name(url: Url) -> Trouble:
    message = "the object's key has `//`, `.`, `..` or a control character"
    return Trouble("bad-file-name", repr(str(url))[1:-1], message, "copy it to a key without them, and delete this one")
