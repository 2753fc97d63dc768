"""The cache of parts in the store of runs, for runs whose executors hand over rows there. Rows are copied inside the store; none passes this machine."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from etlrun.contracts.engine import ParquetFiles
from etlrun.contracts.source import FilePart, InputFile
from etlrun.failures import RunFailure
from etlrun.reading.account import account_of
from etlrun.runtime.kept_parts import KeptParts
from etlrun.runtime.part_folder import AT_ONCE, DAY, PART, PartFolder, StoredPart, read_part_folder
from etlrun.runtime.part_identity import is_at_rest, name_of
from etlrun.runtime.run_store import RunStore
from etlrun.spec.urls import Url
from etlrun.storage.digests import digest_of
from etlrun.storage.object_store import ObjectStore, StoreError
from etlrun.storage.staging_area import PARTS, StagedObject, StagingArea, as_failure

FOLDER = PARTS
SWEPT = "swept"  # an object that is written after a sweep
CODE = (Path(__file__), Path(__file__).with_name("part_folder.py"))  # which writes and reads parts
HOUR = 3600.0


@dataclass
class StoreParts(KeptParts):
    """The parts of one source in the store of runs."""

    is_here = False

    area: StagingArea
    identity: str  # of all that a part depends on besides its file
    listed: int  # when the files were looked for
    used: int = 0
    trouble: str = ""
    _folder: PartFolder | None = None
    _kept: dict[str, FilePart] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)  # names of parts
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, file: InputFile, folder: Path) -> FilePart | None:
        """The part of a file. Its rows stay in the store; its broken records are downloaded into the new folder `folder`."""
        name = name_of(file, self.identity)
        found = self._stored().parts.get(name)
        if found is None:
            return None
        try:
            broken = self._broken(found, folder)
        except (StoreError, OSError, RunFailure):
            return None
        with self._lock:
            self.used += 1
            self._used.add(name)
        files = tuple(
            ParquetFiles(
                tuple(map(self._path, group["paths"])),
                group["marker"],
                frozenset(group["lacking"]),
                tuple(found.digests.get(name, "") for name in group["paths"]),
            )
            for group in found.groups
        )
        return FilePart(files, account_of(found.account), broken, tuple(found.header), found.sha256)

    def keep(self, file: InputFile, part: FilePart) -> FilePart:
        """Note a part for `save`, unless its file changed a moment ago; returns the part."""
        if is_at_rest(file, self.listed):
            with self._lock:
                self._kept[name_of(file, self.identity)] = part
        return part

    def save(self) -> None:
        try:
            self._save(self._stored())
        except (StoreError, OSError) as error:
            self.trouble = self.trouble or str(error)

    def has(self, file: InputFile) -> bool:
        return name_of(file, self.identity) in self._stored().parts

    @property
    def place(self) -> str:
        return str(self.area.url / self._name)

    def of(self, statement: str) -> StoreParts:
        return StoreParts(self.area, f"{self.identity}\0{statement}", self.listed)

    def again(self) -> StoreParts:
        return StoreParts(self.area, self.identity, self.listed)

    @property
    def _name(self) -> str:
        return f"{FOLDER}/{hashlib.sha256(self.identity.encode()).hexdigest()[:32]}"

    def _path(self, name: str) -> str:
        """The path of an object in the staging area."""
        return str(self.area.folder / self._name / name)

    def _stored(self) -> PartFolder:
        """The parts that are in the store; none if it fails. Raises RunFailure if it cannot be opened."""
        with self._lock:
            if self._folder is None:
                store, url = self.area.opened(), self.area.url / self._name
                try:
                    self._folder = read_part_folder(store, url)
                except StoreError as error:
                    self.trouble = str(error)
                    self._folder = PartFolder(store, url)
            return self._folder

    def _broken(self, part: StoredPart, folder: Path) -> Path:
        """The broken records of a part on this machine. Raises StoreError and OSError."""
        path = folder / "broken.jsonl"
        if part.broken:
            folder.mkdir(parents=True, exist_ok=True)
            stored = self._stored()
            place, digest = stored.url / part.broken, part.digests.get(part.broken, "")
            StagedObject(place, part.objects[part.broken], digest).fetch(stored.store, path)
        return path

    def _save(self, folder: PartFolder) -> None:
        now = time.time()
        old = {name: folder.parts[name] for name in self._used if now - folder.parts[name].used > HOUR}
        if not old and not self._kept:
            return
        folder.parts.update({name: replace(part, used=now) for name, part in old.items()})
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for name, part in zip(
                self._kept, threads.map(self._copied, self._kept.keys(), self._kept.values()), strict=True
            ):
                folder.put(name, part)
        folder.save()

    def _copied(self, name: str, part: FilePart) -> StoredPart:
        """A part whose objects are copied into the folder of parts. Raises StoreError and OSError."""
        start = f"{PART}{name}-{secrets.token_hex(4)}"
        groups = []
        objects: dict[str, int] = {}
        digests: dict[str, str] = {}
        for index, group in enumerate(part.files):
            names = [f"{start}-{index}-{number}.parquet" for number in range(len(group.paths))]
            groups.append({"paths": names, "marker": group.marker, "lacking": sorted(group.lacking)})
            for (path, digest), target in zip(group.digest_by_path.items(), names, strict=True):
                digests[target] = digest_of(Path(path)) if os.path.exists(path) else digest
                objects[target] = self._copy(path, target)
        broken = f"{start}-broken.jsonl" if part.quarantine.exists() else ""
        if broken:
            digests[broken] = digest_of(part.quarantine)
            objects[broken] = self._copy(str(part.quarantine), broken)
        return StoredPart(
            time.time(), objects, digests, groups, asdict(part.account), broken, list(part.header), part.sha256
        )

    def _copy(self, path: str, name: str) -> int:
        """Copy a file of this machine, or of the staging area, into the folder of parts; returns its size. Raises StoreError and OSError."""
        folder = self._stored()
        target = folder.url / name
        if os.path.exists(path):
            return folder.store.put(Path(path), target)
        folder.store.copy(self.area.url_of(path), target)
        size = folder.store.size(target)
        if size is None:
            raise StoreError("missing-file", f"{target}: the object no longer exists", "run again")
        return size


def sweep_store_parts(runs: RunStore, age: float, room: int | None) -> None:
    """Remove parts in the store of runs that no run has used for `age` seconds, then the least recently used ones until the others fit into `room`.

    This happens once a day, or if there are more than `room` bytes. Raises RunFailure.
    """
    try:
        _sweep(runs.store, runs.url / FOLDER, age, room)
    except StoreError as error:
        raise as_failure(error) from error


def _sweep(store: ObjectStore, place: Url, age: float, room: int | None) -> None:
    listed, now = store.all_below(place), time.time()
    names = {found.url.parts[len(place.parts)] for found in listed} - {SWEPT}
    is_recent = any(found.url == place / SWEPT and now - found.modified / 1e9 < DAY for found in listed)
    if not names or (is_recent and (room is None or sum(found.size for found in listed) <= room)):
        return
    folders = [read_part_folder(store, place / name) for name in sorted(names)]
    found = [(part, folder, name) for folder in folders for name, part in folder.parts.items()]
    total = 0
    for part, folder, name in sorted(found, key=lambda item: -item[0].used):
        total += part.size
        if now - part.used > age or (room is not None and total > room):
            total -= part.size
            folder.remove(name)
    for folder in folders:
        folder.clean()
        folder.save()
    store.write(place / SWEPT, b"")
