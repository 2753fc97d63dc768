"""Tracks what is known about a relation after a mistake, so that it is reported once and not at every following step."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from etlrun.diagnostics import Diagnostic
from etlrun.language.columns import NULL, Columns

# Codes of mistakes that may only follow from a missing column, and from a column of unknown type.
_OF_NAMES = frozenset(
    (
        "unknown-column",
        "unknown-group",
        "type-mismatch",
        "wrong-arguments",
        "not-grouped",
        "no-total-order",
        "column-exists",
    )
)
_OF_TYPES = frozenset(("type-mismatch", "wrong-arguments"))


@dataclass
class Sight:
    """How far the columns of a relation can be trusted.

    `is_blurred`: a mistake came before. `is_blind`: columns may be missing, because what brings them was not found or not read.
    `guessed`: the columns whose type is not known, in lower case.
    """

    is_blurred: bool = False
    is_blind: bool = False
    guessed: frozenset[str] = frozenset()

    def follow(self, other: Sight) -> None:
        """Continue with what `other` knows about an input relation."""
        self.is_blurred |= other.is_blurred
        self.is_blind |= other.is_blind
        self.guessed |= other.guessed

    def look_at(self, columns: Columns) -> None:
        """Note which of the columns that a step gave have no type, after a mistake."""
        if self.is_blurred:
            self.guessed = frozenset(item.name.lower() for item in columns if item.type == NULL)
            self.is_blind |= not len(columns)

    def hides(self, code: str, text: str) -> bool:
        """Whether a mistake may follow from an earlier one; `text` is the expression or message that names the columns."""
        if self.is_blind and code in _OF_NAMES:
            return True
        return code in _OF_TYPES and any(
            re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text.lower()) for name in self.guessed
        )


def without_consequences(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The mistakes of one step without those that follow from another of them: an order cannot be total over unknown columns."""
    kept = list(found)
    if any(diagnostic.code == "unknown-column" for diagnostic in kept):
        kept = [diagnostic for diagnostic in kept if diagnostic.code != "no-total-order"]
    return kept
