"""Decides which spellings are the same question, and which keys are never sent to a model.

The normal form only finds a stored answer; it never replaces a value of the data. Diacritics stay: `yêu tinh` (goblin) and
`yêu tình` (love) are two keys. A key of several columns is one text: the values of the columns with `PART` between them.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence

NORMALISER = "1"  # part of every question's identity: change it when `normal_form` gives other keys
MAX_CHARACTERS = 120  # of a normal form, and of what a model sees of a key where the step does not say more
POSSIBLE_CHARACTERS = range(20, 4001)  # what a step may say
PART = "\x1f"  # the unit separator: between the columns of a key
BAR = " | "  # the same, for people and in normal forms
BEGINNING = 90  # characters of a long text at the beginning of its normal form
DIGEST_LETTERS = str.maketrans("0123456789", "ghijklmnop")  # digits could be taken for a number of a person
EDGES = " .,;:!?…-–—_~·•|/\\'\"`´‘’“”„«»‹›()[]{}<>*^=。、，！？：；「」『』（）【】"

# Control characters, those that only direct or mark text (zero-width, bidirectional, tags), variation selectors, surrogates, private
# use, and what is no character at all. Listed rather than looked up: a key must be the same under every version of Python.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\uf8ff"
    "\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\ufff0-\ufffb\ufffe\uffff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U0001fffe\U0001ffff\U0002fffe\U0002ffff\U0003fffe-\U0010ffff]"
)
_SPACES = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029")


def normal_form(text: str) -> str:
    """The key under which the answer for `text` is stored.

    `"  Sao   BĂNG! "` -> `"sao băng"`; composed and decomposed letters, letter case, compatibility forms, control characters,
    runs of spaces and punctuation at the edges make no difference. Texts that differ anywhere else are two keys. If a text has more than
    120 characters, its key is its beginning and a hash of the whole text; also if a part of a key contains the bar between parts.
    """
    if PART in text:
        parts = [plain_form(part) for part in text.split(PART)]
        plain = BAR.join(parts)
        return _named(parts) if len(plain) > MAX_CHARACTERS or any("|" in part for part in parts) else plain
    plain = plain_form(text)
    return plain if len(plain) <= MAX_CHARACTERS else _named([plain])


def _named(parts: Sequence[str]) -> str:
    """The beginning of some texts and a hash of them: at most 120 characters, and practically unique."""
    digest = hashlib.sha256(PART.join(parts).encode()).hexdigest()[:24].translate(DIGEST_LETTERS)
    return f"{BAR.join(parts)[:BEGINNING].rstrip(EDGES)} #{digest}"


def plain_form(text: str) -> str:
    """The normal form of a text of any length."""
    if text.isascii():
        if not text.isprintable():
            text = _without_unseen(text)
        text = text.lower()
    else:
        text = _fold(_without_unseen(text))
    return " ".join(text.split()).strip(EDGES)


def shown_form(text: str, characters: int = MAX_CHARACTERS) -> str:
    """The text that a model sees of a spelling: composed, on one line, without invisible characters, at most so many characters (of each part)."""
    if PART in text:
        return PART.join(shown_form(part, characters) for part in text.split(PART))
    plain = " ".join(unicodedata.normalize("NFC", _without_unseen(text)).split())
    if not plain.isprintable():  # unassigned, as far as this Python knows
        plain = "".join(letter for letter in plain if letter.isprintable())
    plain = plain.strip()[:characters].rstrip()
    return text if plain == text else plain  # the same object: a million keys are held only once


def readable(text: str) -> str:
    """A key for people: a bar between its parts."""
    return text.replace(PART, BAR)


def says_something(normal: str) -> bool:
    """Whether a key has some meaning: more than one character, and not only digits."""
    bare = normal.replace(" ", "").replace("|", "")
    return len(bare) > 1 and not bare.isdigit()


def _without_unseen(text: str) -> str:
    if not _UNSEEN.search(text):
        return text
    return _UNSEEN.sub(lambda match: " " if match.group() in _SPACES else "", text)


def _fold(text: str) -> str:
    """Remove compatibility forms and letter case; a second round does this for letters that the first one produced."""
    once = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return once if once.isascii() else unicodedata.normalize("NFKC", once.casefold())
