"""Finds the offsets of a part of a tree in the text that it was parsed from."""

from __future__ import annotations

import re

from sqlglot import exp


def span(node: exp.Expr, text: str) -> tuple[int, int]:
    """The offsets of `node` with its parts, or of all of `text` if they are not known."""
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
    """The offsets of the first `words` of a clause after the start of `node`, outside quotes; those of `node` if the words are not found."""
    begin, end = span(node, text)
    sought = r"\s+".join(re.escape(part) for part in words.split())
    pattern = rf"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`|--[^\n]*|(?P<found>(?<!\w){sought}(?!\w))"
    for match in re.finditer(pattern, text, re.IGNORECASE | re.DOTALL) if words else ():
        if match["found"] and match.start() >= begin:
            return match.span()
    return begin, end


def closed(place: tuple[int, int], text: str) -> tuple[int, int]:
    """Extend a place by the parenthesis that closes right after it."""
    start, end = place
    written = text[start:end]
    for _ in range(written.count("(") - written.count(")")):
        rest = text[end:]
        if not rest.lstrip().startswith(")"):
            break
        end += len(rest) - len(rest.lstrip()) + 1
    return start, end
