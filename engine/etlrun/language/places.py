"""Where a part of a tree stands in the text it was parsed from."""

from __future__ import annotations

import re

from sqlglot import exp


def span(node: exp.Expr, text: str) -> tuple[int, int]:
    """The offsets of the words that `node` and its parts stand at, or all of `text` where none are known."""
    places = [(child.meta["start"], child.meta["end"] + 1) for child in node.walk() if "start" in child.meta]
    if not places:
        return 0, len(text)
    return min(start for start, _ in places), max(end for _, end in places)


def word(node: exp.Expr, text: str) -> tuple[int, int]:
    """The offsets of the first word of `node`: a function's name, a column's name."""
    for child in node.walk(bfs=True):
        if "start" in child.meta:
            return child.meta["start"], child.meta["end"] + 1
    return 0, len(text)


def clause(words: str, node: exp.Expr, text: str) -> tuple[int, int]:
    """The offsets of the first `words` of a clause behind the beginning of `node`, outside quotes; of `node` where there are none."""
    begin, end = span(node, text)
    sought = r"\s+".join(re.escape(part) for part in words.split())
    pattern = rf"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`|--[^\n]*|(?P<found>(?<!\w){sought}(?!\w))"
    for match in re.finditer(pattern, text, re.IGNORECASE | re.DOTALL) if words else ():
        if match["found"] and match.start() >= begin:
            return match.span()
    return begin, end


def closed(place: tuple[int, int], text: str) -> tuple[int, int]:
    """The same place with the brackets that it opens and that close right behind it."""
    start, end = place
    written = text[start:end]
    for _ in range(written.count("(") - written.count(")")):
        rest = text[end:]
        if not rest.lstrip().startswith(")"):
            break
        end += len(rest) - len(rest.lstrip()) + 1
    return start, end
