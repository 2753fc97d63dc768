"""Which rows of the relations before belong to a row: the columns that hold its key there, as far as they hold it unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etlrun.compiler.plan import Piece, Plan, Relation
from etlrun.compiler.relation_lineage import piece_lineages, relation_lineage
from etlrun.language.influence import RelationLineage, beginning

Key = Mapping[str, str]  # a column of the key: the column that holds it in another relation


@dataclass(frozen=True)
class Followed:
    """A relation in which the rows of a key can be found. `ends` are relations that it reads in which they cannot."""

    relation: Relation
    key: Key
    ends: tuple[str, ...]
    pieces: tuple[tuple[Piece, Key], ...] = ()  # those in which they can be found, in order


def follow_key(plan: Plan, name: str, columns: tuple[str, ...]) -> list[Followed]:
    """The relations that the rows of a key can be followed through, from `name` back to sources."""
    found: dict[str, Followed] = {}
    waiting: list[tuple[str, Key]] = [(name, {column: column for column in columns})]
    while waiting:
        name, key = waiting.pop(0)
        if name in found:
            continue
        relation = plan.relation(name)
        reads = {read: beginning("", read, plan.relation(read).columns.names) for read in relation.reads}
        there = {read: _held(relation_lineage(plan, relation, reads), key, read) for read in relation.reads}
        ends = tuple(read for read, held in there.items() if held is None and plan.relation(read).ask is None)
        pieces = tuple(_pieces(plan, relation, reads, {read: held for read, held in there.items() if held is not None}))
        found[name] = Followed(relation, key, ends, pieces)
        waiting += [(read, held) for read, held in there.items() if held is not None]
    return list(found.values())


def _held(lineage: RelationLineage, key: Key, read: str) -> Key | None:
    """The columns of `read` that hold the key of the relation unchanged; None where one of them is missing."""
    found: dict[str, str] = {}
    for name, column in key.items():
        origins = lineage.columns[column].direct if column in lineage.columns else {}
        if any(kind != "identity" for kind in origins.values()):
            return None
        here = next((origin.column for origin in origins if origin.relation == read), None)
        if here is None:
            return None
        found[name] = here
    return found


def _pieces(
    plan: Plan, relation: Relation, reads: Mapping[str, RelationLineage], held: Mapping[str, Key]
) -> list[tuple[Piece, Key]]:
    """The pieces of a relation that have the key, and the columns that hold it there."""
    found = []
    if relation.pieces and held:
        for piece, lineage in piece_lineages(plan, relation, reads):
            key = _passed(lineage, held)
            if key is not None:
                found.append((piece, key))
    return found


def _passed(lineage: RelationLineage, held: Mapping[str, Key]) -> Key | None:
    """The columns of a piece that come unchanged from those that hold the key in what its relation reads."""
    read, key = next(iter(held.items()))
    found: dict[str, str] = {}
    for name, column in key.items():
        for here, made in lineage.columns.items():
            kinds = {(origin.relation, origin.column): kind for origin, kind in made.direct.items()}
            if kinds.get((read, column)) == "identity" and set(kinds.values()) == {"identity"}:
                found.setdefault(name, here)
    return found if len(found) == len(key) else None
