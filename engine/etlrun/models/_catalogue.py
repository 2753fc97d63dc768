"""Finds titles in search keywords: exact, among other words, or with one wrong letter; and words of genres and channels."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from etlrun.contracts.model import Finder, LookupResult
from etlrun.spec.answer_files import Answered
from etlrun.spec.normal_form import normal_form
from etlrun.spec.outputs import Value

# Words about how to watch a title, not about which title.
_AROUND = """
    phim bo le xem full hd tap phan season part ss movie film vietsub thuyet minh long tieng anh viet nam han quoc trung hoat hinh
    the series moi nhat tron cuoi ova live action ban goc kenh truc tiep
"""
AROUND = frozenset(_AROUND.split())
SHORTEST_INSIDE = 5  # the fewest letters of a title that is searched among other words
SHORTEST_GUESS = 4  # the fewest letters of a key in which a genre's word may lack its accents
SHORTEST_WORD = 3  # the fewest letters of a word that a shorter key must contain exactly
SHORTEST_TYPO = 6  # the fewest letters of a title in which one letter may be wrong
# The fewest letters of a title in which one word may have a wrong accent: `yêu tinh` is not `yêu tình`.
SHORTEST_TONE = 10

_WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Title:
    """A title: its words with and without diacritics, and its answer."""

    text: str
    words: tuple[str, ...]
    plain: tuple[str, ...]
    answer: Mapping[str, Value]


class TitleFinder(Finder):
    """Finds titles of one list, and words of another."""

    def __init__(self, titles: Iterable[Answered], words: Iterable[Answered] = (), *, has_typos: bool) -> None:
        self.rules: dict[str, list[Title]] = defaultdict(list)  # what a key is about, by its words without diacritics
        self.longest_rule = 0
        for answered in words:
            rule = _title(answered)
            self.rules[" ".join(rule.plain)].append(rule)
            self.longest_rule = max(self.longest_rule, len(rule.words))
        rule_words = {
            word for rules in self.rules.values() for word in rules[0].plain if AROUND.issuperset(rules[0].plain)
        }
        self.beside_rules = AROUND - (
            rule_words - {"phim"}
        )  # `hài hàn` is about two things: `hàn` is a rule, not a word about how to watch
        self.by_words: dict[str, list[Title]] = defaultdict(list)
        self.by_letters: dict[str, list[Title]] = defaultdict(list)
        self.by_gap: dict[str, set[str]] = defaultdict(set)  # letters with one left out -> the letters of titles
        self.longest = 1
        for answered in titles:
            self._add(answered, has_typos=has_typos)

    def _add(self, answered: Answered, *, has_typos: bool) -> None:
        title = _title(answered)
        letters = "".join(title.plain)
        self.by_words[" ".join(title.plain)].append(title)
        self.by_letters[letters].append(title)
        self.longest = max(self.longest, len(title.words))
        if has_typos and len(letters) >= SHORTEST_TYPO:
            for gap in (letters, *gaps(letters)):
                self.by_gap[gap].add(letters)

    def find(self, text: str) -> LookupResult | None:
        words = words_of(text)
        plain = tuple(map(without_diacritics, words))
        return (
            self._as_written(words, plain)
            or self._inside(words, plain)
            or self._by_rule(words, plain)
            or self._nearly(words, plain)
        )

    def _as_written(self, words: Sequence[str], plain: Sequence[str]) -> LookupResult | None:
        titles = self.by_words.get(" ".join(plain)) or []
        found = _agreed([title for title in titles if _accents_fit(words, title)], "is the title")
        if found:
            return found
        if len("".join(plain)) >= SHORTEST_INSIDE and len(words) < self.longest:
            # The words without spaces, or split: `onepiece`.
            joined = [title for title in self.by_letters.get("".join(plain), ()) if title.plain != tuple(plain)]
            if "".join(words) == "".join(plain):
                return _agreed(joined, "is, apart from spaces, the title")
        return None

    def _inside(self, words: Sequence[str], plain: Sequence[str]) -> LookupResult | None:
        """The longest title whose words are next to each other in the key, if the key has few other words."""
        for length in range(min(self.longest, len(words) - 1), 0, -1):
            found: list[Title] = []
            for start in range(len(words) - length + 1):
                titles = self.by_words.get(" ".join(plain[start : start + length]))
                if titles and _is_mostly(plain, start, length):
                    found += (title for title in titles if _accents_fit(words[start : start + length], title))
            if found:
                return _agreed(found, "contains the title")
        return None

    def _by_rule(self, words: Sequence[str], plain: Sequence[str]) -> LookupResult | None:
        """The answer of the longest rule whose words are in the key, if the other words are numbers or about how to watch: `phim hài`, `vtv3`."""
        bare = tuple(word.rstrip("0123456789") or word for word in plain)
        is_short = sum(len(word) for word in plain if not word.isdigit()) < SHORTEST_GUESS
        for length in range(min(self.longest_rule, len(words)), 0, -1):
            found: list[Title] = []
            for start in range(len(words) - length + 1):
                end = start + length
                if all(word in self.beside_rules or word.isdigit() for word in (*plain[:start], *plain[end:])):
                    for part in {plain[start:end], bare[start:end]}:
                        accented = tuple(word.rstrip("0123456789") or word for word in words[start:end])
                        spelt = words[start:end] if part == plain[start:end] else accented
                        rules = self.rules.get(" ".join(part), ())
                        found += (rule for rule in rules if _is_rule(rule, spelt, is_short=is_short))
            if found:
                return _agreed(found, "is about")
        return None

    def _nearly(self, words: Sequence[str], plain: Sequence[str]) -> LookupResult | None:
        """The title that differs in one letter: one added, missing or wrong, or two neighbours swapped."""
        letters = "".join(plain)
        if len(letters) < SHORTEST_TYPO - 1 or not self.by_gap:
            return None
        near = {found for gap in (letters, *gaps(letters)) for found in self.by_gap.get(gap, ())}
        titles = [
            title
            for found in near
            if found != letters and is_one_edit(letters, found)
            for title in self.by_letters[found]
            if len(title.words) != len(words) or _wrong_accents(words, title) <= 1
        ]
        if titles:
            return _agreed(titles, "is, apart from one letter, the title")
        if len(letters) >= SHORTEST_TONE:
            same = [title for title in self.by_words.get(" ".join(plain), ()) if _wrong_accents(words, title) == 1]
            return _agreed(same, "is, apart from one accent, the title")
        return None


def _is_rule(rule: Title, spelt: Sequence[str], *, is_short: bool) -> bool:
    """Whether words match those of a rule. In a short key, where they may be the start of other words, they must be spelled exactly."""
    if is_short:
        return tuple(spelt) == rule.words and sum(map(len, rule.words)) >= SHORTEST_WORD
    return _accents_fit(spelt, rule)


def _title(answered: Answered) -> Title:
    words = words_of(answered.key)
    return Title(answered.key, words, tuple(map(without_diacritics, words)), answered.answer)


def words_of(text: str) -> tuple[str, ...]:
    return tuple(_WORDS.findall(normal_form(text)))


def without_diacritics(word: str) -> str:
    """`đường` -> `duong`."""
    if word.isascii():
        return word
    plain = "".join(letter for letter in unicodedata.normalize("NFD", word) if not unicodedata.combining(letter))
    return plain.replace("đ", "d")


def gaps(letters: str) -> Iterator[str]:
    """The letters with each one left out in turn; digits are kept, because `penthouse 2` is not `penthouse 3`."""
    return (letters[:index] + letters[index + 1 :] for index in range(len(letters)) if not letters[index].isdigit())


def is_one_edit(left: str, right: str) -> bool:
    """Whether two texts differ in one letter, or in two swapped neighbours; a different digit does not count as one letter."""
    if re.sub(r"\D", "", left) != re.sub(r"\D", "", right):
        return False
    if len(left) > len(right):
        left, right = right, left
    same = next((index for index, pair in enumerate(zip(left, right)) if pair[0] != pair[1]), len(left))
    if len(left) != len(right):
        return len(right) - len(left) == 1 and left[same:] == right[same + 1 :]
    if left[same + 1 :] == right[same + 1 :]:
        return True
    return left[same : same + 2] == right[same : same + 2][::-1] and left[same + 2 :] == right[same + 2 :]


def _accents_fit(words: Sequence[str], title: Title) -> bool:
    """Whether each word is written as in the title, or without any diacritics."""
    return not _wrong_accents(words, title)


def _wrong_accents(words: Sequence[str], title: Title) -> int:
    return sum(word not in (wanted, plain) for word, wanted, plain in zip(words, title.words, title.plain))


def _is_mostly(plain: Sequence[str], start: int, length: int) -> bool:
    """Whether a key is about a title of `length` words: the other words are about how to watch it, or are fewer."""
    inside = sum(map(len, plain[start : start + length]))
    rest = [word for word in (*plain[:start], *plain[start + length :]) if word not in AROUND and not word.isdigit()]
    if inside < SHORTEST_INSIDE:
        return not rest and inside >= 3
    return sum(map(len, rest)) < inside


def _agreed(titles: Sequence[Title], how: str) -> LookupResult | None:
    """The answer of the titles, if all have the same one."""
    if not titles or any(title.answer != titles[0].answer for title in titles):
        return None
    return LookupResult(titles[0].answer, f"{how} `{titles[0].text}`")
