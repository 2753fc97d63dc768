"""Downloads objects of a store into a folder of the run, so that they are read like files. Messages still name their URLs.

An object is not downloaded if an earlier run kept its part and the listing shows that the object is unchanged.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

from etlrun.contracts.source import InputFile, Inventory, PartStore
from etlrun.failures import RunFailure
from etlrun.spec.urls import is_url, read_url
from etlrun.storage.object_store import StoredObject, StoreError
from etlrun.storage.stores import Stores

AT_ONCE = 8
COPIES = "copies"  # the folder of them, below that of a source
NAMES = "urls.txt"


@dataclass
class Fetching:
    """Downloads the objects of an inventory into `folder`. `done` of `size` bytes have arrived."""

    inventory: Inventory
    folder: Path
    stores: Stores
    done: int = 0
    stopped: Event = field(default_factory=Event)

    @property
    def files(self) -> list[InputFile]:
        """The objects to download: those without a kept part."""
        return [file for file in self.inventory.files if is_url(file.at) and file.part is None]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    def fetch(self) -> Inventory:
        """Download each object; returns the inventory with the paths of the copies. Raises RunFailure."""
        remote = self.files
        if not remote:
            return self.inventory
        self._make_room()
        (self.folder / NAMES).write_text("".join(f"{file.path}\n" for file in remote), encoding="utf-8")
        copies: dict[str, InputFile] = {}
        with ThreadPoolExecutor(AT_ONCE) as threads:
            waiting = [threads.submit(self._copy, number, file) for number, file in enumerate(remote)]
            try:
                for each in waiting:
                    copy = each.result()
                    copies[copy.path] = copy
            finally:
                self.stopped.set()
                threads.shutdown(cancel_futures=True)
        return replace(self.inventory, files=tuple(copies.get(file.path, file) for file in self.inventory.files))

    def _copy(self, number: int, file: InputFile) -> InputFile:
        path = self.folder / f"{number:06}"
        url = read_url(file.path)
        try:
            store = self.stores.of(url)
            sha256 = store.fetch(StoredObject(url, file.size, file.modified), path, goes_on=self._goes_on)
            os.utime(path, ns=(file.modified, file.modified))
        except StoreError as error:
            raise RunFailure("source", error.code, str(error), error.fix) from error
        except OSError as error:
            message = f"{file.path}: its copy cannot be written to {self.folder}: {error.strerror}"
            raise RunFailure("source", "disk", message, "free space on the disk of `runs:`, then run again") from error
        status = path.stat()
        return replace(file, copy=str(path), sha256=sha256, identity=(status.st_dev, status.st_ino))

    def _goes_on(self, size: int) -> bool:
        self.done += size
        return not self.stopped.is_set()

    def _make_room(self) -> None:
        """Raises RunFailure if the disk has not enough space for the copies."""
        import shutil

        self.folder.mkdir(parents=True)
        free = shutil.disk_usage(self.folder).free
        if free < self.size:
            message = (
                f"copies of {self.size / 1e9:,.1f} GB are needed in {self.folder}, and {free / 1e9:,.1f} GB are free"
            )
            raise RunFailure("source", "disk", message, "free space on the disk of `runs:`, or read fewer days at once")


def with_parts(inventory: Inventory, parts: PartStore, folder: Path) -> Inventory:
    """The inventory with the parts that earlier runs kept of its objects, linked into new folders below `folder`."""

    def known(number: int, file: InputFile) -> InputFile:
        part = parts.find(file, folder / f"cached-{number}") if is_url(file.at) else None
        return file if part is None else replace(file, part=part, sha256=part.sha256)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return replace(inventory, files=tuple(threads.map(known, *zip(*enumerate(inventory.files), strict=True))))


def origin(path: str) -> str:
    """The URL of the object that a file is a copy of, or the path itself."""
    folder, name = os.path.split(path)
    if os.path.basename(folder) != COPIES or not name.isdigit():
        return path
    try:
        with open(os.path.join(folder, NAMES), encoding="utf-8") as names:
            return next((line.rstrip("\n") for number, line in enumerate(names) if number == int(name)), path)
    except OSError:
        return path
