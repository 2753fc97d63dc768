"""The distinct keys of a column: those worth asking, and which spelling is which key."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from etlrun.enrich.collector import not_collecting
from etlrun.spec.normal_form import MAX_CHARACTERS, is_asked, normal_form, readable, shown_form
from etlrun.spec.personal import is_personal


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


def distinct_keys(spellings: Iterable[tuple[str, int]], characters: int = MAX_CHARACTERS) -> Keys:
    """Gather distinct spellings, each with its number of rows, into keys, of which a model sees so many characters."""
    with not_collecting():
        return _distinct_keys(spellings, characters)


def _distinct_keys(spellings: Iterable[tuple[str, int]], characters: int) -> Keys:
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
    asked = tuple(
        Key(normal, shown_form(raw[best[groups[normal]]], characters), total[groups[normal]]) for normal in names
    )
    return Keys(raw, rows, asked, array("q", (position[group] for group in group_of)))


def _may_be_shown(spelling: str, normal: str) -> bool:
    """Whether a spelling shows something, and nothing personal: the whole of it counts, for the cut may leave a part of a number."""
    return (spelling == normal or not is_personal(spelling)) and (spelling.isprintable() or shown_form(spelling) != "")


def stored_spelling(key: Key) -> str:
    """What the label store shows people of a key: at most 120 characters."""
    return readable(key.shown)[:MAX_CHARACTERS]
