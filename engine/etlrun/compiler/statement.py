"""One SQL statement for relations of a plan, with the step that each part of its text comes from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp

from etlrun.compiler.plan import DIALECTS, Piece, Plan, Relation
from etlrun.contracts.relation import relation_table
from etlrun.language.expressions import column
from etlrun.spec.scope import HIDDEN


@dataclass(frozen=True)
class Part:
    """A piece of a statement: the relation and step that it comes from, and the offsets of its text (end exclusive)."""

    relation: str
    step: int
    start: int
    end: int


@dataclass(frozen=True)
class Statement:
    """SQL text and the parts it is made of, in the order in which they read each other."""

    text: str
    parts: tuple[Part, ...]

    def part_at(self, offset: int) -> Part | None:
        """The part that an engine's offset points into."""
        return next((part for part in self.parts if part.start <= offset < part.end), None)


def relation_statement(
    plan: Plan, name: str, dialect: str, ready: Iterable[str], *, upto: int | None = None, last: exp.Query | None = None
) -> Statement:
    """The rows of the relation `name` as one SELECT. Relations in `ready` are read by name; others become CTEs.

    With `upto` only the first parts are kept, and the last of these gives the rows: this shows which part fails. `last` replaces
    the last part.
    """
    pieces = _pieces(plan, [name], frozenset(ready) - {name})[:upto]
    if not pieces:
        return Statement(DIALECTS[dialect](exp.select("*").from_(relation_table(name))), ())
    *earlier, (relation, _, piece) = pieces
    return _assemble(earlier, last or piece.tree, Part(relation.name, piece.step, 0, 0), dialect)


def query_statement(plan: Plan, query: exp.Query, dialect: str, ready: Iterable[str]) -> Statement:
    """A query over relations as one SELECT. Relations in `ready` are read by name; others become CTEs."""
    known = {relation.name for relation in plan.relations}
    reads = [table.name for table in query.find_all(exp.Table) if table.name in known]
    return _assemble(_pieces(plan, reads, frozenset(ready)), query, Part("", 0, 0, 0), dialect)


_Piece = tuple[Relation, str, Piece]  # with the name that the piece's rows go by in the statement


def _pieces(plan: Plan, names: Iterable[str], ready: frozenset[str]) -> list[_Piece]:
    """Every piece that `names` need, each after what it reads. A relation that is made outside is read by name, and needs none."""
    wanted = set(names) - ready
    for relation in reversed(plan.relations):
        if relation.name in wanted and not relation.is_made_outside:
            wanted.update(set(relation.reads) - ready)
    found: list[_Piece] = []
    for relation in plan.relations:
        if relation.name in wanted:
            last = len(relation.pieces) - 1
            found += [
                (relation, relation.name if index == last else piece.name, piece)
                for index, piece in enumerate(relation.pieces)
            ]
    return found


def _assemble(earlier: list[_Piece], final: exp.Query, end: Part, dialect: str) -> Statement:
    write = DIALECTS[dialect]
    text, parts = "", []
    for relation, alias, piece in earlier:
        text += f"{', ' if text else 'WITH '}{write(exp.to_identifier(alias, quoted=True))} AS (\n"
        body = write(piece.tree, pretty=True)
        parts.append(Part(relation.name, piece.step, len(text), len(text) + len(body)))
        text += f"{body}\n)"
    text += "\n" if text else ""
    body, behind = write(final, pretty=True), ""
    if text and final.find(exp.With):  # a dialect may move it to the front, where one stands already
        text, behind = f"{text}SELECT * FROM (\n", f"\n) AS {write(exp.to_identifier('result', quoted=True))}"
    parts.append(Part(end.relation, end.step, len(text), len(text) + len(body)))
    return Statement(text + body + behind, tuple(parts))


def visible(plan: Plan, name: str) -> exp.Select:
    """A SELECT of the declared columns of a ready relation, in order, without hidden ones."""
    names = [item.name for item in plan.checked.columns[name] if not item.name.startswith(HIDDEN)]
    return exp.select(*(column(found) for found in names)).from_(relation_table(name))
