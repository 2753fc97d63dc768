"""Finds the lineage of a query: of every column of its result, and of its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from etlrun.language.expression_lineage import expression_lineage
from etlrun.language.influence import NOTHING, Indirect, Lineage, RelationLineage, decided, made, together

Relations = Mapping[str, RelationLineage]  # by name in lower case
ROWS_OF_ONE_SIDE = ("SEMI", "ANTI")


def query_lineage(
    query: exp.Expr, relations: Relations, outer: Callable[[exp.Column], Lineage] | None = None
) -> RelationLineage:
    """The lineage of a checked query over `relations`; `outer` gives the lineage of columns of an outer query."""
    if isinstance(query, exp.Subquery):
        return _subquery(query, relations, outer)
    relations = _with_ctes(query, relations, outer)
    if isinstance(query, exp.SetOperation):
        return _set_operation(query, relations, outer)
    assert isinstance(query, exp.Select), f"the grammar holds no {type(query).__name__}"
    return _Select(query, relations, outer).lineage()


def _subquery(
    query: exp.Subquery, relations: Relations, outer: Callable[[exp.Column], Lineage] | None
) -> RelationLineage:
    found = query_lineage(query.this, relations, outer)
    return _named_by(query.args.get("alias"), found)


def _named_by(alias: exp.Expr | None, found: RelationLineage) -> RelationLineage:
    names = [item.name for item in alias.args.get("columns") or ()] if alias is not None else []
    return found.renamed(names) if names else found


def _with_ctes(
    query: exp.Expr, relations: Relations, outer: Callable[[exp.Column], Lineage] | None
) -> dict[str, RelationLineage]:
    known = dict(relations)
    with_ = query.args.get("with_")
    for cte in with_.expressions if with_ is not None else ():
        known[cte.alias.lower()] = _named_by(cte.args.get("alias"), query_lineage(cte.this, known, outer))
    return known


def _set_operation(
    query: exp.SetOperation, relations: Relations, outer: Callable[[exp.Column], Lineage] | None
) -> RelationLineage:
    """In UNION each column comes from both sides; in EXCEPT and INTERSECT the values come from the left, and the right decides which rows stay."""
    left, right = (query_lineage(side, relations, outer) for side in (query.this, query.expression))
    sides = (together(left.columns.values()), together(right.columns.values()))
    columns = dict(left.columns)
    rows = [left.rows, right.rows]
    if isinstance(query, exp.Union):
        pairs = zip(left.columns.items(), right.columns.values(), strict=True)
        columns = {name: together((one, other)) for (name, one), other in pairs}
        rows += [decided(side, "group by") for side in sides if query.args.get("distinct")]
    else:
        rows += [decided(side, "filter") for side in sides]
    result = RelationLineage(columns, together(rows))
    order = query.args.get("order")
    if order is None:
        return result
    sorting = [result.column(item.this.name) or NOTHING for item in order.expressions]
    return RelationLineage(columns, together((result.rows, decided(together(sorting), "sort"))))


@dataclass
class _Select:
    """The lineage of one SELECT: its input relations by alias, and the lineage of their columns."""

    query: exp.Select
    relations: Relations
    outer: Callable[[exp.Column], Lineage] | None
    seen: list[tuple[str, RelationLineage]] = field(default_factory=list)
    outputs: dict[str, Lineage] = field(default_factory=dict)

    def lineage(self) -> RelationLineage:
        rows = list(self.see())
        for item in self.query.expressions:
            self.outputs[item.alias_or_name] = expression_lineage(item, self)
        rows += [self.rows_by(name, how) for name, how in _CLAUSES]
        if self.query.args.get("distinct"):
            rows.append(decided(together(self.outputs.values()), "group by"))
        return RelationLineage(self.outputs, together(rows))

    def see(self) -> Iterable[Lineage]:
        """Read FROM and every JOIN; returns their influence on the rows."""
        from_ = self.query.args.get("from_")
        if from_ is None:
            return
        self.seen.append(self.relation(from_.this))
        yield self.seen[0][1].rows
        for join in self.query.args.get("joins") or ():
            self.seen.append(self.relation(join.this))
            yield self.seen[-1][1].rows
            using = [exp.column(item.copy()) for item in join.args.get("using") or ()]
            conditions = [join.args["on"]] if join.args.get("on") is not None else using
            yield decided(together(expression_lineage(item, self) for item in conditions), "join")
            if join.kind.upper() in ROWS_OF_ONE_SIDE:
                self.seen.pop()

    def relation(self, node: exp.Expr) -> tuple[str, RelationLineage]:
        if isinstance(node, exp.Unnest):
            return self.elements(node)
        if isinstance(node, exp.Subquery):
            return node.alias.lower(), _subquery(node, self.relations, self.outer)
        return node.alias_or_name.lower(), self.relations[node.name.lower()]

    def elements(self, node: exp.Unnest) -> tuple[str, RelationLineage]:
        """The elements of an array and their positions. The length of the array decides about the rows."""
        array = made(expression_lineage(node.expressions[0], self), "transformation")
        element, position = node.args["alias"].columns[0].name, node.args["offset"].name
        rows = decided(array, "join")
        return node.alias.lower(), RelationLineage({element: array, position: rows}, rows)

    def rows_by(self, clause: str, how: Indirect) -> Lineage:
        node = self.query.args.get(clause)
        if node is None:
            return NOTHING
        parts = node.expressions if clause in ("group", "order") else [node.this]
        return decided(together(expression_lineage(part, self) for part in parts), how)

    def column(self, node: exp.Column) -> Lineage:
        """The lineage of a column of the input. Without an alias it may be several columns that USING has merged."""
        alias = node.table.lower()
        found = [
            lineage
            for name, relation in self.seen
            if alias in ("", name) and (lineage := relation.column(node.name)) is not None
        ]
        if found:
            return together(found)
        if not alias and node.name in self.outputs:
            return self.outputs[node.name]
        assert self.outer is not None, f"{node.sql()} was read without being checked"
        return self.outer(node)

    def subquery(self, node: exp.Query) -> Lineage:
        """The lineage of a subquery in an expression, and of the rows that it uses."""
        found = query_lineage(node, self.relations, self.column)
        return together((*found.columns.values(), found.rows))


_CLAUSES: tuple[tuple[str, Indirect], ...] = (
    ("where", "filter"),
    ("group", "group by"),
    ("having", "filter"),
    ("order", "sort"),
)
