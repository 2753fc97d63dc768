"""sqlglot as Python source, also where its compiled form (`sqlglotc`) lies beside it: our grammars extend its classes, and compiled ones refuse that."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from types import ModuleType

PACKAGE = "sqlglot"
LOADED_FIRST = """\
etlrun cannot use the compiled sqlglot that this process has already loaded: its grammars extend sqlglot's classes, which compiled ones refuse.
import etlrun before sqlglot, or remove the compiled form: pip uninstall sqlglotc"""


class SourceFinder:
    """Finds the modules inside sqlglot, and no others, as source."""

    @classmethod
    def find_spec(cls, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The module as a file of Python source; None leaves it to Python's own finders."""
        if path is None or not name.startswith(f"{PACKAGE}."):
            return None
        return next(filter(None, (_sources(folder).find_spec(name) for folder in path)), None)


def prefer_source() -> None:
    """Load sqlglot as source from now on. Raises ImportError where its compiled form is loaded already."""
    loaded = sys.modules.get(f"{PACKAGE}.parser")
    if loaded is not None and (loaded.__file__ or "").endswith(tuple(EXTENSION_SUFFIXES)):
        raise ImportError(LOADED_FIRST)
    if SourceFinder not in sys.meta_path:
        sys.meta_path.insert(0, SourceFinder)


@lru_cache(maxsize=64)
def _sources(folder: str) -> FileFinder:
    return FileFinder(folder, (SourceFileLoader, SOURCE_SUFFIXES))
