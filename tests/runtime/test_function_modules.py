"""The modules of a project that executors get: those that a function imports, and no other file."""

from __future__ import annotations

from pathlib import Path

from etlrun.spec.function_modules import modules_of


def test_a_module_and_what_it_imports_are_found(tmp_path: Path) -> None:
    files = {
        "mine.py": "import os, pyarrow\nfrom shops import names\n\ndef f(batches):\n    import late\n",
        "shops/__init__.py": "from . import codes\n",
        "shops/names.py": "from .deep.trees import tree\nimport shops.plain\n",
        "shops/codes.py": "from ..above import nothing\n",
        "shops/deep/trees.py": "import mine\n",
        "shops/plain.py": "def broken(:\n",
        "late.py": "",
        "other.py": "",
        "shops/unread.py": "",
        "data.txt": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    expected = set(files) - {"other.py", "shops/unread.py", "data.txt"}
    assert modules_of("mine:f", tmp_path) == {name: files[name].encode() for name in sorted(expected)}


def test_an_installed_function_needs_no_file_of_the_project(tmp_path: Path) -> None:
    assert modules_of("textwrap:dedent", tmp_path) == {}
