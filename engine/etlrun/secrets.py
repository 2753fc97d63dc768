"""Secrets: a key or password that never shows itself, and the texts from which those of this process are taken out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

SHORTEST = 6  # characters; what is shorter would take the middle out of ordinary words

_known: set[str] = set()


@dataclass(frozen=True)
class Secret:
    """A text that prints as `***`; only `reveal` gives it, at the moment it is sent."""

    _text: str = field(repr=False)

    def __post_init__(self) -> None:
        if len(self._text) >= SHORTEST:
            _known.add(self._text)

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere")


def hide_secrets(text: str) -> str:
    """`text` with every secret of this process, where it occurs, replaced by `***`. Nobody should have put one there."""
    for secret in sorted(_known, key=len, reverse=True):  # one may be part of another
        text = text.replace(secret, "***")
    return text


def shown_address(url: str) -> str:
    """An address without its user part and its query, either of which may hold a secret; `...` where these cannot be told from the rest."""
    found = re.fullmatch(r"([\w+.-]+://)(?:[^/?#@]*@)?([^?#@]*)(?:[?#][^@]*)?", url)
    return found.group(1) + found.group(2) if found else "..."
