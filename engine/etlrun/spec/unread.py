"""Stand-ins for parts of a pipeline with a wrong form, so that the other parts are still checked.

They implement what the checker needs of a source and a step (`contracts/`), and are never compiled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etlrun.language.columns import Columns
from etlrun.spec.scope import At, Scope


@dataclass(frozen=True)
class UnreadSource:
    """A source that could not be read: its columns are not known."""

    key_: ClassVar[tuple[str, ...]] = ()

    def resolve(self, scope: Scope) -> UnreadSource:
        return self

    def output(self, scope: Scope) -> Columns:
        scope.sight.is_blurred = scope.sight.is_blind = True
        return Columns(())


@dataclass(frozen=True)
class UnreadStep:
    """A step that could not be read: it may add or remove any column."""

    place_in_chain: ClassVar[str] = "anywhere"

    def output(self, columns: Columns, scope: Scope) -> Columns:
        scope.sight.is_blurred = scope.sight.is_blind = True
        return columns

    def reads(self) -> tuple[tuple[str, At], ...]:
        return ()

    def models(self) -> tuple[tuple[str, At], ...]:
        return ()
