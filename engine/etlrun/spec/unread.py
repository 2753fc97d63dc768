"""Stand-ins for parts of a pipeline whose form is wrong, so that what is around them is still checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from etlrun.language.columns import Columns
from etlrun.spec.kinds import Scope, Source, Step


@dataclass(frozen=True)
class UnreadSource(Source):
    """A source that was not read: nothing is known of its columns."""

    def output(self, scope: Scope) -> Columns:
        scope.sight.is_blurred = scope.sight.is_blind = True
        return Columns(())


@dataclass(frozen=True)
class UnreadStep(Step):
    """A step that was not read: it may have added or removed any column."""

    stands: ClassVar[Literal["first", "later", "anywhere"]] = "anywhere"

    def output(self, columns: Columns, scope: Scope) -> Columns:
        scope.sight.is_blurred = scope.sight.is_blind = True
        return columns
