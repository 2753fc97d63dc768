"""Aggregation by file: the steps up to the first aggregate of a chain are computed separately for each file of a source.

```text
views -> watched -> profile: sum(seconds) by contract      becomes
views, per file -> watched -> sum(seconds) as cell_0 by contract
all of these    -> profile: sum(cell_0) by contract
```

The rows of a file that has not changed are then aggregated once, not in every run. A chain is split only if the result is the same
for any division of the rows: see `AGGREGATES`. Otherwise `NotByFile` says why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from sqlglot import exp

from etlrun.compiler.found_labels import open_pivots
from etlrun.compiler.partial_aggregates import NotByFile, split_aggregate
from etlrun.compiler.plan import DIALECTS, Piece, Plan, Relation
from etlrun.compiler.read_columns import needed_relations
from etlrun.language.grouping import is_grouped_query
from etlrun.language.queries import tables_in
from etlrun.language.typed import has_window
from etlrun.reading.source import TextSource

NOT_BY_ROW = ("distinct", "limit", "offset", "order", "qualify", "windows", "with_")  # clauses of a SELECT


@dataclass(frozen=True)
class FileAggregation:
    """What is computed for each file of `source`: the relation `partial`. `final` is computed from it; `inside` are the relations between them.

    `combined` reads the partial rows of several files as `source`, and returns those that all of these files together would have.
    """

    source: Relation
    partial: Relation
    final: Relation
    combined: exp.Query
    inside: tuple[str, ...] = ()

    @cached_property
    def sql(self) -> str:
        """The statement of `partial` for DuckDB."""
        tree = self.partial.tree
        assert tree is not None
        return DIALECTS["duckdb"](tree)

    @property
    def combined_sql(self) -> str:
        """The statement `combined` for DuckDB."""
        return DIALECTS["duckdb"](self.combined)

    def applied(self, plan: Plan) -> Plan:
        """The plan in which the source contains the rows of `partial`."""
        changed = {self.source.name: replace(self.source, columns=self.partial.columns), self.final.name: self.final}
        relations = (changed.get(each.name, each) for each in plan.relations if each.name not in self.inside)
        return replace(plan, relations=tuple(relations))


def find_file_aggregations(
    plan: Plan, staged: Sequence[str], *, is_checked: bool
) -> dict[str, FileAggregation | NotByFile]:
    """For each text source: its aggregation in a run that computes the relations `staged`, or the reason why it has none."""
    needed = needed_relations(plan, staged, is_checked=is_checked)
    whole = {name.lower() for name in (*staged, *(_checked(plan) if is_checked else ()))}
    found: dict[str, FileAggregation | NotByFile] = {}
    for source in needed:
        if source.source is None or not isinstance(source.source.value, TextSource):
            continue
        try:
            found[source.name] = _follow(plan, source, needed, whole)
        except NotByFile as reason:
            found[source.name] = reason
    return found


def _checked(plan: Plan) -> Iterator[str]:
    """The relations whose rows checks read, without those whose sum is a hidden column."""
    carried = {(each.chain, each.check) for each in plan.carried}
    for name, uses in plan.checked.pipeline.checks.items():
        for position, use in enumerate(uses):
            yield use.value.of_relation() or name
            if (name, position) not in carried:
                yield from (other for other, _ in use.value.reads())


def _follow(plan: Plan, source: Relation, needed: Sequence[Relation], whole: Collection[str]) -> FileAggregation:
    """Follow the rows of a source to the first aggregate. Raises NotByFile."""
    if any(pivot.source.found is None for pivot in open_pivots(plan.checked)):
        raise NotByFile("a pivot takes its labels from the data")
    current, pieces, inside = source, list[Piece](), list[str]()
    while True:
        reader = _only_reader(current, needed, whole)
        for index, piece in enumerate(reader.pieces):
            given = pieces[-1] if pieces else Piece(source.name, 0, exp.select("*"), source.columns)
            _refuse_clauses(piece.tree, given.name, reader.name)
            if isinstance(piece.tree, exp.Select) and is_grouped_query(piece.tree):
                after = reader.pieces[index + 1 :]
                if any(name == current.name for each in after for name, _ in tables_in(each.tree)):
                    raise NotByFile(f"`{reader.name}` reads `{current.name}` again after it has aggregated its rows")
                partial, final, combined = split_aggregate(piece, given, source.name)
                first = Relation(source.name, partial.columns, pieces=(*pieces, partial), reads=(source.name,))
                rest = replace(reader, pieces=(final, *after), reads=(source.name,))
                return FileAggregation(source, first, rest, combined, tuple(inside))
            name = reader.name if index == len(reader.pieces) - 1 else piece.name
            pieces.append(replace(piece, name=name))
        inside.append(reader.name)
        current = reader


def _only_reader(current: Relation, needed: Sequence[Relation], whole: Collection[str]) -> Relation:
    """The only relation that reads `current`, and nothing else. Raises NotByFile."""
    if current.name.lower() in whole:
        raise NotByFile(f"`{current.name}` is published or checked")
    readers = [each for each in needed if current.name in each.reads]
    if len(readers) != 1:
        names = ", ".join(f"`{each.name}`" for each in readers)
        raise NotByFile(f"{names} read `{current.name}`" if readers else f"nothing reads `{current.name}`")
    (reader,) = readers
    if not reader.pieces:
        raise NotByFile(f"`{reader.name}` is not computed by SQL")
    if len(reader.reads) > 1:
        raise NotByFile(f"`{reader.name}` also reads other relations")
    return reader


def _refuse_clauses(tree: exp.Query, given: str, chain: str) -> None:
    """Raises NotByFile if a row of a query, before GROUP BY, depends on anything except one row of `given`."""
    if not isinstance(tree, exp.Select) or [name for name, _ in tables_in(tree)] != [given]:
        raise NotByFile(f"a step of `{chain}` reads rows more than once before they are aggregated")
    from_ = tree.args.get("from_")
    sides = {join.side for join in tree.args.get("joins") or ()}
    is_by_row = from_ is not None and isinstance(from_.this, exp.Table) and sides <= {"", "LEFT"}
    if not is_by_row or any(tree.args.get(clause) for clause in NOT_BY_ROW) or any(map(has_window, tree.expressions)):
        raise NotByFile(f"a step of `{chain}` looks at several rows before they are aggregated")
