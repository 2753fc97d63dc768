"""The inputs of a run, saved next to its record: every file with its size, time and rows, and every table with its rows.

The list is written before anything is read. The numbers of rows are added after the reading, and digests (with `hash_inputs`) before
anything is published. A separate thread computes the digests during the run.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType, TracebackType
from typing import Any

from etlrun.compiler.check import Checked
from etlrun.contracts.engine import ParquetFiles
from etlrun.contracts.source import InputFile, Inventory, ReadResult
from etlrun.failures import RunFailure
from etlrun.language.duckdb_words import name, parquet
from etlrun.reading.inventory import take_inventory
from etlrun.reading.opened import changed
from etlrun.reading.source import FileSource, TextSource
from etlrun.runtime.run_folder import RunFolder
from etlrun.spec.dates import DATE_COLUMN
from etlrun.spec.urls import is_url
from etlrun.stopping import cancelling
from etlrun.storage.stores import open_stores
from etlrun.warehouse.opening import filled
from etlrun.working import Reporter, work

CHUNK = 1 << 20
FOLLOWS_FROM_A_CHANGE = ("engine", "damaged-file", "bad-value", "unreadable-file")


class Inputs:
    """The inputs of a run, as a context manager: at its end, it writes the list of known inputs into the run's folder, even if the run failed."""

    def __init__(
        self, checked: Checked, inventories: dict[str, Inventory], folder: RunFolder, reporter: Reporter
    ) -> None:
        self.checked = checked
        self.inventories = inventories
        self.folder = folder
        self.reporter = reporter
        self.intakes: Mapping[str, ReadResult] = {}
        self.rows: dict[str, int] = {}
        files = [file.path for inventory in inventories.values() for file in inventory.files]
        self.takes_digests = checked.project.settings.hash_inputs
        self.digests = Digests([path for path in files if self.takes_digests and not is_url(path)])
        self.changed: set[str] = set()  # the URLs of objects that are not as they were found

    def __enter__(self) -> Inputs:
        self.write()
        self.digests.start()
        return self

    def count(self, intakes: Mapping[str, ReadResult]) -> None:
        """Add the numbers of rows that the reader counted."""
        self.intakes = intakes
        for source, read_result in intakes.items():
            self.rows.update(_rows_of_files(read_result, self.inventories[source].files))
        self.write()

    def keep_digests(self, fetched: Inventory, found: Mapping[str, str] = MappingProxyType({})) -> None:
        """Add the digests of objects of a store, which this machine, or tasks, computed during the download."""
        if self.takes_digests:
            self.digests.found.update({file.path: file.sha256 for file in fetched.files if file.sha256})
            self.digests.found.update(found)

    def finish(self) -> None:
        """Wait for the digests, and raise RunFailure for a file that has changed."""
        work(
            self.digests.wait,
            lambda: self.reporter.progress("hashing the inputs", self.digests.done, len(self.digests.paths)),
            self.digests.stop,
        )
        self.refuse_changed()

    def refuse_changed(self) -> None:
        """Raises RunFailure for a file that has changed."""
        for source, inventory in self.inventories.items():
            if any(is_url(file.path) for file in inventory.files):
                self._list_again(source)
            for file in inventory.files:
                if self._has_changed(file):
                    raise changed(file.path)

    def _list_again(self, source: str) -> None:
        """Find the objects of a store that have changed since they were listed. Raises RunFailure if the store does not answer."""
        wanted = self.checked.pipeline.sources[source].value.wanted(self.checked.places)
        now = take_inventory(wanted, open_stores(self.checked.project, self.checked.profile, filled))
        for trouble in now.troubles:
            if trouble.code.startswith("storage-"):
                raise RunFailure("source", trouble.code, f"{trouble.path}: {trouble.message}", trouble.fix)
        found = {file.path: (file.size, file.modified) for file in now.files}
        before = self.inventories[source].files
        self.changed |= {file.path for file in before if found.get(file.path) != (file.size, file.modified)}

    def _has_changed(self, file: InputFile) -> bool:
        return file.path in self.changed if is_url(file.path) else _has_changed(file)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.digests.stop()
        self.digests.wait()
        self.write()
        if isinstance(error, RunFailure) and error.code in FOLLOWS_FROM_A_CHANGE:
            self.refuse_changed()

    def write(self) -> None:
        self.folder.write_inputs([summary for source in self.inventories for summary in self.listed(source)])

    def listed(self, source: str) -> list[dict[str, Any]]:
        """The files of a source, or its table; a key without a value is left out."""
        value, read_result = self.checked.pipeline.sources[source].value, self.intakes.get(source)
        if value.own_rows() is not None:
            return []
        if not isinstance(value, FileSource):
            connection, named = value.table_read()
            table = {
                "source": source,
                "connection": connection or None,
                "table": getattr(value, "table", named),
                "rows": read_result.rows if read_result else None,
            }
            return [_without_nothing(table)]
        counted = read_result if isinstance(value, TextSource) else None
        return [
            _without_nothing(
                {
                    "source": source,
                    "path": file.path,
                    "size": file.size,
                    "mtime": _time(file.modified),
                    "rows": self.rows.get(file.path),
                    "bad_rows": counted.bad_rows_of.get(file.path, 0) if counted else None,
                    "sha256": self.digests.found.get(file.path),
                    "changed": True if read_result and self._has_changed(file) else None,
                }
            )
            for file in self.inventories[source].files
        ]


@dataclass
class Digests:
    """The SHA-256 of files, as hexadecimal digits by path; those of files that cannot be read are absent."""

    paths: Sequence[str]
    found: dict[str, str] = field(default_factory=dict)
    done: int = 0

    def __post_init__(self) -> None:
        self._stopped = threading.Event()
        self._ended = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="etlrun-digests", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def wait(self) -> None:
        self._ended.wait()

    def _run(self) -> None:
        try:
            for path in self.paths:
                digest = self._digest(path)
                if digest:
                    self.found[path] = digest
                self.done += 1
        finally:
            self._ended.set()

    def _digest(self, path: str) -> str:
        digest = hashlib.sha256()
        try:
            with open(path, "rb") as stream:
                while chunk := stream.read(CHUNK):
                    if self._stopped.is_set():
                        return ""
                    digest.update(chunk)
        except OSError:  # the reader of the source reports it
            return ""
        return digest.hexdigest()


def _rows_of_files(read_result: ReadResult, files: Sequence[InputFile]) -> dict[str, int]:
    """The number of rows of each file: counted by its reader, or the number of the source if it has one file, or of the day if each day has one file."""
    if read_result.rows_of:
        return dict(read_result.rows_of)
    if len(files) == 1 and read_result.rows is not None:
        return {files[0].path: read_result.rows}
    days = Counter(file.date for file in files)
    if None in days or not files:
        return {}
    counted = rows_of_days(read_result)
    return {file.path: counted[str(file.date)] for file in files if days[file.date] == 1}


def rows_of_days(read_result: ReadResult) -> Counter[str]:
    """The rows of each day, written as 2022-04-01, of a source whose files have days."""
    import duckdb

    found: Counter[str] = Counter()
    with duckdb.connect() as connection, cancelling(connection.interrupt):
        for part in (part for part in read_result.files if isinstance(part, ParquetFiles)):
            where = f" WHERE {name(part.marker)} IS NULL" if part.marker else ""
            rows = connection.execute(
                f"SELECT {name(DATE_COLUMN)}, count(*) FROM {parquet(part.paths)}{where} GROUP BY ALL"
            ).fetchall()
            found.update({str(day): count for day, count in rows})
    return found


def _has_changed(file: InputFile) -> bool:
    try:
        now = os.stat(file.path)
    except OSError:
        return True
    identity = (now.st_dev, now.st_ino)
    return (now.st_size, now.st_mtime_ns, identity) != (file.size, file.modified, file.identity)


def _time(nanoseconds: int) -> str:
    """A time in UTC, to the microsecond."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=nanoseconds // 1000)).strftime(
        "%Y-%m-%dT%H:%M:%S.%fZ"
    )


def _without_nothing(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if value is not None}
