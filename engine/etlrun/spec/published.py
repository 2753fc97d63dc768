"""The tables that the pipelines of a project publish, for the pipelines that read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from etlrun.language.columns import Columns


@dataclass(frozen=True)
class PublishedTable:
    """A table that a pipeline publishes, with the name and `kind` of its sink; `place` is the sink's place: `pipelines/core.yaml:20:3`.

    With `awaits_labels`, it also has columns that only a run knows.
    """

    pipeline: str
    sink: str
    connection: str
    table: str
    columns: Columns
    place: str
    kind: str = "table"
    awaits_labels: bool = False


class CircularPipelinesError(Exception):
    """A pipeline depends on itself through the tables that it reads: `names` are the pipelines in the cycle."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(" -> ".join(names))
        self.names = names


class Publishers(Protocol):
    """The pipelines of a project, for a pipeline that reads a table of another one."""

    def names(self) -> tuple[str, ...]:
        """The names of all pipelines."""

    def tables_of(self, pipeline: str) -> Mapping[str, PublishedTable] | None:
        """The tables of a pipeline by sink; None if there is no such pipeline.

        Raises SpecError with the mistakes of that pipeline, and CircularPipelinesError.
        """


@dataclass(frozen=True)
class NoPublishers:
    """The publishers for a pipeline outside of a project: there are none."""

    def names(self) -> tuple[str, ...]:
        return ()

    def tables_of(self, pipeline: str) -> Mapping[str, PublishedTable] | None:
        return None


NO_PUBLISHERS = NoPublishers()
