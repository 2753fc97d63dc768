"""Stand-ins for parts of a pipeline whose form is wrong, so that what is around them is still checked.

They have what the checker asks of a source and of a step (`contracts/`), and nothing is ever compiled from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etlrun.language.columns import Columns
from etlrun.spec.scope import At, Scope


@dataclass(frozen=True)
class UnreadSource:
    """A source that was not read: nothing is known of its columns."""

    key_: ClassVar[tuple[str, ...]] = ()

    def resolve(self, scope: Scope) -> UnreadSource:
        return self

    def output(self, scope: Scope) -> Columns:
        scope.sight.is_blurred = scope.sight.is_blind = True
        return Columns(())


@dataclass(frozen=True)
class UnreadStep:
    """A step that was not read: it may have added or removed any column."""

    place_in_chain: ClassVar[str] = "anywhere"

    def output(self, columns: Columns, scope: Scope) -> Columns:
        scope.sight.is_blurred = scope.sight.is_blind = True
        return columns

    def reads(self) -> tuple[tuple[str, At], ...]:
        return ()

    def models(self) -> tuple[tuple[str, At], ...]:
        return ()
