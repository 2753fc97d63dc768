"""Files under names of our own: links in the run's folder, so that no name of a file means anything to an engine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from etlrun.contracts.engine import DAY
from etlrun.contracts.source import InputFile
from etlrun.failures import RunFailure


def link_files(files: Sequence[InputFile], folder: Path) -> None:
    """Link `files` into `folder`, each day's into a folder named by the day. Raises RunFailure."""
    folders = {day: folder / f"{DAY}={day}" if day else folder for day in {file.date for file in files}}
    for inside in folders.values():
        inside.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(files):
        link = folders[file.date] / f"{number:06}.parquet"
        try:
            os.symlink(os.path.realpath(file.path), link)
            found = os.stat(link)
        except OSError as error:
            fix = "see that the file stays, and that `runs:` is on a file system that knows links"
            raise RunFailure(
                "source", "unreadable-file", f"{file.path} cannot be linked: {error.strerror}", fix
            ) from error
        if (found.st_dev, found.st_ino) != file.identity:
            message = f"{file.path}: another file took its place meanwhile"
            raise RunFailure("source", "unreadable-file", message, "run the pipeline when nobody replaces its files")


def without_links(text: str, folders: Sequence[str]) -> str:
    """An engine's message with the files' own names in it."""
    for folder in folders:
        for start in (folder, Path(folder).as_uri().removeprefix("file://")):
            while (at := text.find(start)) >= 0 and (end := text.find(".parquet", at)) >= 0:
                link = folder + text[at + len(start) : end] + ".parquet"
                text = (
                    text[:at]
                    + (os.path.realpath(link) if os.path.islink(link) else "a file")
                    + text[end + len(".parquet") :]
                )
    return text
