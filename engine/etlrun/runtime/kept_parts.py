"""What a run needs to know of parts: those that earlier runs kept, in the folder or the store of runs, and their partial aggregates."""

from __future__ import annotations

from typing import ClassVar, Protocol

from etlrun.contracts.source import InputFile, PartStore


class UsedParts(PartStore, Protocol):
    """Parts of a source that a run finds and keeps."""

    @property
    def used(self) -> int:
        """How many of them earlier runs had kept."""

    @property
    def trouble(self) -> str:
        """The reason why parts could not be saved, or not be found."""

    @property
    def place(self) -> str:
        """Where the parts are, for messages."""

    def save(self) -> None:
        """Save the parts that were kept, and that others were used. A failure is noted as `trouble`."""

    def cancel(self) -> None:
        """Stop what runs, if anything does."""
        return


class KeptParts(UsedParts, Protocol):
    """The parts of one source in a cache. Rows that are not on this machine are aggregated only by tasks."""

    is_here: ClassVar[bool]

    def has(self, file: InputFile) -> bool:
        """Whether there is a part of a file."""

    def of(self, statement: str) -> KeptParts:
        """The partial aggregates of the same files by a statement of SQL."""

    def again(self) -> KeptParts:
        """The same parts, for another attempt to read."""
