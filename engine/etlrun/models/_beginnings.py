"""Finds texts that are the beginning of titles: what most searches that begin so are about, in the rows of one run.

`conan th` gets the answer of `conan thám tử` if enough rows search for that, and few rows for anything else that begins with it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from etlrun.contracts.model import Finder, LookupResult, Searched
from etlrun.models._catalogue import AROUND, SHORTEST_GUESS, without_diacritics, words_of
from etlrun.spec.outputs import Value

BEGINS = "begins "  # the first word of the reason: an answer that was found here is no evidence for others


@dataclass(frozen=True)
class BeginningFinder(Finder):
    """Finds what another finder finds, and beginnings of it."""

    finder: Finder
    min_rows: int
    min_agreement: float
    compares_keys = True

    def find(self, text: str) -> LookupResult | None:
        return self.finder.find(text)

    def find_among(self, searched: Sequence[Searched]) -> Mapping[str, LookupResult]:
        return beginnings(searched, self.min_rows, self.min_agreement)


@dataclass(frozen=True)
class SearchText:
    """A text as it is compared: with diacritics, and without, which has the same length."""

    key: str
    written: str
    plain: str
    rows: int
    answer: str

    def begins(self, other: SearchText) -> bool:
        """Whether it is the beginning of another text; each letter has the accent of the other one, or none."""
        is_longer = len(other.plain) > len(self.plain) and other.plain.startswith(self.plain)
        return is_longer and all(map(_accent_fits, self.written, other.written, other.plain))


@dataclass
class Evidence:
    """The rows that search for something longer: by their answer, and the longer text with the most rows of each."""

    rows: Counter[str] = field(default_factory=Counter)
    example: dict[str, SearchText] = field(default_factory=dict)

    def add(self, text: SearchText) -> None:
        self.rows[text.answer] += text.rows
        best = self.example.setdefault(text.answer, text)
        if (-text.rows, text.written) < (-best.rows, best.written):
            self.example[text.answer] = text


def beginnings(searched: Sequence[Searched], min_rows: int, min_agreement: float) -> dict[str, LookupResult]:
    """The answers for texts without one, by key.

    A text gets an answer if at least `min_rows` rows search for longer texts with this answer, and if these are at least `min_agreement` of all
    rows that search for longer texts. Longer texts that are beginnings of answered ones are not counted: they do not lead elsewhere.
    """
    texts = [_text(one) for one in searched if not one.reason.startswith(BEGINS)]
    answered = [text for text in texts if text.answer]
    open_ = [text for text in texts if not text.answer]
    leading = {open_text.key for open_text, _ in _pairs(open_, answered)}
    evidence: dict[str, Evidence] = defaultdict(Evidence)
    astray = [text for text in open_ if text.key not in leading]
    asked = [text for text in open_ if text.key in leading and _is_long_enough(text)]
    for text, longer in _pairs(asked, [*answered, *astray]):
        evidence[text.key].add(longer)
    found = ((key, _result(one, min_rows, min_agreement)) for key, one in evidence.items())
    return {key: result for key, result in found if result}


def _text(searched: Searched) -> SearchText:
    written = " ".join(words_of(searched.text))
    return SearchText(searched.key, written, "".join(map(_bare, written)), searched.rows, searched.answer)


@lru_cache(maxsize=4096)
def _bare(letter: str) -> str:
    """A letter without its diacritics; one that consists of several, as in Korean, stays."""
    bare = without_diacritics(letter)
    return bare if len(bare) == 1 else letter


def _accent_fits(letter: str, whole: str, bare: str) -> bool:
    return letter in (whole, bare)


def _pairs(beginnings: Iterable[SearchText], longer: Iterable[SearchText]) -> Iterator[tuple[SearchText, SearchText]]:
    """Every text with each longer one that begins with it."""
    by_letters: dict[str, list[SearchText]] = defaultdict(list)
    for text in beginnings:
        by_letters[text.plain].append(text)
    shortest = min(map(len, by_letters), default=0)
    for other in longer:
        for length in range(shortest, len(other.plain)):
            for text in by_letters.get(other.plain[:length], ()):
                if text.begins(other):
                    yield text, other


def _is_long_enough(text: SearchText) -> bool:
    """Whether it has four letters that say something about a title: `phim h` has one."""
    words = text.plain.split()
    return sum(len(word) for word in words if word not in AROUND) >= SHORTEST_GUESS


def _result(evidence: Evidence, min_rows: int, min_agreement: float) -> LookupResult | None:
    answer, rows = min(evidence.rows.items(), key=lambda item: (-item[1], item[0]))
    whole = evidence.rows.total()
    if not answer or rows < min_rows or rows < min_agreement * whole:
        return None
    example = evidence.example[answer].written
    return LookupResult(_values(answer), f"{BEGINS}{rows:,} of {whole:,} rows with this answer, such as `{example}`")


@lru_cache(maxsize=4096)  # many texts share a few answers
def _values(answer: str) -> Mapping[str, Value]:
    found: Mapping[str, Value] = json.loads(answer)
    return found
