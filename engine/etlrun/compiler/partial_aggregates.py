"""Splits an aggregate in two: partial aggregates over some of the rows, and the final ones over the partial ones.

An aggregate that is not in `AGGREGATES`, such as a sum of doubles or a percentile, would show how the rows were divided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from sqlglot import exp

from etlrun.compiler.plan import Piece
from etlrun.contracts.relation import named, relation_table
from etlrun.language.columns import DOUBLE, NULL, Columns, Type, decimal
from etlrun.language.copies import copied
from etlrun.language.expressions import call, cast, column, literal, type_of
from etlrun.language.functions import FUNCTIONS
from etlrun.language.grouping import inner_of
from etlrun.language.queries import check_query
from etlrun.language.spans import SPAN
from etlrun.language.typed import has_aggregate
from etlrun.spec.scope import HIDDEN

KEY, CELL = f"{HIDDEN}key_", f"{HIDDEN}cell_"  # names of columns of partial rows


class NotByFile(Exception):
    """The reason why rows cannot be aggregated file by file."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Halves:
    """How an aggregate is split: partial aggregates of its arguments, and the final value of their results.

    `combined` makes the partial aggregates of several files from those of each; without it, `partial` does.
    """

    partial: Callable[..., tuple[exp.Expr, ...]]
    final: Callable[..., exp.Expr]
    takes: Callable[[Type], bool] = lambda kind: True  # by the type of the first argument
    combined: Callable[..., tuple[exp.Expr, ...]] | None = None


def _is_exact(kind: Type) -> bool:
    return kind.is_integer or kind.name == "decimal"


def _again(name: str) -> Halves:
    """An aggregate whose partial results are combined by the same aggregate, such as `max`."""
    return Halves(lambda *given: (call(name, *given),), lambda cell: call(name, cell))


def _counted(name: str) -> Halves:
    return Halves(
        lambda *given: (call(name, *given),),
        lambda cell: call("coalesce", call("sum", cell), literal(0)),
        combined=_summed,
    )


def _picked(name: str, best: str) -> Halves:
    return Halves(
        lambda value, by: (call(name, value, by), call(best, copied(by))), lambda value, by: call(name, value, by)
    )


def _summed(*cells: exp.Expr) -> tuple[exp.Expr, ...]:
    return tuple(call("sum", cell) for cell in cells)


def _exact(of: exp.Expr) -> exp.Expr:
    """The value in a type whose sum does not overflow."""
    return cast(of, decimal(28, 0)) if type_of(of).is_integer else of


def _mean(total: exp.Expr, count: exp.Expr) -> exp.Expr:
    return exp.Div(this=cast(call("sum", total), DOUBLE), expression=call("nullif", call("sum", count), literal(0)))


AGGREGATES: dict[str, Halves] = {
    "sum": Halves(lambda of: (call("sum", of),), lambda cell: call("sum", cell), _is_exact),
    "count": _counted("count"),
    "count_if": _counted("count_if"),
    "avg": Halves(lambda of: (call("sum", _exact(of)), call("count", copied(of))), _mean, _is_exact, _summed),
    "min_by": _picked("min_by", "min"),
    "max_by": _picked("max_by", "max"),
    **{name: _again(name) for name in ("min", "max", "bool_and", "bool_or", "bit_and", "bit_or", "bit_xor")},
}


@dataclass
class _Cells:
    """The columns of partial rows: the keys of groups, and partial aggregates."""

    keys: tuple[exp.Expr, ...]
    cells: dict[str, tuple[exp.Expr, str]] = field(default_factory=dict)  # by the text of the aggregate
    combined: dict[str, exp.Expr] = field(default_factory=dict)  # by the name of the cell

    def columns(self) -> Iterator[exp.Expr]:
        for index, key in enumerate(self.keys):
            yield named(copied(key), f"{KEY}{index}")
        for tree, name in self.cells.values():
            yield named(tree, name)

    def combined_columns(self, columns: Columns) -> Iterator[exp.Expr]:
        """The same columns over the partial rows of several files, which have the columns `columns`."""
        for item in columns:
            value = self.combined.get(item.name, column(item.name))
            yield named(cast(value, item.type) if item.type.name == "decimal" else value, item.name)

    def final(self, tree: exp.Expr) -> exp.Expr:
        """The value of `tree` as an expression over partial rows. Raises NotByFile."""
        key = next((index for index, each in enumerate(self.keys) if each == tree), None)
        if key is not None:
            return column(f"{KEY}{key}")
        if _is_aggregate(tree):
            return self._merged(tree)
        if isinstance(tree, (exp.Window, exp.Filter, exp.Query, exp.Column)):
            raise NotByFile(f"`{tree.sql('spark')}` is not an aggregate of an expression")
        changed = copied(tree)
        for child, again in zip(list(tree.iter_expressions()), list(changed.iter_expressions()), strict=True):
            again.replace(self.final(child))
        return changed

    def _merged(self, tree: exp.Expr) -> exp.Expr:
        name = FUNCTIONS[tree.name.lower()].name
        given = tree.expressions
        halves = AGGREGATES.get(name)
        if halves is None or isinstance(given[0], exp.Distinct):
            distinct = "(distinct ...)" if isinstance(given[0], exp.Distinct) else ""
            raise NotByFile(f"`{name}{distinct}` of all rows does not follow from its values in each file")
        if not (isinstance(given[0], exp.Star) or halves.takes(type_of(given[0]))):
            raise NotByFile(f"the last digits of `{name}` of {type_of(given[0])} depend on the order of rows")
        cells = [self._cell(part) for part in halves.partial(*map(copied, given))]
        again = (halves.combined or halves.partial)(*map(copied, cells))
        self.combined |= {cell.name: each for cell, each in zip(cells, again, strict=True)}
        merged = halves.final(*cells)
        merged.meta.update({SPAN: tree.meta[SPAN]} if SPAN in tree.meta else {})
        return cast(merged, type_of(tree)) if type_of(tree).name == "decimal" else merged  # a sum of sums is wider

    def _cell(self, tree: exp.Expr) -> exp.Column:
        _, name = self.cells.setdefault(tree.sql("spark"), (tree, f"{CELL}{len(self.cells)}"))
        return column(name)


def split_aggregate(piece: Piece, given: Piece, source: str) -> tuple[Piece, Piece, exp.Query]:
    """The partial and the final aggregate of a piece that reads `given`, and the partial rows of several files as those of one.

    The last two read the partial rows as `source`. Raises NotByFile.
    """
    tree = piece.tree
    group, having = tree.args.get("group"), tree.args.get("having")
    if group is not None and any(value for name, value in group.args.items() if name != "expressions"):
        raise NotByFile("the groups of an aggregate overlap")
    found = _Cells(tuple(group.expressions) if group is not None else ())
    outputs = [
        named(found.final(inner_of(item)), name)
        for item, name in zip(tree.expressions, tree.named_selects, strict=True)
    ]
    final = _grouped(outputs, source, piece)
    if having is not None:
        final = final.having(found.final(having.this), copy=False)
    partial = copied(tree)
    partial.set("having", None)
    partial.set("expressions", list(found.columns()))
    typed, columns = check_query(partial, {given.name: given.columns})
    if any(each.type == NULL for each in columns):
        raise NotByFile("a column is null in every row")
    merged, made = check_query(final, {source: columns})
    assert [each.type for each in made] == [each.type for each in piece.columns], f"{made} is not {piece.columns}"
    combined, again = check_query(_grouped(found.combined_columns(columns), source, piece), {source: columns})
    assert [each.type for each in again] == [each.type for each in columns], f"{again} is not {columns}"
    return Piece(source, piece.step, typed, columns), replace(piece, tree=merged), combined


def _grouped(outputs: Iterable[exp.Expr], source: str, piece: Piece) -> exp.Select:
    """The query for `outputs` over the partial rows `source`, grouped as `piece` groups its rows."""
    found = exp.select(*outputs).from_(relation_table(source))
    group = piece.tree.args.get("group")
    if group is None:
        return found
    return found.group_by(*(column(f"{KEY}{index}") for index in range(len(group.expressions))), copy=False)


def _is_aggregate(tree: exp.Expr) -> bool:
    return isinstance(tree, exp.Anonymous) and has_aggregate(tree) and not any(map(has_aggregate, tree.expressions))
