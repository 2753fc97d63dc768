"""A folder of files that is replaced as a whole: each run writes a new folder inside it, and one small file names the current folder.

```text
out/profile/_20220501T020304Z-1a2b3c-5d6e7f/month=2022-04/part-0.parquet
out/profile/_etlrun/current.json
```

Readers use only the folder that `current.json` names. Programs that list the folder themselves skip names that begin with `_`, so that
nobody reads two runs at once.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from etlrun.contracts.newer_runs import refuse_newer_runs, started
from etlrun.contracts.sink import Publication
from etlrun.failures import RunFailure
from etlrun.lake.adoption import AT_ONCE, unwritten
from etlrun.lake.table_folder import TableFolder
from etlrun.stopping import finishing

POINTER = "_etlrun/current.json"
NAME = re.compile(r"_(\d{8}T\d{6}Z-\w+)-[0-9a-f]{6}")
# A folder for one object, until it gets its final name.
UNMOVED = re.compile(r"\.etlrun-(\d{8}T\d{6}Z-\w+)-[0-9a-f]{8}")
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class FileSet:
    """The content of a folder's pointer: the run, its folder, and the folders of earlier runs, the latest first; the format of its files, the
    columns with their types, the partition columns, and the names and sizes of the files."""

    run_id: str
    folder: str
    earlier: tuple[str, ...]
    format: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    partition_by: tuple[str, ...] = ()
    files: Mapping[str, int] = field(default_factory=dict)


def current(folder: TableFolder) -> FileSet | None:
    """The published content of a folder; None if nothing was published there. Raises RunFailure if it contains something else."""
    names = folder.names()
    found = read_pointer(folder) if POINTER.split("/", maxsplit=1)[0] in names else None
    if found is None and not all(NAME.fullmatch(name) for name in names - {POINTER.split("/", maxsplit=1)[0]}):
        fix = "choose another `path`, or move the files to another folder"
        raise RunFailure("sink", "table-mismatch", f"{folder.uri} already has other files", fix)
    return found


def read_pointer(folder: TableFolder) -> FileSet | None:
    """Read the pointer of a folder; None if there is none. Raises RunFailure if it is damaged."""
    content = folder.read(POINTER)
    if content is None:
        return None
    try:
        found = json.loads(content)
        return FileSet(
            str(found["run_id"]),
            str(found["folder"]),
            tuple(map(str, found["earlier"])),
            str(found.get("format", "")),
            {str(name): str(kind) for name, kind in found.get("columns", {}).items()},
            tuple(map(str, found.get("partition_by", ()))),
            {str(file["path"]): int(file["bytes"]) for file in found.get("files", ())},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{folder.uri}/{POINTER} is damaged"
        raise RunFailure(
            "sink", "unreadable-table", message, "move the folder to another place, then publish again"
        ) from error


def publish(
    folder: TableFolder, publication: Publication, keep: int, about: dict[str, Any], write: Callable[[Path], None]
) -> None:
    """Publish the files that `write` puts into a new local folder, unless the run has published already.

    `keep` sets of files stay, including the new one; `about` is other content of the pointer. If it raises RunFailure, the old files stay current.
    """
    there = current(folder)
    if there is not None and there.run_id == publication.run_id:
        return
    if there is not None:
        refuse_newer_runs(folder.uri, publication.run_id, [there.run_id])
    name = f"_{publication.run_id}-{uuid4().hex[:6]}"
    sets = [] if there is None else [there.folder, *there.earlier]
    facts = {"run_id": publication.run_id, "folder": name, "rows": publication.rows, "checksum": publication.checksum}
    try:
        with folder.workspace(name) as work:
            write(work)
            files = _added(folder, name, work)
    except BaseException as error:
        folder.remove(name)
        if isinstance(error, OSError):
            raise unwritten(folder.uri, str(error)) from error
        raise
    content = json.dumps({**facts, **about, "files": files, "earlier": sets[: keep - 1]}, ensure_ascii=False, indent=1)
    try:
        with finishing():
            folder.write(POINTER, content.encode())
    except OSError as error:
        folder.remove(name)
        raise unwritten(folder.uri, str(error)) from error
    _remove_old(folder, [name, *sets[: keep - 1]], sets)


def _added(folder: TableFolder, name: str, work: Path) -> list[dict[str, Any]]:
    """Add the files of `work` to their folder, several at once; returns them as the pointer lists them."""
    paths = sorted(path for path in work.rglob("*") if path.is_file())

    def add(path: Path) -> dict[str, Any]:
        inside = path.relative_to(work).as_posix()
        size, _ = folder.add(path, f"{name}/{inside}")
        with path.open("rb") as stream:
            return {"path": inside, "bytes": size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(add, paths))


def _remove_old(folder: TableFolder, kept: Sequence[str], before: Sequence[str]) -> None:
    """Remove the sets that are not kept, and folders that killed runs left a week ago."""
    for name in folder.names() - set(kept):
        found = NAME.fullmatch(name)
        if found and (name in before or _is_forgotten(folder, name, found[1])):
            folder.remove(name)


def remove_forgotten_objects(folder: TableFolder) -> None:
    """Remove the folders `UNMOVED` of runs that were killed a week ago or longer."""
    for name in folder.names():
        found = UNMOVED.fullmatch(name)
        if found and _is_forgotten(folder, name, found[1]):
            folder.remove(name)


def _is_forgotten(folder: TableFolder, name: str, run: str) -> bool:
    oldest = datetime.now(UTC) - WEEK
    return started(run) < format(oldest, "%Y%m%dT%H%M%SZ") and folder.written(name) < oldest.timestamp()
