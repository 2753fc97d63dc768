"""Finds the distinct keys of a column to ask, and the key of each spelling."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from etlrun.collector import not_collecting
from etlrun.spec.normal_form import MAX_CHARACTERS, normal_form, readable, shown_form
from etlrun.spec.personal_kinds import Policy, count_kinds, may_be_asked, sender


class Key(NamedTuple):
    """A distinct key: its normal form, its most frequent spelling (which a model sees), and its number of rows."""

    normal: str
    shown: str
    rows: int


@dataclass(frozen=True)
class Keys:
    """The distinct keys of a column.

    `asked` are the keys to ask, those with the most rows first (ties by normal form); `raw` are the original spellings, and
    `place[i]` is the index in `asked` of the key of `raw[i]`, or -1 if it is never asked.
    """

    raw: Sequence[str]
    rows: Sequence[int]
    asked: tuple[Key, ...]
    place: array[int]

    def held_back(self) -> dict[str, int]:
        """The number of spellings that are not asked, by kind of personal data."""
        return count_kinds(text for text, place in zip(self.raw, self.place) if place < 0)


def distinct_keys(
    spellings: Iterable[tuple[str, int]], characters: int = MAX_CHARACTERS, personal: Policy = "refuse"
) -> Keys:
    """Group distinct spellings, each with its number of rows, into keys. A model sees so many characters of a key.

    Spellings with `personal` data are not asked; if they are masked, the masked text is the key.
    """
    with not_collecting():
        return _distinct_keys(spellings, characters, personal)


def _distinct_keys(spellings: Iterable[tuple[str, int]], characters: int, personal: Policy) -> Keys:
    sent = sender(personal)
    raw: list[str] = []
    rows = array("q")
    groups: dict[str, int] = {}  # normal form -> its number; arrays of numbers, because there may be millions
    group_of, best, total = array("q"), array("q"), array("q")
    for index, (text, count) in enumerate(spellings):
        raw.append(text)
        rows.append(count)
        normal = normal_form(sent(text))
        group = groups.setdefault(normal, len(groups))
        group_of.append(group)
        if group == len(best):
            best.append(index)
            total.append(count)
            continue
        total[group] += count
        if (-count, text) < (-rows[best[group]], raw[best[group]]):
            best[group] = index
    names = sorted(normal for normal, group in groups.items() if may_be_asked(sent(raw[best[group]]), normal, personal))
    names.sort(key=lambda normal: -total[groups[normal]])
    position = array("q", [-1]) * len(groups)
    for place, normal in enumerate(names):
        position[groups[normal]] = place
    asked = tuple(
        Key(normal, shown_form(sent(raw[best[groups[normal]]]), characters), total[groups[normal]]) for normal in names
    )
    return Keys(raw, rows, asked, array("q", (position[group] for group in group_of)))


def stored_spelling(key: Key) -> str:
    """The text of a key in the label store: at most 120 characters."""
    return readable(key.shown)[:MAX_CHARACTERS]
