"""Folders for what only their owner should read or change: runs with their rows, answers of models."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etlrun.failures import RunFailure

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def private_folder(path: Path) -> Path:
    """The folder `path`, made where it is missing, with those above it. Raises OSError, and RunFailure where others may write to it."""
    missing = [path, *path.parents]
    while missing and missing[-1].exists():
        missing.pop()
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    refuse_open(path)
    return path


@contextmanager
def new_files_as(path: Path) -> Iterator[None]:
    """Inside, new files have the mode of the file `path`; where it is missing only their owner can read them."""
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
    before = os.umask(0o777 & ~mode)
    try:
        yield
    finally:
        os.umask(before)


def refuse_open(path: Path) -> None:
    """Raises RunFailure where others may write to the file or folder `path`."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & OTHERS_WRITE:
        raise RunFailure(
            "usage",
            "open-folder",
            f"others may write to {path} (its mode is {mode:o}), and change what runs will publish or trust",
            f"chmod go-w {path}",
        )
