"""The file that a part of a tree was made from, such as a mapping that became a CASE: a mark that copies of the tree keep."""

from __future__ import annotations

from sqlglot import exp

_FILE = "etlrun.file"


def mark_file(tree: exp.Expr, file: str) -> exp.Expr:
    """Note that `tree` is what `file`, a path inside the project, says; gives the tree."""
    tree.meta[_FILE] = file
    return tree


def file_of(tree: exp.Expr) -> str:
    """The file that the tree itself was made from; empty where there is none."""
    found = tree.meta.get(_FILE, "") if tree._meta else ""
    assert isinstance(found, str)
    return found
