"""Finds the Python files of a project that a function needs, without running code: executors get these files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path, PurePosixPath


def modules_of(reference: str, root: Path) -> dict[str, bytes]:
    """The module of a function, and those that it imports, if they are files below `root`: content by path below `root`.

    Imports whose names are computed are not found.
    """
    waiting, found = [reference.partition(":")[0]], dict[str, bytes]()
    while waiting:
        for file in _files_of(waiting.pop()):
            if file not in found and (root / file).is_file():
                found[file] = (root / file).read_bytes()
                waiting += _imported(found[file], PurePosixPath(file))
    return dict(sorted(found.items()))


def _files_of(module: str) -> Iterator[str]:
    """The files that may hold a module and the packages around it."""
    for path in accumulate(module.split("."), lambda folder, name: f"{folder}/{name}"):
        yield f"{path}.py"
        yield f"{path}/__init__.py"


def _imported(text: bytes, file: PurePosixPath) -> Iterator[str]:
    """The modules that a file imports, and names that may be modules."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # Python reports it when it imports the file
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = file.parent.parts[: len(file.parent.parts) - node.level + 1] if node.level else ()
            base = ".".join([*package, *filter(None, [node.module])])
            yield from filter(None, (base, *(f"{base}.{alias.name}".strip(".") for alias in node.names)))
