"""Checks paths in a spec: files are read from the project's folder or a root in the project file, and written to the project's folder."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from etlrun.diagnostics import Diagnostic, SpecError
from etlrun.spec.urls import Url, is_url, kind_of_scheme

OUTSIDE = "the path leads out of the project's folder"
OUTSIDE_ROOTS = "the path leads out of the project's folder and its `roots`"


@dataclass(frozen=True)
class Places:
    """The folders from which a project reads data: its own, and those below the roots and URLs that its project file names."""

    project: Path
    roots: tuple[Path, ...] = ()
    urls: tuple[Url, ...] = ()
    stores: tuple[Url, ...] = ()  # those of `urls` in `storage`, where the project may also write

    @cached_property
    def _resolved(self) -> tuple[str, ...]:
        return tuple(os.path.realpath(self.project / place) for place in (Path(), *self.roots))

    def holds(self, path: str | Path) -> bool:
        """Whether `path`, relative to the project's folder, is in one of the places; false if its links lead elsewhere or are circular."""
        found = _resolved(self.project, path)
        return found is not None and any(found.is_relative_to(place) for place in self._resolved)

    def holds_url(self, url: Url) -> bool:
        """Whether `url` is in a store, or a folder of one, that the project file names."""
        return any(url.is_below(place) for place in self.urls)

    def may_write(self, url: Url) -> bool:
        """Whether `url` is in a store, or a folder of one, in `storage` of the project file."""
        return any(url.is_below(place) for place in self.stores)

    def fix(self, path: str | Path) -> str:
        """The fix that makes the folder of `path` one of the places."""
        folder = os.path.realpath(self.project / path)
        folder = folder if str(path).endswith("/") or os.path.isdir(folder) else os.path.dirname(folder)
        return f"put the files into the project, or allow their folder in etlrun.yaml: `roots: [{folder}]`"


def fix_of_url(url: Url) -> str:
    """The fix that lets a project read below `url`."""
    kind = kind_of_scheme(url.scheme)
    text = str(url) if re.fullmatch(r"[\w:/.@+=-]+", str(url)) else json.dumps(str(url), ensure_ascii=False)
    return f"name the store in etlrun.yaml: `storage: {{{text}: {{{kind}: {{}}}}}}`"


def path_inside(root: Path, path: str | Path) -> Path | None:
    """Resolve `path`, relative to `root`; None if the result is not below `root`: by `..`, an absolute path, a link or a URL."""
    found = None if is_url(str(path)) else _resolved(root, path)
    return found if found is not None and found.is_relative_to(root.resolve()) else None


def where_to_put(name: str, folder: str, ending: str) -> str:
    """The fix for a file `name` of a spec that is not in `folder`."""
    if not is_url(name):
        return f"put it into {folder}/ as NAME{ending}"
    stem = name.rpartition("/")[2].removesuffix(ending)
    return f"download it into {folder}/ as {stem}{ending} and write `{stem}`: checks read it without a network"


def refuse_outside(root: Path, path: str | Path, shown: str) -> None:
    """Raises SpecError if `path` leads out of `root`, so that messages never show content from there."""
    if path_inside(root, path) is None:
        raise SpecError([Diagnostic(shown, 1, 1, 2, "file-unreadable", OUTSIDE, "copy the file into the project")])


def _resolved(root: Path, path: str | Path) -> Path | None:
    try:
        return (root / path).resolve()
    except (OSError, RuntimeError, ValueError):  # circular links, a NUL
        return None
