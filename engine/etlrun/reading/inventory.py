"""Lists the files of a source before it is read: which days exist, are missing or empty, and which files cannot be read.

Only names, sizes and first bytes are read here, so that a wrong file stops the run before any job starts.
"""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from etlrun.contracts.source import InputFile, Inventory, Trouble, Wanted
from etlrun.reading.compression import COMPRESSIONS, ENCRYPTED, UNREAD_ENDINGS, compression_of, without_ending
from etlrun.reading.encodings import shown_encoding
from etlrun.reading.explaining import UNREAD_FIX, explain_known
from etlrun.reading.finding import FileFinder, shown_path
from etlrun.reading.folder_values import PartitionError, partition_values
from etlrun.reading.object_finding import ObjectFinder
from etlrun.spec.dates import day_path
from etlrun.spec.urls import is_url, read_url
from etlrun.storage.stores import Stores

HEAD = 16  # bytes that tell the format of a file
FEW = 5  # at most so many days are listed in a fix
MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "zip"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"PAR1", "Parquet"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"ORC", "ORC"),
    (b"Obj\x01", "Avro"),
)


def take_inventory(wanted: Wanted, stores: Stores | None = None) -> Inventory:
    """Find the files that `wanted` describes. URLs are looked up in `stores`."""
    taken = time.time_ns()
    return replace(_found(_finder(wanted, stores), wanted), taken=taken)


def _found(finder: FileFinder | ObjectFinder, wanted: Wanted) -> Inventory:
    if not wanted.days:
        found = _look(finder, wanted.template, None, wanted.encoding)
        troubles = found.troubles if found.files or found.troubles else (_nothing_at(wanted),)
        return _inspected(Inventory(found.files, troubles=troubles), wanted)
    by_day = {day: _look(finder, day_path(wanted.template, day), day, wanted.encoding) for day in wanted.days}
    troubles = tuple(dict.fromkeys(trouble for found in by_day.values() for trouble in found.troubles))
    missing = tuple(day for day, found in by_day.items() if not found.files and not found.troubles)
    refused = tuple(day for day in missing if day not in wanted.may_miss)
    absent = tuple(_no_day(wanted, day, refused) for day in refused)
    files = tuple(file for found in by_day.values() for file in found.files)
    return _inspected(Inventory(files, missing, troubles=(*troubles, *absent)), wanted)


def _finder(wanted: Wanted, stores: Stores | None) -> FileFinder | ObjectFinder:
    if not is_url(wanted.template):
        return FileFinder(wanted.places)
    paths = [day_path(wanted.template, day) for day in wanted.days] or [wanted.template]
    return ObjectFinder(wanted.places, stores or Stores(), paths)


def _look(finder: FileFinder | ObjectFinder, path: str, day: datetime.date | None, encoding: str) -> Inventory:
    """The files at a path, and what prevents listing them."""
    files, troubles = [], []
    for found in finder.find(path):
        if isinstance(found, Trouble):
            troubles.append(found)
            continue
        file = InputFile(found.path, day, found.size, found.modified, found.identity, state=found.state)
        files.append(replace(file, encoding=encoding))
    return Inventory(tuple(files), troubles=tuple(troubles))


def _no_day(wanted: Wanted, day: datetime.date, refused: tuple[datetime.date, ...]) -> Trouble:
    """The mistake of a day without a file. Its fix covers all `refused` days."""
    allowed = f"[{', '.join(map(str, refused))}]" if len(refused) <= FEW else "warn"
    it = "it" if len(refused) == 1 else "them"
    return Trouble(
        "missing-day",
        _shown(wanted, day_path(wanted.template, day)),
        f"the day {day} has no file",
        f"put {it} there, or allow {it}: `missing: {allowed}`",
    )


def _nothing_at(wanted: Wanted) -> Trouble:
    return Trouble(
        "missing-file",
        _shown(wanted, wanted.template),
        "there is no such file",
        "check the path; a relative path starts at the project's folder",
    )


def _shown(wanted: Wanted, path: str) -> str:
    return path if is_url(path) else str(wanted.places.project / path)


def _inspected(inventory: Inventory, wanted: Wanted) -> Inventory:
    troubles = list(inventory.troubles)
    inventory, unplaced = _partitioned(inventory, wanted)
    troubles += unplaced
    empty: list[datetime.date] = []
    for file in inventory.files:
        if file.size > 0:
            troubles.extend(() if is_url(file.at) else trouble_in(file, wanted.form))
        elif file.date is not None and file.date in wanted.may_be_empty:
            empty.append(file.date)
        elif not wanted.may_be_empty.every:
            fix = f"allow it: `empty: [{file.date}]`" if file.date else "allow it: `empty: warn`"
            troubles.append(Trouble("empty-file", file.path, "the file is empty", fix))
    troubles.extend(_doubles(inventory.files))
    kept = tuple(file for file in inventory.files if file.size > 0)
    return Inventory(kept, inventory.missing, tuple(empty), tuple(troubles), wanted.may_be_empty)


def _partitioned(inventory: Inventory, wanted: Wanted) -> tuple[Inventory, list[Trouble]]:
    """The files with the partition values of their folders, and the mistakes of files without them."""
    files, troubles = [], []
    for file in inventory.files if wanted.partitions else ():
        path = "/".join(read_url(file.path).parts) if is_url(file.path) else file.path
        try:
            values = partition_values(path.removeprefix(f"{wanted.places.project}/"), wanted.partitions)
            files.append(replace(file, partition=values))
        except PartitionError as error:
            troubles.append(Trouble("bad-partition", shown_path(file.path), str(error), error.fix))
    return (replace(inventory, files=tuple(files)) if wanted.partitions else inventory), troubles


class TroublesFound(Exception):
    """Problems in files that were found before their rows were read."""

    def __init__(self, troubles: Sequence[Trouble]) -> None:
        super().__init__(troubles)
        self.troubles = troubles


def trouble_in(file: InputFile, form: str) -> Iterator[Trouble]:
    """The reason, from its first bytes, why a file cannot be read."""
    try:
        with open(file.at, "rb") as stream:
            head = stream.read(HEAD)
    except OSError as error:
        yield Trouble(
            "unreadable-file", file.path, f"the file cannot be read: {error.strerror}", "check its permissions"
        )
        return
    yield from trouble_of(file, head, form)


def trouble_of(file: InputFile, head: bytes, form: str) -> Iterator[Trouble]:
    """The reason why a file with these first bytes cannot be read."""
    found = next((name for magic, name in MAGIC if head.startswith(magic)), "")
    named = compression_of(file.path)
    if form == "parquet":
        if head.startswith(b"PARE"):
            yield Trouble("wrong-format", file.path, "the file is encrypted", ENCRYPTED)
        elif found != "Parquet":
            yield Trouble(
                "wrong-format",
                file.path,
                f"the file is {found or 'not Parquet'}",
                "correct the path, or use the source for this format",
            )
    elif named is not None and found != named.name:
        message = f"the name ends in {named.ending}, but the file is not {named.name}"
        yield Trouble("wrong-format", file.path, message, "rename it")
    elif named is None:
        yield from _foreign_text(file, head, found)


def _foreign_text(file: InputFile, head: bytes, found: str) -> Iterator[Trouble]:
    """The mistake of a file that, by its first bytes or its name, is not plain text."""
    known = next((known for known in COMPRESSIONS if known.name == found), None)
    ending = next((name for ending, name in UNREAD_ENDINGS.items() if file.path.endswith(ending)), "")
    explained = explain_known(head)
    if known is not None:
        message = f"the file is {found}, but its name does not end in {known.ending}"
        yield Trouble("wrong-format", file.path, message, f"rename it so that it ends in {known.ending}")
    elif ending or (explained and not found):
        message, fix = explained or (
            f"by its name the file is compressed with {ending}, which is not supported",
            UNREAD_FIX,
        )
        yield Trouble("wrong-format", file.path, message, fix)
    elif found == "UTF-16":
        if not file.encoding.startswith("utf-16"):
            message = f"the file is UTF-16, not {shown_encoding(file.encoding)}"
            yield Trouble("wrong-format", file.path, message, "add `encoding: utf-16` to the source")
    elif found:
        fix = "correct the path, or use the source for this format"
        yield Trouble("wrong-format", file.path, f"the file is {found}, not text", fix)


def _doubles(files: Sequence[InputFile]) -> Iterator[Trouble]:
    seen: dict[object, str] = {}
    paths = {file.path for file in files}
    texts: dict[str, str] = {}
    for file in files:
        identity = file.path if is_url(file.path) else file.identity
        if identity in seen:
            yield Trouble(
                "double-file",
                file.path,
                f"the same file is read twice (also as {seen[identity]})",
                "remove one of them",
            )
        seen[identity] = file.path
        plain = without_ending(file.path)
        if plain == file.path:
            continue
        is_there = plain in paths or (not is_url(plain) and os.path.exists(plain))
        other = plain if is_there else texts.get(plain)
        if other:
            message = f"the same file exists twice, also as {other}"
            yield Trouble("double-file", file.path, message, "remove one of them")
        texts[plain] = file.path


def shown(days: Iterable[datetime.date]) -> str:
    return ", ".join(str(day) for day in days)
