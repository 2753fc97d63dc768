"""Finds the files at a path: the file itself, those of a folder, or those that match the `*` in the path of the spec.

Only `*` is a pattern, and only in the path of the spec: not in the path of the project's folder.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from etlrun.contracts.source import Trouble
from etlrun.reading.compression import COMPRESSIONS
from etlrun.spec.paths import OUTSIDE_ROOTS, Places


@dataclass(frozen=True)
class FoundFile:
    """A file below a path: its size in bytes, its time of change (ns since 1970), and its device and inode (0 for objects of a store)."""

    path: str
    size: int
    modified: int
    identity: tuple[int, int] = (0, 0)
    state: str = ""


@dataclass
class FileFinder:
    """Looks for files, in `places` only. Use a new one for each source: it remembers the folders that it has listed."""

    places: Places
    _inside: dict[str, bool] = field(default_factory=dict)

    def find(self, path: str) -> Iterator[FoundFile | Trouble]:
        """The files at `path`, which is relative to the project's folder; empty if there are none."""
        start = str(self.places.project / fixed_part(path))
        if not self.places.holds(start):
            yield self._outside(start)
            return
        if ".." in start.split("/"):
            start = os.path.realpath(start)
        closed = _closed_folder(start)
        if closed:
            yield Trouble("unreadable-file", closed, "the folder cannot be listed", "check its permissions")
            return
        if "*" not in path:
            for name in (start, *(start + known.ending for known in COMPRESSIONS)):
                if os.path.lexists(name):
                    yield from self._at(name, ())
            return
        rest = path[len(fixed_part(path)) :].strip("/")
        yield from self._fitting(start, [part for part in rest.split("/") if part not in ("", ".")])

    def _fitting(self, folder: str, parts: list[str]) -> Iterator[FoundFile | Trouble]:
        """The files below a folder that match the parts of a path; each part may contain `*`."""
        if not parts:
            yield from self._at(folder, ())
            return
        if not os.path.isdir(folder):
            return
        part, *rest = parts
        if part == "..":
            yield self._outside(os.path.join(folder, part))
            return
        if "*" not in part:
            if os.path.lexists(os.path.join(folder, part)):
                yield from self._fitting(os.path.join(folder, part), rest)
            return
        fits = re.compile(".*".join(re.escape(text) for text in part.split("*")), re.DOTALL)
        try:
            names = sorted(name for name in os.listdir(folder) if fits.fullmatch(name))
        except OSError as error:
            yield _unreadable(folder, error)
            return
        for name in names:
            if not (is_marker(name) and (part[0] != name[0] or name.endswith(".crc"))):
                yield from self._fitting(os.path.join(folder, name), rest)

    def _at(self, path: str, above: tuple[str, ...]) -> Iterator[FoundFile | Trouble]:
        """The file at `path`, or all files if it is a folder. `above` are the parent folders with links resolved."""
        try:
            status = os.stat(path)
        except OSError as error:
            yield _unreadable(path, error)
            return
        if not self._is_inside(path):
            yield self._outside(path)
        elif stat.S_ISREG(status.st_mode):
            identity = (status.st_dev, status.st_ino)
            state = f"{status.st_ino} {status.st_ctime_ns}"
            found = FoundFile(path, status.st_size, status.st_mtime_ns, identity, state)
            yield found if is_utf8(path) else _no_text(path)
        elif not stat.S_ISDIR(status.st_mode):
            fix = "remove it, or change the path so that it matches only files"
            yield Trouble("unreadable-file", path, "this is neither a file nor a folder", fix)
        elif os.path.realpath(path) in above:
            yield Trouble("unreadable-file", path, "the link leads back to a folder above it", "remove the link")
        else:
            yield from self._inside_folder(path, (*above, os.path.realpath(path)))

    def _inside_folder(self, folder: str, above: tuple[str, ...]) -> Iterator[FoundFile | Trouble]:
        try:
            names = sorted(name for name in os.listdir(folder) if not is_marker(name))
        except OSError as error:
            yield _unreadable(folder, error)
            return
        for name in names:
            yield from self._at(os.path.join(folder, name), above)

    def _is_inside(self, path: str) -> bool:
        """Whether a path is inside one of the places. The result is kept per folder."""
        if os.path.islink(path):
            return self.places.holds(path)
        folder = os.path.dirname(path)
        if folder not in self._inside:
            self._inside[folder] = self.places.holds(folder)
        return self._inside[folder] or self.places.holds(path)

    def _outside(self, path: str) -> Trouble:
        return Trouble("path-outside", shown_path(path), OUTSIDE_ROOTS, self.places.fix(path))


def fixed_part(path: str) -> str:
    """The part of a path before the first folder or file name that contains `*` or a day."""
    found = re.search(r"\*|\{date:", path)
    return path[: path.rfind("/", 0, found.start()) + 1] if found else path


def leads_up(path: str) -> bool:
    """Whether a path has `..` after a `*` or a day."""
    return ".." in path[len(fixed_part(path)) :].split("/")


def is_utf8(path: str) -> bool:
    """Whether a path is valid UTF-8; names on disk are bytes."""
    return not re.search(r"[\ud800-\udfff]", path)


def shown_path(path: str) -> str:
    """A path as printable text, even if its bytes are not valid UTF-8."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")


def is_marker(name: str) -> bool:
    """Whether Hadoop and Spark take a file of this name for a marker, not for data: `_SUCCESS`, `.part.crc`."""
    return name.startswith(("_", ".")) or name.endswith(".crc")


def _closed_folder(path: str) -> str:
    """A folder on the path that we may not read. We cannot know what it contains, or whether it is empty."""
    folder = path.rstrip("/") or "/"
    while True:
        if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK):
            return folder
        if folder == os.path.dirname(folder):
            return ""
        folder = os.path.dirname(folder)


def _unreadable(path: str, error: OSError) -> Trouble:
    if isinstance(error, FileNotFoundError):
        return Trouble("unreadable-file", shown_path(path), "the link leads nowhere", "remove the link")
    return Trouble(
        "unreadable-file", shown_path(path), f"the file cannot be read: {error.strerror}", "check links and permissions"
    )


def _no_text(path: str) -> Trouble:
    return Trouble("bad-file-name", shown_path(path), "the file's name is not UTF-8", "rename the file")
