"""The cache of parts: rows read from text files, saved in `parts` below the folder of runs, so that a run reads only new files.

The name of a part is a hash of everything that it depends on: the file's path, size and times, the settings of the source that affect
its records, and the versions of the reader. A part is never changed. If a byte of a part is wrong or missing, its file is read again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from etlrun.contracts.engine import ParquetFiles
from etlrun.contracts.source import FilePart, InputFile, Inventory
from etlrun.language.columns import Columns
from etlrun.private import private_folder, refuse_open
from etlrun.reading.account import account_of
from etlrun.reading.source import TextSource
from etlrun.runtime.kept_parts import KeptParts
from etlrun.runtime.part_identity import identity_of, is_at_rest, name_of
from etlrun.runtime.run_store import RunStore
from etlrun.runtime.store_parts import CODE, FOLDER, StoreParts, sweep_store_parts
from etlrun.spec.part_settings import PartSettings
from etlrun.spec.project import Project
from etlrun.storage.digests import digest_of
from etlrun.storage.staging_area import StagingArea

ACCOUNT = "account.json"  # written last
QUARANTINE = "broken.jsonl"
NAME = re.compile("[0-9a-f]{64}|new-[0-9a-f]{16}")
NEW = "new-"  # the prefix of the folder of a part that is being written
UNUSED = timedelta(days=7)  # for which parts stay where no profile keeps any
LEFT_BEHIND = timedelta(hours=1)  # by a process that was killed


@dataclass
class SourceParts(KeptParts):
    """The parts of one source in the folder of runs."""

    is_here = True

    folder: Path
    identity: str  # of all that a part depends on besides its file
    listed: int  # when the files were looked for
    used: int = 0
    trouble: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, file: InputFile, folder: Path) -> FilePart | None:
        """The part of a file, linked into the new folder `folder`, where it stays even if it is removed from the cache."""
        stored = self.folder / name_of(file, self.identity)
        if not self.has(file):
            return None
        try:
            found = _taken(stored, folder)
            os.utime(stored / ACCOUNT)
        except (OSError, ValueError, KeyError, TypeError):
            shutil.rmtree(folder, ignore_errors=True)
            return None
        with self._lock:
            self.used += 1
        return found

    def keep(self, file: InputFile, part: FilePart) -> FilePart:
        """Keep a part, unless its file changed a moment ago; returns the part."""
        if not is_at_rest(file, self.listed):
            return part
        new, stored = _new(self.folder), self.folder / name_of(file, self.identity)
        try:
            private_folder(self.folder)
            new.mkdir(mode=0o700)
            _write(new, part, stored.name)
            _put(new, stored)
        except OSError as error:
            self.trouble = self.trouble or error.strerror or str(error)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return part

    def has(self, file: InputFile) -> bool:
        return (self.folder / name_of(file, self.identity) / ACCOUNT).exists()

    @property
    def place(self) -> str:
        return str(self.folder)

    def of(self, statement: str) -> SourceParts:
        return SourceParts(self.folder, f"{self.identity}\0{statement}", self.listed)

    def again(self) -> SourceParts:
        return replace(self, used=0)

    def save(self) -> None:
        """Every part is complete as soon as it is kept."""


def parts_of(
    project: Project,
    settings: PartSettings | None,
    name: str,
    source: Any,
    columns: Columns,
    inventory: Inventory,
    area: StagingArea | None = None,
) -> KeptParts | None:
    """The parts of the source `name`, in the store of runs if its rows are staged in the `area` there; None if its parts are not kept.

    Raises RunFailure if other users may write to the folder of parts, and OSError if it cannot be used.
    """
    if settings is None or not isinstance(source, TextSource):
        return None
    if area is not None:
        return StoreParts(area, identity_of(name, source, columns, *CODE), inventory.taken)
    folder = _folder(project)
    if folder.is_symlink():
        raise NotADirectoryError(errno.ENOTDIR, "it is a link", str(folder))
    if folder.exists():
        refuse_open(folder)
    return SourceParts(folder, identity_of(name, source, columns, Path(__file__)), inventory.taken)


def limits_of(project: Project) -> tuple[float, int | None]:
    """How long parts are kept without a use, in seconds, and how many bytes of them, if that is limited: the largest values of all profiles."""
    kept = [profile.parts for profile in project.profiles.values() if profile.parts is not None]
    age = max((each.age for each in kept), default=UNUSED).total_seconds()
    return age, max((each.room for each in kept), default=None)


def sweep_parts(project: Project, store: RunStore | None = None) -> None:
    """Remove parts that no run has used for `keep`, and then the least recently used parts until the others fit into `room`.

    This is done for the parts on this machine, and for those in the `store` of runs. Raises OSError, and RunFailure if the store fails.
    """
    if store is not None and store.holds(FOLDER):
        sweep_store_parts(store, *limits_of(project))
    folder = _folder(project)
    if folder.is_symlink() or not folder.is_dir():
        return
    now = time.time()
    age, room = limits_of(project)
    total = 0
    for used, size, part in sorted(_stored(folder), reverse=True):
        total += size
        is_new = part.name.startswith(NEW)
        limit = LEFT_BEHIND.total_seconds() if is_new else age
        if now - used > limit or (room is not None and total > room and not is_new):
            total -= size
            (part / ACCOUNT).unlink(missing_ok=True)
            shutil.rmtree(part, ignore_errors=True)


def _folder(project: Project) -> Path:
    return project.runs_path.resolve() / FOLDER


def _new(folder: Path) -> Path:
    """A temporary name for a part that is being written or removed."""
    return folder / f"{NEW}{secrets.token_hex(8)}"


def _write(new: Path, part: FilePart, part_name: str) -> None:
    """Write a part into a folder: its rows and broken records, then its account with their digests."""
    groups, digests = [], {}
    for index, group in enumerate(part.files):
        names = [f"{index}-{number}.parquet" for number in range(len(group.paths))]
        groups.append({"marker": group.marker, "names": names})
        for path, name in zip(group.paths, names, strict=True):
            _link(Path(path), new / name)
            digests[name] = digest_of(new / name)
    if part.quarantine.exists():
        _link(part.quarantine, new / QUARANTINE)
        digests[QUARANTINE] = digest_of(new / QUARANTINE)
    about = {"part": part_name, "account": asdict(part.account), "header": part.header, "sha256": part.sha256}
    text = json.dumps({**about, "groups": groups, "digests": digests})
    with os.fdopen(os.open(new / ACCOUNT, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(f"{hashlib.sha256(text.encode()).hexdigest()} {text}")


def _put(new: Path, stored: Path) -> None:
    """Move a finished part to its name atomically, in place of anything that has the name."""
    try:
        new.rename(stored)
    except OSError:
        old = _new(stored.parent)
        with suppress(OSError):  # another run did the same
            stored.rename(old)
        shutil.rmtree(old, ignore_errors=True)
        with suppress(OSError):
            new.rename(stored)


def _taken(stored: Path, folder: Path) -> FilePart:
    """Link a part into a folder and verify it there. Raises OSError, ValueError, KeyError or TypeError if it is damaged."""
    digest, _, text = (stored / ACCOUNT).read_text(encoding="utf-8").partition(" ")
    if hashlib.sha256(text.encode()).hexdigest() != digest:
        raise ValueError
    found = json.loads(text)
    if found["part"] != stored.name:
        raise ValueError
    folder.mkdir(parents=True)
    for name, digest in found["digests"].items():
        _link(stored / name, folder / name)
        if digest_of(folder / name) != digest:
            raise ValueError
    files = tuple(
        ParquetFiles(tuple(str(folder / name) for name in group["names"]), group["marker"]) for group in found["groups"]
    )
    header, sha256 = tuple(found["header"]), str(found["sha256"])
    return FilePart(files, account_of(found["account"]), folder / QUARANTINE, header, sha256)


def _link(path: Path, target: Path) -> None:
    """Link a file into another folder, or copy it if the disk has no links; only the owner may read it."""
    try:
        os.link(path, target, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(path, target, follow_symlinks=False)
    if not stat.S_ISREG(target.lstat().st_mode):
        raise OSError(errno.EINVAL, "it is no file", str(path))
    target.chmod(0o600)


def _stored(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """The parts below a folder, including unfinished ones: the time of the last use, the size and the path of each."""
    for part in folder.iterdir():
        if not NAME.fullmatch(part.name) or part.is_symlink() or not part.is_dir():
            continue
        try:
            found = [path.lstat() for path in part.iterdir()]
            used = (part / ACCOUNT).lstat() if (part / ACCOUNT).exists() else part.lstat()
        except OSError:  # another run removes it
            continue
        yield used.st_mtime, sum(status.st_size for status in found), part
