"""Columns whose names are SQL keywords: in an expression they need backticks."""

from __future__ import annotations

import re
from collections.abc import Iterable

from etlrun.language.columns import Columns

_WORDS = frozenset((
    "and", "between", "case", "cast", "distinct", "else", "end", "except", "exists", "extract", "from", "having", "in", "interval",
    "is", "join", "like", "limit", "not", "null", "on", "or", "order", "select", "then", "union", "when", "where",
))  # fmt: skip
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`")


def plain_names(text: str) -> str:
    """SQL without the backticks of names that need none."""
    return re.sub(r"`([a-zA-Z_]\w*)`", lambda name: name[name[1].lower() not in _WORDS], text, flags=re.ASCII)


def reserved_columns(text: str, columns: Iterable[Columns]) -> str:
    """How to write the columns of an expression whose names are SQL keywords; empty if there are none."""
    known = list(columns)
    words = dict.fromkeys(re.findall(r"[^\W\d]\w*", _QUOTED.sub(" ", text)))
    found = [word for word in words if word.lower() in _WORDS and any(word in each for each in known)]
    if not found:
        return ""
    names = " and ".join(f"`{name}`" for name in found)
    what = f"{names} {'is also a word' if len(found) == 1 else 'are also words'} of SQL"
    return f'{what}: write the column in backticks and the expression in quotes: "`{found[0]}` ..."'
