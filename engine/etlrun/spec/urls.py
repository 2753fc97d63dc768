"""URLs of object stores, `s3://bucket/raw/a.json`: the part after the bucket is the key, without any escapes.

The kinds of storage define the schemes: the first of `schemes` is used in messages, the others are aliases of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etlrun.spec.registry import kinds

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(/{0,2})")
ELSEWHERE: Mapping[str, str] = {
    "hdfs": "mount it below one of the `roots` of etlrun.yaml, or copy the files into an object store",
    "http": "download the files into the folder `data`",
    "https": "download the files into the folder `data`; for objects of a store use s3://, gs:// or abfss://",
    "file": "write the path itself",
}


class UrlError(ValueError):
    """A text that begins like a URL but is not a URL of a store; `fix` says what to write."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


@dataclass(frozen=True)
class Url:
    """An address in a store: its scheme, the bucket or container, and the key, or the beginning of keys, in it."""

    scheme: str
    authority: str
    key: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}/{self.key}" if self.key else f"{self.scheme}://{self.authority}"

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.key.split("/")) if self.key else ()

    @property
    def parent(self) -> Url:
        return Url(self.scheme, self.authority, "/".join(self.parts[:-1]))

    def __truediv__(self, name: str) -> Url:
        """The URL of a name inside this folder."""
        return Url(self.scheme, self.authority, f"{self.key}/{name}" if self.key else name)

    def is_below(self, other: Url) -> bool:
        """Whether it is `other` or inside the folder `other`."""
        same = (self.scheme, self.authority) == (other.scheme, other.authority)
        return same and self.parts[: len(other.parts)] == other.parts


def is_url(text: str) -> bool:
    """Whether a text begins like a URL of any scheme; for a scheme of a store, also without the two slashes."""
    found = _ADDRESS.match(text)
    if found is None:
        return False
    return found[2] == "//" or any(found[1].lower() in (*cls.schemes, *cls.refused) for cls in _kinds().values())


def read_url(text: str) -> Url:
    """Read a URL; a `/` at its end is ignored. Raises UrlError."""
    found = _ADDRESS.match(text)
    if found is None:
        raise UrlError(
            "this is not a URL of a store",
            "write it as s3://BUCKET/KEY, gs://BUCKET/KEY or abfss://CONTAINER@ACCOUNT/KEY",
        )
    scheme, kind = _kind_of(found[1].lower())
    if found[2] != "//":
        raise UrlError(f"the URL of a store has two slashes after `{found[1]}:`", f"begin it with `{scheme}://`")
    authority, _, key = text[found.end() :].partition("/")
    wrong = kind.wrong_authority(authority)
    if wrong:
        raise UrlError(*wrong)
    key = key.removesuffix("/")
    if any(character < " " or character == "\x7f" for character in key):
        raise UrlError("the URL has a line break, a tab or another control character", "rename the objects")
    if key and not all(part.strip(".") or len(part) > 2 for part in key.split("/")):
        raise UrlError(
            f"`{scheme}://{authority}/{key}` has `//`, `.` or `..` in its key", "write one `/` between names"
        )
    return Url(scheme, authority, key)


def kind_of_scheme(scheme: str) -> str:
    """The kind of storage for a scheme if `storage` names none."""
    return next(name for name, cls in _kinds().items() if scheme in cls.schemes)


def _kind_of(scheme: str) -> tuple[str, Any]:
    """The scheme for messages, and its kind of storage. Raises UrlError."""
    for cls in _kinds().values():
        if scheme in cls.schemes:
            return cls.schemes[0], cls
        if scheme in cls.refused:
            raise UrlError(f"`{scheme}://` is not supported", cls.refused[scheme])
    known = ", ".join(f"{cls.schemes[0]}://" for cls in _kinds().values())
    fix = ELSEWHERE.get(scheme, f"use {known} for stores, and paths for files on this machine")
    raise UrlError(f"`{scheme}://` is not the start of an object store's URL", fix)


def _kinds() -> Mapping[str, Any]:
    return kinds("storages")
