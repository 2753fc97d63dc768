"""sqlglot is loaded as source where its compiled form lies beside it."""

from __future__ import annotations

import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from etlrun.sqlglot_source import SourceFinder, prefer_source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package's folder with a module in both forms."""
    (tmp_path / "parser.py").write_text("")
    (tmp_path / f"parser{EXTENSION_SUFFIXES[0]}").write_bytes(b"")
    return tmp_path


def test_the_source_comes_before_the_compiled_form(folder: Path) -> None:
    usual = PathFinder.find_spec("sqlglot.parser", [str(folder)])
    found = SourceFinder.find_spec("sqlglot.parser", [str(folder)])
    assert usual is not None and isinstance(usual.loader, ExtensionFileLoader)
    assert found is not None and isinstance(found.loader, SourceFileLoader)


@pytest.mark.parametrize("name", ["sqlglot", "sqlglotrs.parser", "other.parser", "sqlglot.absent"])
def test_other_modules_are_left_to_python(folder: Path, name: str) -> None:
    assert SourceFinder.find_spec(name, [str(folder)] if "." in name else None) is None


def test_python_asks_for_the_source_first() -> None:
    assert sys.meta_path.count(SourceFinder) == 1
    prefer_source()
    assert sys.meta_path.count(SourceFinder) == 1


def test_a_compiled_form_that_is_loaded_already_is_an_error_with_its_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = ModuleType("sqlglot.parser")
    compiled.__file__ = "/packages/sqlglot/parser.so"
    monkeypatch.setitem(sys.modules, "sqlglot.parser", compiled)
    with pytest.raises(ImportError, match="pip uninstall sqlglotc"):
        prefer_source()
