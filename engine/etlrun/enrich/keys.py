"""Keys: when two spellings are one question, and which keys are never put to a model.

The normal form is for finding an answer again, and never replaces what the data says. Diacritics stay: `yêu tinh` (goblin)
and `yêu tình` (love) are two keys.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from etlrun.enrich.collector import not_collecting
from etlrun.enrich.personal import is_personal

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


class Key(NamedTuple):
    """A distinct key: its normal form, the commonest spelling (which a model sees), and the rows that carry it."""

    normal: str
    shown: str
    rows: int


@dataclass(frozen=True)
class Keys:
    """The distinct keys of a column.

    `asked` are those worth asking, most rows first (ties by normal form); `raw` are the spellings as given and
    `place[i]` is the index in `asked` of the key of `raw[i]`, or -1 where it is never asked.
    """

    raw: Sequence[str]
    rows: Sequence[int]
    asked: tuple[Key, ...]
    place: array[int]


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


def distinct_keys(spellings: Iterable[tuple[str, int]]) -> Keys:
    """Gather distinct spellings, each with its number of rows, into keys."""
    with not_collecting():
        return _distinct_keys(spellings)


def _distinct_keys(spellings: Iterable[tuple[str, int]]) -> Keys:
    raw: list[str] = []
    rows = array("q")
    groups: dict[str, int] = {}  # normal form -> its number; columns of numbers, since there may be millions
    group_of, best, total = array("q"), array("q"), array("q")
    for index, (text, count) in enumerate(spellings):
        raw.append(text)
        rows.append(count)
        normal = normal_form(text)
        group = groups.setdefault(normal, len(groups))
        group_of.append(group)
        if group == len(best):
            best.append(index)
            total.append(count)
            continue
        total[group] += count
        if (-count, text) < (-rows[best[group]], raw[best[group]]):
            best[group] = index
    names = sorted(
        normal for normal, group in groups.items() if is_asked(normal) and _may_be_shown(raw[best[group]], normal)
    )
    names.sort(key=lambda normal: -total[groups[normal]])
    position = array("q", [-1]) * len(groups)
    for place, normal in enumerate(names):
        position[groups[normal]] = place
    asked = tuple(Key(normal, shown_form(raw[best[groups[normal]]]), total[groups[normal]]) for normal in names)
    return Keys(raw, rows, asked, array("q", (position[group] for group in group_of)))


def _may_be_shown(spelling: str, normal: str) -> bool:
    """Whether a spelling shows something, and nothing personal: the whole of it counts, for the cut may leave a part of a number."""
    return (spelling == normal or not is_personal(spelling)) and (spelling.isprintable() or shown_form(spelling) != "")


def _without_unseen(text: str) -> str:
    if not _UNSEEN.search(text):
        return text
    return _UNSEEN.sub(lambda match: " " if match.group() in _SPACES else "", text)


def _fold(text: str) -> str:
    """Compatibility forms and letter case away; a second round settles the letters that the first one makes."""
    once = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return once if once.isascii() else unicodedata.normalize("NFKC", once.casefold())
