"""Kinds that a test brings: files in a folder of its own, which the product finds as it finds those of its package."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etlrun.spec.pipeline_schema import pipeline_schema
from etlrun.spec.project_file import project_schema
from etlrun.spec.registry import Family, kinds

README = Path(__file__).parents[2] / "engine" / "README.md"
_FILE = re.compile(r"all of\s+`(\w+)/(\w+)\.py`:\n\n````python\n(.*?)````", re.DOTALL)


def readme_files() -> dict[str, tuple[str, str]]:
    """The files that engine/README.md shows, by family: name and text."""
    return {family: (name, code) for family, name, code in _FILE.findall(README.read_text(encoding="utf-8"))}


@contextmanager
def planted(folder: Path, family: Family, name: str, code: str) -> Iterator[None]:
    """Inside, `code` is the file of a kind."""
    package = importlib.import_module(f"etlrun.{family}")
    (folder / "planted").mkdir()
    (folder / "planted" / f"{name}.py").write_text(code, encoding="utf-8")
    package.__path__.append(str(folder / "planted"))
    look_again(family)
    try:
        yield
    finally:
        package.__path__.remove(str(folder / "planted"))
        sys.modules.pop(f"etlrun.{family}.{name}", None)
        look_again(family)


def look_again(family: Family) -> None:
    """Find the kinds of a family anew."""
    for found in (kinds, pipeline_schema, project_schema):
        found.cache_clear()
    kinds(family)
