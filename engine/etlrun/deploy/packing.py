"""Packs etlrun and its dependencies into one archive for the executors of a cluster, without a Python interpreter.

An interpreter cannot be moved to another machine; an executor uses its own, of the same minor version. Each package includes its metadata,
in which it finds its own version.
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from etlrun.reading.fingerprint import PACKAGE

ROOTS = ("etlrun", "numpy")  # Spark's own worker uses numpy if it is installed
ENDINGS_LEFT_OUT = (".pyc", ".pth")


def pack(target: Path, more: Iterable[str]) -> list[str]:
    """Write the archive with the distributions in `more` and their requirements; returns names and versions, in order.

    Raises PackageNotFoundError for one of `more` that is not installed, and OSError.
    """
    for name in more:
        distribution(name)
    found = _closure((*ROOTS, *more))
    new = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        with tarfile.open(new, "w:gz", compresslevel=1) as archive:
            for each in found:
                for path, name in _files(each):
                    archive.add(path, name, recursive=False)
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)
    return [f"{each.name} {each.version}" for each in found]


def _closure(names: Iterable[str]) -> list[Distribution]:
    """The distributions and their requirements without extras, except those that a marker excludes on this machine."""
    waiting, found = list(names), dict[str, Distribution]()
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        waiting += [_name(text) for text in found[name].requires or () if "extra ==" not in text]
    return [found[name] for name in sorted(found)]


def _name(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None
    return found[0]


def _files(found: Distribution) -> Iterator[tuple[Path, str]]:
    """The files of a distribution, with their names in the archive."""
    if found.name == "etlrun":
        yield from (
            (path, str(path.relative_to(PACKAGE.parent))) for path in sorted(PACKAGE.rglob("*")) if _is_taken(path)
        )
    for each in found.files or ():
        path = Path(str(found.locate_file(each)))
        is_inside = each.parts[0] != ".." and not (found.name == "etlrun" and each.parts[0] == "etlrun")
        if is_inside and _is_taken(path) and path.name != "direct_url.json":
            yield path, str(each)


def _is_taken(path: Path) -> bool:
    return path.is_file() and path.suffix not in ENDINGS_LEFT_OUT and not path.name.startswith("__editable__")
