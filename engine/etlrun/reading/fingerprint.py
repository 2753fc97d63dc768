"""The fingerprint of a reader of files: a digest of its code, the code of the source's kind, and the versions of the libraries that it uses."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import etlrun

PACKAGE = Path(etlrun.__file__).parent
FOLDERS = ("contracts", "language", "reading", "sources")
LIBRARIES = ("duckdb", "pyarrow")


def reader_fingerprint(kind: type, *more: Path) -> str:
    """SHA-256 of all code that affects the rows of a source of the class `kind`; `more` are additional files to include."""
    return _digest_of((*_own_code(), *_code_of(kind), *more), tuple(library_versions().items()))


def library_versions() -> dict[str, str]:
    """Python's minor version, and the versions of the libraries used for reading. Raises ImportError if one is missing."""
    return {"Python": ".".join(platform.python_version_tuple()[:2]), **{name: version(name) for name in LIBRARIES}}


@cache
def _digest_of(paths: tuple[Path, ...], versions: tuple[tuple[str, str], ...]) -> str:
    digest = hashlib.sha256(repr(versions).encode())
    for path in paths:
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _own_code() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from sorted((PACKAGE / folder).glob("*.py"))


def _code_of(kind: type) -> Iterator[Path]:
    """The code of a kind that comes from a plugin: its whole package."""
    tops = {base.__module__.partition(".")[0] for base in kind.__mro__} - {"builtins", "abc", "typing", "etlrun"}
    for top in sorted(tops):
        module = sys.modules[top]
        for folder in sorted(getattr(module, "__path__", ())):
            yield from sorted(Path(folder).rglob("*.py"))
        if not hasattr(module, "__path__") and module.__file__:
            yield Path(module.__file__)
