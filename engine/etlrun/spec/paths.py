"""Paths that a spec names: what is read and written by them stands in the project's folder."""

from __future__ import annotations

from pathlib import Path

from etlrun.diagnostics import Diagnostic, SpecError

OUTSIDE = "the path leads out of the project's folder"


def path_inside(root: Path, path: str | Path) -> Path | None:
    """What `path`, which starts at `root`, leads to; None where that is not below `root`, be it by `..`, from `/` or through a link."""
    try:
        found = (root / path).resolve()
    except (OSError, RuntimeError, ValueError):  # links in a circle, a NUL
        return None
    return found if found.is_relative_to(root.resolve()) else None


def refuse_outside(root: Path, path: str | Path, shown: str) -> None:
    """Raises SpecError where `path` leads out of `root`, so that nothing of what stands there is told."""
    if path_inside(root, path) is None:
        raise SpecError(
            [Diagnostic(shown, 1, 1, 2, "file-unreadable", OUTSIDE, "put the file itself into the project")]
        )
