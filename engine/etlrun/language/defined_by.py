"""Marks a part of a tree with the file that it was made from, such as a mapping that became a CASE. Copies of the tree keep the mark."""

from __future__ import annotations

from sqlglot import exp

_FILE = "etlrun.file"


def mark_file(tree: exp.Expr, file: str) -> exp.Expr:
    """Mark `tree` as made from `file`, a path inside the project; returns the tree."""
    tree.meta[_FILE] = file
    return tree


def file_of(tree: exp.Expr) -> str:
    """The file that the tree itself was made from; empty if there is none."""
    found = tree.meta.get(_FILE, "") if tree._meta else ""
    assert isinstance(found, str)
    return found
