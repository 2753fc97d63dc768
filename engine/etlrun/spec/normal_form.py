"""When two spellings are one question, and which keys are never put to a model.

The normal form is for finding an answer again, and never replaces what the data says. Diacritics stay: `yêu tinh` (goblin)
and `yêu tình` (love) are two keys.
"""

from __future__ import annotations

import re
import unicodedata

from etlrun.spec.personal import is_personal

NORMALISER = "1"  # part of every question's identity: change it when `normal_form` gives other keys
MAX_CHARACTERS = 120
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
    """The key under which the answer for `text` is kept.

    `"  Sao   BĂNG! "` -> `"sao băng"`; composed and decomposed letters, letter case, compatibility forms, control characters,
    runs of spaces and punctuation at the edges make no difference. At most 120 characters count.
    """
    if text.isascii():
        if not text.isprintable():
            text = _without_unseen(text)
        text = text.lower()
    else:
        text = _fold(_without_unseen(text))
    text = " ".join(text.split()).strip(EDGES)
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS].strip(EDGES)


def shown_form(text: str) -> str:
    """What a model sees of a spelling: composed, on one line, nothing that cannot be seen, at most 120 characters."""
    plain = " ".join(unicodedata.normalize("NFC", _without_unseen(text)).split())
    if not plain.isprintable():  # unassigned, as far as this Python knows
        plain = "".join(letter for letter in plain if letter.isprintable())
    plain = plain.strip()[:MAX_CHARACTERS].rstrip()
    return text if plain == text else plain  # the same object: a million keys are held only once


def is_asked(normal: str) -> bool:
    """Whether a key is worth asking: not empty, not one character, not digits only, nothing personal."""
    return len(normal) > 1 and not normal.replace(" ", "").isdigit() and not is_personal(normal)


def _without_unseen(text: str) -> str:
    if not _UNSEEN.search(text):
        return text
    return _UNSEEN.sub(lambda match: " " if match.group() in _SPACES else "", text)


def _fold(text: str) -> str:
    """Compatibility forms and letter case away; a second round settles the letters that the first one makes."""
    once = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return once if once.isascii() else unicodedata.normalize("NFKC", once.casefold())
