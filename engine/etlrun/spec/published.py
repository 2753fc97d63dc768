"""The tables that the pipelines of a project publish, for the pipelines that read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from etlrun.language.columns import Columns


@dataclass(frozen=True)
class PublishedTable:
    """A table that a pipeline publishes, and its sink, of a `kind`; `place` is where that stands: `pipelines/core.yaml:20:3`."""

    pipeline: str
    sink: str
    connection: str
    table: str
    columns: Columns
    place: str
    kind: str = "table"


class CircularPipelinesError(Exception):
    """A pipeline that is being checked is asked for what it publishes: `names` are the pipelines along the circle."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(" -> ".join(names))
        self.names = names


class Publishers(Protocol):
    """The pipelines of a project, of which one that reads a table of another asks what that publishes."""

    def names(self) -> tuple[str, ...]:
        """The names of all pipelines."""

    def tables_of(self, pipeline: str) -> Mapping[str, PublishedTable] | None:
        """The tables of a pipeline by sink; None where there is no such pipeline.

        Raises SpecError with the mistakes of that pipeline, and CircularPipelinesError.
        """


@dataclass(frozen=True)
class NoPublishers:
    """No other pipelines: for a pipeline outside of a project."""

    def names(self) -> tuple[str, ...]:
        return ()

    def tables_of(self, pipeline: str) -> Mapping[str, PublishedTable] | None:
        return None


NO_PUBLISHERS = NoPublishers()
