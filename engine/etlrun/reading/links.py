"""Links files into the run's folder under simple names, so that no special character of a file name reaches an engine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from etlrun.contracts.engine import GROUP, FileColumn, LinkedFiles, StatementError
from etlrun.contracts.source import InputFile
from etlrun.failures import RunFailure
from etlrun.reading.fetching import origin
from etlrun.reading.rows import constant_text

_MISSING_CODEC = re.compile(r"ClassNotFoundException: [\w.]*\.(\w+)Codec")


def linked_files(
    files: Sequence[InputFile], columns: tuple[FileColumn, ...], folder: Path, constants: frozenset[str]
) -> LinkedFiles:
    """Files that all store the columns like this, linked into `folder`. `constants` are those that each file has one value of. Raises RunFailure."""
    groups = tuple(tuple(map(constant_text, values)) for values in link_files(files, folder))
    return LinkedFiles(str(folder), columns, groups, constants)


def link_files(files: Sequence[InputFile], folder: Path) -> tuple[tuple[Any, ...], ...]:
    """Link `files` into `folder`, with one subfolder for each set of equal constants; returns these constants. Raises RunFailure."""
    groups = {constants: number for number, constants in enumerate(dict.fromkeys(file.constants for file in files))}
    folders = {key: folder / f"{GROUP}={number}" if key else folder for key, number in groups.items()}
    for inside in folders.values():
        inside.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(files):
        link = folders[file.constants] / f"{number:06}.parquet"
        try:
            os.symlink(os.path.realpath(file.at), link)
            found = os.stat(link)
        except OSError as error:
            fix = "check that the file is not removed during the run, and that `runs:` is on a file system with symbolic links"
            raise RunFailure(
                "source", "unreadable-file", f"{file.path} cannot be linked: {error.strerror}", fix
            ) from error
        if (found.st_dev, found.st_ino) != file.identity:
            message = f"{file.path}: another file replaced it in the meantime"
            raise RunFailure(
                "source", "unreadable-file", message, "run the pipeline when no program replaces its files"
            )
    return tuple(group for group in groups if group)


def is_encrypted(reason: str) -> bool:
    """Whether a library cannot read a file because it is encrypted."""
    return re.search(r"(?i)(?:en|de)crypt", reason) is not None


def as_damaged_file(error: StatementError, error_text: str, folders: Iterable[str]) -> StatementError:
    """The failure of a damaged file, or one that Spark cannot decompress, if `error_text` names the link to it in one of the `folders`."""
    if error.condition != "engine":
        return error
    for folder in folders:
        shown = "/".join(folder.split("/")[-3:])  # the path before it may be written as a URI
        found = re.search(rf"{re.escape(shown)}/((?:{GROUP}=[0-9]+/)?[0-9]+\.parquet)", error_text)
        if found:
            file = origin(os.path.realpath(os.path.join(folder, found.group(1))))
            reason = error.detail.rpartition(found.group())[2].strip("\"': .,") or "it cannot be decoded"
            codec = _MISSING_CODEC.search(reason)
            if codec:
                message = f"{file}: the file is compressed with {codec[1].lower()}, which this Spark cannot read"
                return StatementError("unknown-compression", message, source=Path(folder).parent.name)
            if is_encrypted(reason):
                return StatementError(
                    "encrypted-file", f"{file}: the file is encrypted", source=Path(folder).parent.name
                )
            message = f"{file}: the engine cannot read the file ({reason})"
            return StatementError("damaged-file", message, source=Path(folder).parent.name)
    return error
