"""The files at a path: the file itself, those of a folder, or those whose names fit the `*` that the spec writes.

No other character of a path is a pattern, and none of the project's own folder is.
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
    """A file below a path: its size in bytes, when it changed last (ns since 1970), and its device and inode; none of an object of a store."""

    path: str
    size: int
    modified: int
    identity: tuple[int, int] = (0, 0)
    state: str = ""


@dataclass
class FileFinder:
    """Looks for files, in `places` only. Used once for a source: it knows the folders it has been in."""

    places: Places
    _inside: dict[str, bool] = field(default_factory=dict)

    def find(self, path: str) -> Iterator[FoundFile | Trouble]:
        """What is at `path`, which starts at the project's folder; nothing where nothing is there."""
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
        """What fits the parts of a path, each of which may hold `*`, below a folder."""
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
        """The file at `path`, or the files of the folder that it is; `above` are the folders on the way, without their links."""
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
        """Whether a path leads to one of the places; its folder is looked at once for all its files."""
        if os.path.islink(path):
            return self.places.holds(path)
        folder = os.path.dirname(path)
        if folder not in self._inside:
            self._inside[folder] = self.places.holds(folder)
        return self._inside[folder] or self.places.holds(path)

    def _outside(self, path: str) -> Trouble:
        return Trouble("path-outside", shown_path(path), OUTSIDE_ROOTS, self.places.fix(path))


def fixed_part(path: str) -> str:
    """The part of a path in front of the folder or file whose name holds a `*` or a day."""
    found = re.search(r"\*|\{date:", path)
    return path[: path.rfind("/", 0, found.start()) + 1] if found else path


def leads_up(path: str) -> bool:
    """Whether a path goes up again behind a `*` or a day."""
    return ".." in path[len(fixed_part(path)) :].split("/")


def is_utf8(path: str) -> bool:
    """Whether a path is text; names on disk are bytes."""
    return not re.search(r"[\ud800-\udfff]", path)


def shown_path(path: str) -> str:
    """A path as text that can be printed, whatever bytes it is of."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")


def is_marker(name: str) -> bool:
    """Whether a file of that name is no data by the custom of Hadoop and Spark: `_SUCCESS`, `.part.crc`."""
    return name.startswith(("_", ".")) or name.endswith(".crc")


def _closed_folder(path: str) -> str:
    """A folder on the way that is closed to us: whatever it holds cannot be known, not even that it holds nothing."""
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
