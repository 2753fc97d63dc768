"""How right answers are: accuracy with its interval, precision and recall by label, and what was taken for what."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from etlrun.spec.outputs import Value

Z = 1.959964  # of a 95% interval


@dataclass(frozen=True)
class LabelScore:
    """One label: how often it is right where it was given (`precision`), and how often it was given where it is right (`recall`)."""

    label: str
    given: int
    wanted: int
    right: int

    @property
    def precision(self) -> float | None:
        return self.right / self.given if self.given else None

    @property
    def recall(self) -> float | None:
        return self.right / self.wanted if self.wanted else None


@dataclass(frozen=True)
class Score:
    """Answers held against the right ones. A key without an answer counts as wrong in `accuracy`, and not at all in `precision`."""

    keys: int
    answered: int
    right: int
    confusion: Counter[tuple[str, str]]  # (right label, label given), `""` where there was no answer

    @property
    def accuracy(self) -> float:
        return self.right / self.keys if self.keys else 0.0

    @property
    def precision(self) -> float:
        return self.right / self.answered if self.answered else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of the accuracy, after Wilson."""
        return wilson(self.right, self.keys)

    @property
    def labels(self) -> tuple[LabelScore, ...]:
        """Every label that was wanted or given, the most wanted first."""
        wanted, given, right = Counter[str](), Counter[str](), Counter[str]()
        for (true, detail), count in self.confusion.items():
            wanted[true] += count
            given[detail] += count
            right[true] += count if true == detail else 0
        names = sorted({*wanted, *given} - {""}, key=lambda name: (-wanted[name], name))
        return tuple(LabelScore(name, given[name], wanted[name], right[name]) for name in names)


def score(pairs: Iterable[tuple[Value, Value | None]]) -> Score:
    """Score pairs of the right answer and the answer given."""
    confusion = Counter((_text(true), "" if detail is None else _text(detail)) for true, detail in pairs)
    keys = sum(confusion.values())
    answered = sum(count for (_, detail), count in confusion.items() if detail)
    right = sum(count for (true, detail), count in confusion.items() if true == detail)
    return Score(keys, answered, right, confusion)


def wilson(right: int, of: int) -> tuple[float, float]:
    """The interval that holds the true share in 95 of 100 samples (E. B. Wilson, 1927)."""
    if not of:
        return 0.0, 1.0
    share, spread = right / of, Z * Z / of
    middle = share + spread / 2
    half = Z * math.sqrt(share * (1 - share) / of + spread / (4 * of))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
