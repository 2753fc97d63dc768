"""The column lineage of every relation of a plan, from the sources through SQL, functions and models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlglot import exp

from etlrun.compiler.plan import Piece, Plan, Relation
from etlrun.contracts.step import Apply, Ask, ReadTexts
from etlrun.language.influence import (
    Lineage,
    RelationLineage,
    beginning,
    decided,
    made,
    together,
)
from etlrun.language.query_lineage import query_lineage
from etlrun.spec.scope import HIDDEN

Known = Mapping[str, RelationLineage]


def plan_lineage(plan: Plan, given: Known) -> dict[str, RelationLineage]:
    """The lineage of every relation of a pipeline by name; `given` is the lineage of sources that another pipeline publishes."""
    return {name: _without_hidden(lineage) for name, lineage in lineages_with_hidden(plan, given).items()}


def lineages_with_hidden(plan: Plan, given: Known) -> dict[str, RelationLineage]:
    """The result of `plan_lineage`, with the hidden columns of relations."""
    known: dict[str, RelationLineage] = {}
    for relation in plan.relations:
        known[relation.name] = given.get(relation.name) or relation_lineage(plan, relation, known)
    return known


def relation_lineage(plan: Plan, relation: Relation, known: Known) -> RelationLineage:
    """The lineage of one relation, computed from the lineage of the relations that it reads."""
    if relation.source is not None:
        return beginning(plan.checked.pipeline.name, relation.name, relation.columns.names)
    if isinstance(relation.apply, ReadTexts):
        return _of_texts(relation.apply, known[relation.reads[0]])
    if relation.apply is not None:
        return _of_function(relation.apply, known[relation.reads[0]])
    if relation.ask is not None:
        return _of_answers(relation.ask, known[relation.reads[0]])
    return _of_pieces(plan, relation, known)


def _of_function(apply: Apply, given: RelationLineage) -> RelationLineage:
    """A function is not analysed: each of its columns and all of its rows may depend on every column that it gets."""
    file = Lineage(files=frozenset((f"{apply.function.partition(':')[0].replace('.', '/')}.py",)))
    every = together((*given.columns.values(), file))
    column = made(every, "python")
    return RelationLineage(
        {item.name: column for item in apply.columns}, together((given.rows, decided(every, "filter")))
    )


def _of_texts(parse: ReadTexts, given: RelationLineage) -> RelationLineage:
    """New columns come from the texts; the others are unchanged. If broken rows are dropped, the texts decide which rows remain."""
    text = given.column(parse.column)
    assert text is not None
    new = made(text, "transformation")
    columns = {item.name: given.column(item.name) or new for item in parse.columns}
    rows = together((given.rows, decided(text, "filter"))) if parse.bad_rows == "drop" else given.rows
    return RelationLineage(columns, rows)


def _of_answers(ask: Ask, given: RelationLineage) -> RelationLineage:
    """The answers of models come from the key and a prompt; the key itself is unchanged."""
    asked = given.column(ask.key)
    assert asked is not None
    prompt = Lineage(files=frozenset((f"prompts/{ask.prompt}.md",)))
    answer = together((made(asked, "model"), prompt))
    return RelationLineage({item.name: asked if item.name == "key" else answer for item in ask.answers}, given.rows)


def _of_pieces(plan: Plan, relation: Relation, known: Known) -> RelationLineage:
    *_, (_, last) = piece_lineages(plan, relation, known)
    return last


def piece_lineages(plan: Plan, relation: Relation, known: Known) -> Iterator[tuple[Piece, RelationLineage]]:
    """The lineage of the pieces of a statement, in order. A step that keeps all rows does not decide about rows."""
    chain = plan.checked.pipeline.chains[relation.name.split(".")[0]]
    relations = {name.lower(): lineage for name, lineage in known.items()}
    for piece in relation.pieces:
        result = query_lineage(piece.tree, relations)
        if chain[piece.step].value.keeps_rows:
            result = RelationLineage(result.columns, _rows_read(piece.tree, relations))
        relations[piece.name.lower()] = result
        yield piece, result


def _rows_read(tree: exp.Query, relations: Known) -> Lineage:
    node: exp.Expr = tree
    while not isinstance(node, exp.Table):
        node = node.this if isinstance(node, exp.Subquery) else node.args["from_"].this
    return relations[node.name.lower()].rows


def _without_hidden(lineage: RelationLineage) -> RelationLineage:
    shown = {name: found for name, found in lineage.columns.items() if not name.startswith(HIDDEN)}
    return RelationLineage(shown, lineage.rows)
