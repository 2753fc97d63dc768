"""Detects kinds of personal data in a key, which are shown to the user before keys are sent, and masks them.

Numbers of nine digits or more and e-mail addresses are certain enough to hold a key back (`personal.py`). The other kinds are guesses: they
are counted and, if a step asks for it, masked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from etlrun.spec.normal_form import PART, normal_form, says_something, shown_form
from etlrun.spec.personal import is_e_mail, is_personal

Policy = Literal["refuse", "mask", "allow"]

MASK = "***"
NUMBER, E_MAIL = "number of nine digits or more", "e-mail address"
_SPOKEN = "không|khong|một|mot|mốt|hai|ba|bốn|bon|tư|tu|năm|nam|lăm|lam|sáu|sau|bảy|bay|tám|tam|chín|chin|zero|oh|one|two|three|four|five|six|seven|eight|nine"
_STREETS = "đường|duong|phố|street|road|avenue|lane|boulevard|blvd"

_SIGN = re.compile("[0-9@]")
_WORDS = frozenset(_SPOKEN.split("|"))
_FEWEST_WORDS = 8  # of a number in words
_PLACES = (*_STREETS.split("|"), "số nhà", "so nha", "ngõ", "ngo", "hẻm", "hem")
_NO_DIGIT = re.compile("[^0-9]+")


def is_asked(normal: str) -> bool:
    """Whether models are asked about a key: it has some meaning, and nothing personal."""
    return says_something(normal) and not is_personal(normal)


@dataclass(frozen=True)
class _Kind:
    """A kind of personal data: its pattern, and a fast first test: the number of digits, or a sign that a text must contain."""

    pattern: re.Pattern[str]
    digits: int = 0
    sign: Callable[[str], object] = bool

    def found(self, text: str, digits: int) -> Iterator[re.Match[str]]:
        if digits < self.digits or not self.sign(text):
            return iter(())
        return (found for found in self.pattern.finditer(text) if _digits(found.group()) >= self.digits)


def _kind(pattern: str, digits: int = 0, sign: Callable[[str], object] = bool) -> _Kind:
    return _Kind(re.compile(pattern, re.IGNORECASE), digits, sign)


def _has_at(text: str) -> bool:
    return "@" in text


def _names_a_place(text: str) -> bool:
    folded = text.lower()
    return any(place in folded for place in _PLACES)


def _counts_up(text: str) -> bool:
    """Whether a text has the words of a number."""
    return (
        len(text) > 20
        and sum(word.strip(".,-") in _WORDS for word in re.split(r"[\s_-]+", text.lower())) >= _FEWEST_WORDS
    )


def _digits(text: str) -> int:
    return len(_NO_DIGIT.sub("", text))


_KINDS = {
    E_MAIL: _kind(r"[^\s@]+@[^\s@.]+\.[^\s@]+", sign=_has_at),
    NUMBER: _kind(r"\+?[0-9](?:[\W_]{0,3}[0-9]){8,}", 9),
    "number with letters in it": _kind(r"\b[0-9oil](?:[ .\-]?[0-9oil]){8,}\b", 6),
    "number in words": _kind(
        rf"\b(?:{_SPOKEN})(?:[\W_]{{1,3}}(?:{_SPOKEN})){{{_FEWEST_WORDS - 1},}}\b", sign=_counts_up
    ),
    "@handle": _kind(r"(?<![^\s(,;:])@[^\W_][\w.]{2,}", sign=_has_at),
    "number plate": _kind(r"\b[1-9][0-9][ -]?[a-zđ]{1,2}[0-9]?[ .-]?[0-9]{3}[ .]?[0-9]{1,2}\b", 6),
    "street address": _kind(
        r"\b(?:(?:số nhà|so nha|ngõ|ngo|hẻm|hem) [0-9]+[\w/]*"
        rf"|[0-9]+[a-z]?(?:/[0-9]+)*,? (?:(?:{_STREETS})(?: [^\W0-9_]+){{1,4}}|(?:[^\W0-9_]+ ){{1,2}}(?:{_STREETS})))\b",
        1,
        _names_a_place,
    ),
}


def kinds_of(text: str) -> tuple[str, ...]:
    """The kinds of personal data that a key seems to contain; `()` for most keys."""
    if is_personal(text):
        return (E_MAIL if is_e_mail(text) else NUMBER,)
    if not _may_hold_some(text):
        return ()
    digits = _digits(text)
    return tuple(name for name, kind in _KINDS.items() if any(True for _ in kind.found(text, digits)))[:1]


def _may_hold_some(text: str) -> bool:
    return bool(_SIGN.search(text)) or _counts_up(text)


def count_kinds(texts: Iterable[str]) -> dict[str, int]:
    """The number of texts with each kind, the most frequent first."""
    return dict(Counter(name for text in texts for name in kinds_of(text)).most_common())


def masked(text: str) -> str:
    """A key with `***` in place of everything that seems personal, in each of its parts."""
    if PART in text:
        return PART.join(masked(part) for part in text.split(PART))
    if not _may_hold_some(text):
        return text
    for kind in _KINDS.values():
        for found in reversed(list(kind.found(text, _digits(text)))):
            text = text[: found.start()] + MASK + text[found.end() :]
    return text


def sender(personal: Policy) -> Callable[[str], str]:
    """The function that turns a spelling into the text to send."""
    return masked if personal == "mask" else str


def may_be_asked(spelling: str, normal: str, personal: Policy) -> bool:
    """Whether a key has text to ask and may be sent. The whole key is checked, because its cut form may contain only a part of a number."""
    if not says_something(normal) or not (spelling.isprintable() or shown_form(spelling) != ""):
        return False
    return personal == "allow" or not (is_personal(normal) or (spelling != normal and is_personal(spelling)))


def asked_form(spelling: str, personal: Policy) -> str | None:
    """The normal form under which a spelling is asked; None if it is not asked."""
    sent = sender(personal)(spelling)
    normal = normal_form(sent)
    return normal if may_be_asked(sent, normal, personal) else None
