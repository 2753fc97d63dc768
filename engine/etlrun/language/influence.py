"""What influences a value, for column lineage: `direct` columns, from which it is made, and `indirect` ones, which only decide about it.

A direct influence has one kind, the strongest along its path: `identity` (the value itself), `transformation`, `aggregation`, `python`,
`model`. An indirect one says how it decides: `conditional`, `window`, or for the rows of a relation `filter`, `group by`, `join`, `sort`.
An indirect influence never becomes a direct one: what decides about a value also decides about everything made from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Direct = Literal["identity", "transformation", "aggregation", "python", "model"]
Indirect = Literal["conditional", "window", "filter", "group by", "join", "sort"]
STRENGTHS: dict[Direct, int] = {"identity": 0, "transformation": 1, "aggregation": 2, "python": 3, "model": 4}


@dataclass(frozen=True, order=True)
class OriginColumn:
    """A column where lineage begins: usually a column of a source."""

    pipeline: str
    relation: str
    column: str

    def __str__(self) -> str:
        return f"{self.relation}.{self.column}"


@dataclass(frozen=True)
class Lineage:
    """What influences one value, or the rows of a relation: columns, and files of the project such as mappings and prompts.

    `labels_of` are the files whose texts become the value: mappings from which its labels come.
    """

    direct: Mapping[OriginColumn, Direct] = field(default_factory=dict)
    indirect: frozenset[tuple[OriginColumn, Indirect]] = frozenset()
    files: frozenset[str] = frozenset()
    labels_of: frozenset[str] = frozenset()

    @property
    def origins(self) -> frozenset[OriginColumn]:
        """Every column that influences it directly or indirectly."""
        return frozenset((*self.direct, *(origin for origin, _ in self.indirect)))

    def deciding(self) -> dict[OriginColumn, tuple[Indirect, ...]]:
        """The indirect influences by column, in order."""
        found: dict[OriginColumn, tuple[Indirect, ...]] = {}
        for origin, how in sorted(self.indirect):
            found[origin] = (*found.get(origin, ()), how)
        return found


NOTHING = Lineage()


def together(parts: Iterable[Lineage]) -> Lineage:
    """The influences of a value that is made of all these."""
    direct: dict[OriginColumn, Direct] = {}
    indirect: set[tuple[OriginColumn, Indirect]] = set()
    files: set[str] = set()
    labels_of: set[str] = set()
    for part in parts:
        for origin, kind in part.direct.items():
            direct[origin] = stronger(direct.get(origin, kind), kind)
        indirect |= part.indirect
        files |= part.files
        labels_of |= part.labels_of
    return Lineage(direct, frozenset(indirect), frozenset(files), frozenset(labels_of))


def made(lineage: Lineage, kind: Direct) -> Lineage:
    """The influences of a value that is made from another one in this way."""
    direct: dict[OriginColumn, Direct] = {origin: stronger(found, kind) for origin, found in lineage.direct.items()}
    return Lineage(direct, lineage.indirect, lineage.files, lineage.labels_of)


def decided(lineage: Lineage, how: Indirect) -> Lineage:
    """The influences of a value about which another one decides in this way."""
    return Lineage({}, lineage.indirect | {(origin, how) for origin in lineage.direct}, lineage.files)


def stronger(one: Direct, other: Direct) -> Direct:
    return max(one, other, key=STRENGTHS.__getitem__)


@dataclass(frozen=True)
class RelationLineage:
    """What influences each column of a relation, and which rows it has (`rows` has indirect influences only)."""

    columns: Mapping[str, Lineage]
    rows: Lineage = NOTHING

    def column(self, name: str) -> Lineage | None:
        """The lineage of a column, by its name in any case."""
        found = self.columns.get(name)
        if found is not None:
            return found
        return next((lineage for known, lineage in self.columns.items() if known.lower() == name.lower()), None)

    def renamed(self, names: Iterable[str]) -> RelationLineage:
        """The same under other names, in order."""
        return RelationLineage(dict(zip(names, self.columns.values(), strict=True)), self.rows)


def beginning(pipeline: str, relation: str, columns: Iterable[str]) -> RelationLineage:
    """The lineage of a relation where lineage begins: each column comes from itself."""
    return RelationLineage({name: Lineage({OriginColumn(pipeline, relation, name): "identity"}) for name in columns})
