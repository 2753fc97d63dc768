"""Folders for what only their owner should read or change: runs with their rows, answers of models."""

from __future__ import annotations

import stat
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
