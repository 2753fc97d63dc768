"""Measures answers: accuracy with its interval, precision and recall by label, and the confusions between labels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from etlrun.spec.outputs import LabelOutput, LabelsOutput, NumberOutput, Output, Truth, Value, labels_in

Z = 1.959964  # of a 95% interval


@dataclass(frozen=True)
class LabelScore:
    """The scores of one label: the share of its uses that are right (`precision`), and of right cases in which it was given (`recall`)."""

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
    """Answers compared with the right ones. A key without an answer counts as wrong in `accuracy`, and is ignored in `precision`.

    `mean_error` is the mean difference of numbers from the right ones.
    """

    output: Output
    keys: int
    answered: int
    right: int
    confusion: Counter[tuple[str, str]]  # (right answer, given answer), `""` if there was none
    mean_error: float | None = None

    @property
    def accuracy(self) -> float:
        return self.right / self.keys if self.keys else 0.0

    @property
    def precision(self) -> float:
        return self.right / self.answered if self.answered else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% Wilson interval of the accuracy."""
        return wilson(self.right, self.keys)

    @property
    def labels(self) -> tuple[LabelScore, ...]:
        """Every label that was right or given, the most frequent right ones first; texts and numbers are not labels."""
        if not isinstance(self.output, (LabelOutput, Truth)):
            return ()
        wanted, given, right = Counter[str](), Counter[str](), Counter[str]()
        for (true, detail), count in self.confusion.items():
            true_labels, labels = self._labels_of(true), self._labels_of(detail)
            wanted.update(dict.fromkeys(true_labels, count))
            given.update(dict.fromkeys(labels, count))
            right.update(dict.fromkeys(true_labels & labels, count))
        names = sorted({*wanted, *given} - {""}, key=lambda name: (-wanted[name], name))
        return tuple(LabelScore(name, given[name], wanted[name], right[name]) for name in names)

    def _labels_of(self, text: str) -> set[str]:
        return set(labels_in(text)) if isinstance(self.output, LabelsOutput) else {text}


def score(output: Output, pairs: Iterable[tuple[Value, Value | None]]) -> Score:
    """Score pairs of the right and the given answer, compared by the rules of `output`."""
    found = list(pairs)
    confusion = Counter((_text(true), _given(output, true, detail)) for true, detail in found)
    answered = sum(count for (_, detail), count in confusion.items() if detail)
    right = sum(count for (true, detail), count in confusion.items() if true == detail)
    errors = (
        [abs(float(detail) - float(true)) for true, detail in found if detail is not None]
        if isinstance(output, NumberOutput)
        else []
    )
    return Score(output, len(found), answered, right, confusion, sum(errors) / len(errors) if errors else None)


def wilson(right: int, of: int) -> tuple[float, float]:
    """The interval that holds the true share in 95 of 100 samples (E. B. Wilson, 1927)."""
    if not of:
        return 0.0, 1.0
    share, spread = right / of, Z * Z / of
    middle = share + spread / 2
    half = Z * math.sqrt(share * (1 - share) / of + spread / (4 * of))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))


def _given(output: Output, true: Value, given: Value | None) -> str:
    """The given answer, or the right one if the given one counts as equal."""
    if given is None:
        return ""
    return _text(true if output.agrees(given, true) else given)


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
