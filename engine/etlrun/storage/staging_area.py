"""The staging area of runs whose machines share no disk: the files of their folders, in the store of the runs, under the same names."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from etlrun.failures import RunFailure
from etlrun.spec.project import Use
from etlrun.spec.urls import Url
from etlrun.storage.object_store import ObjectStore, StoredObject, StoreError
from etlrun.storage.stores import Stores

AT_ONCE = 8
PARTS = "parts"  # the folder of the cache of parts, beside those of runs
_PART = re.compile(rf"/{PARTS}/[0-9a-f]{{32}}/part-[^/]+$")


@dataclass(frozen=True)
class StagedObject:
    """A staged file in the store of the runs: its URL and, if tasks wrote it there, its size, the SHA-256 of its bytes and the store's tag."""

    url: Url
    size: int = 0
    sha256: str = ""
    tag: str = ""

    def refuse_changed(self, store: ObjectStore) -> None:
        """Raises RunFailure if the store has another size or tag for it now, where they are known, and StoreError."""
        if self.size and store.size_and_tag(self.url) != (self.size, self.tag):
            raise damaged(self.url)

    def fetch(self, store: ObjectStore, path: Path) -> None:
        """Download it into a new file. Raises RunFailure if it has other bytes, and StoreError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        size = self.size or store.size(self.url) or 0
        digest = store.fetch(StoredObject(self.url, size, 0), path, goes_on=lambda _: True)
        if self.sha256 not in ("", digest):
            raise damaged(self.url)


@dataclass(frozen=True)
class StagingArea:
    """The folder with the folders of runs, as the machine of a run names it, and the URL of its copy.

    `storages` and `environment` open the store on any machine. It can be pickled, and contains no secret: settings are as in the project
    file, with `${NAME}` for values that each machine reads from its own environment.
    """

    folder: Path
    url: Url
    storages: Mapping[Url, Use]
    environment: Callable[[str], str]

    def url_of(self, path: str | Path) -> Url:
        """The place in the store of a file or folder in the folder of runs."""
        return self.url / Path(path).relative_to(self.folder).as_posix()

    def opened(self) -> ObjectStore:
        """The store. Raises RunFailure."""
        try:
            return Stores(self.storages, self.environment).of(self.url)
        except StoreError as error:
            raise as_failure(error) from error

    def upload(self, paths: Iterable[str | Path]) -> None:
        """Upload files of the folder. Raises RunFailure."""
        store = self.opened()
        self._for_each(lambda path: store.put(Path(path), self.url_of(path)), paths)

    def download(self, files: Mapping[str, str]) -> None:
        """Download files into the folder, those that are already in it excepted. Raises RunFailure.

        The files come with the SHA-256 of their bytes, which is empty if it is not known.
        """
        store = self.opened()
        missing = (path for path in files if not os.path.exists(path))
        self._for_each(lambda path: self._fetch(store, path, Path(path), files[str(path)]), missing)

    def fetch(self, files: Mapping[str, str], folder: Path) -> tuple[str, ...]:
        """Download files, which come with their SHA-256 like those of `download`, into another folder; returns their paths there. Raises RunFailure."""
        store = self.opened()
        copies = {path: folder / f"{number}.parquet" for number, path in enumerate(files)}
        self._for_each(lambda path: self._fetch(store, path, copies[str(path)], files[str(path)]), copies)
        return tuple(map(str, copies.values()))

    def _fetch(self, store: ObjectStore, path: str | Path, target: Path, sha256: str = "") -> None:
        """Download a file, which is there whole or not at all. Raises StoreError, and RunFailure if it has other bytes."""
        url = self.url_of(path)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            StagedObject(url, sha256=sha256).fetch(store, new)
            new.chmod(0o600)
            new.replace(target)
        finally:
            new.unlink(missing_ok=True)

    def sizes(self, folder: str | Path) -> dict[str, int]:
        """The files below a folder, by their paths in the folder of runs, with their sizes in bytes. Raises RunFailure."""
        try:
            found = self.opened().all_below(self.url_of(folder))
        except StoreError as error:
            raise as_failure(error) from error
        start = len(self.url.parts)
        return {str(self.folder.joinpath(*one.url.parts[start:])): one.size for one in found}

    def remove(self, folder: Path) -> None:
        """Remove a folder from the store. Raises RunFailure."""
        try:
            self.opened().delete_below(self.url_of(folder))
        except StoreError as error:
            raise as_failure(error) from error

    def _for_each(self, action: Callable[[str | Path], object], paths: Iterable[str | Path]) -> None:
        try:
            with ThreadPoolExecutor(AT_ONCE) as threads:
                for _ in threads.map(action, paths):
                    pass
        except StoreError as error:
            raise as_failure(error) from error


def as_failure(error: StoreError) -> RunFailure:
    """The failure of a run whose staging area does not work, or has lost one of its files."""
    if error.code in ("missing-file", "changed-file"):
        return damaged(str(error).partition(": ")[0])
    return RunFailure("engine", error.code, str(error), error.fix)


def damaged(place: object) -> RunFailure:
    """The failure of a staged file, or of a part, that is no longer what was written."""
    if _PART.search(str(place)):
        message = f"the part {place} was removed or changed after an earlier run had written it"
        return RunFailure("engine", "stage-damaged", message, "delete this object, then run the pipeline again")
    message = f"the staged file {place} was removed or changed while the run uses it"
    return RunFailure("engine", "stage-damaged", message, "run the pipeline again")
