"""A step of a view in the SQL of a server, with the same meaning as in the plan; other steps are rejected.

The grammar is closed, as that of conditions is: tables joined and united, rows filtered by such conditions, columns chosen and renamed,
constants, `case` and `coalesce` of values of one type, `count`, `sum`, `min` and `max` of groups, and the number of a row in its group. Texts are
compared, grouped and ordered byte by byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from etlrun.language.columns import BOOLEAN, INTEGERS, STRING, Columns, Type
from etlrun.language.expressions import type_of
from etlrun.warehouse.conditions import ConditionWriter, only, refused

_GROUPED = ("decimal", "date", "timestamp", *INTEGERS)  # types whose equal values every server takes for equal
_AGGREGATES = ("count", "sum", "min", "max")
_JOINS = {"": "JOIN", "INNER": "JOIN", "LEFT": "LEFT JOIN", "LEFT OUTER": "LEFT JOIN"}


@dataclass(frozen=True)
class QueryWords:
    """How a server writes values; `{}` is replaced by their parts."""

    text_column: str  # of a table of any character set, compared by bytes
    text: str  # a constant
    cast: Callable[[str, Type], str]  # a number or a null, of a type
    computes_booleans: bool  # whether a condition is a value of the type boolean
    refuses_long_sums: bool  # whether a sum that is no bigint any more ends the statement


@dataclass(frozen=True)
class ServerQueries:
    """Writes checked queries for a server."""

    conditions: ConditionWriter
    words: QueryWords

    def name(self, text: str) -> str:
        return self.conditions.words.name(text)

    def table(self, table: str, columns: Columns) -> str:
        rows = ".".join(map(self.name, table.split(".")))
        shown = (
            f"{(self.words.text_column if item.type == STRING else '{}').format(self.name(item.name))} AS {self.name(item.name)}"
            for item in columns
        )
        return f"SELECT {', '.join(shown)} FROM {rows}"

    def query(self, tree: exp.Query) -> str:
        if isinstance(tree, exp.Union):
            only(tree, "this", "expression")
            return f"{self.query(tree.this)} UNION ALL {self.query(tree.expression)}"
        if not isinstance(tree, exp.Select):
            raise refused(tree)
        only(tree, "expressions", "from_", "joins", "where", "group")
        tree = _qualified(tree)
        keys = self._keys(tree)
        shown = ", ".join(
            f"{self._value(item.unalias(), keys)} AS {self.name(item.alias_or_name)}" for item in tree.expressions
        )
        parts = [
            f"SELECT {shown} FROM {self._table(tree.args['from_'].this)}",
            *map(self._join, tree.args.get("joins") or ()),
        ]
        where = tree.args.get("where")
        if where is not None:
            parts.append(f"WHERE {self.conditions.write(where.this)}")
        if keys:
            parts.append(f"GROUP BY {', '.join(self._key(key) for key in keys)}")
        return " ".join(parts)

    def _table(self, node: exp.Expr) -> str:
        if isinstance(node, exp.Subquery):
            only(node, "this", "alias")
            return f"({self.query(node.this)}) AS {self.name(node.alias)}"
        if not isinstance(node, exp.Table):
            raise refused(node)
        only(node, "this", "alias")
        return f"{self.name(node.name)} AS {self.name(node.alias_or_name)}"

    def _join(self, node: exp.Join) -> str:
        only(node, "this", "side", "kind", "on")
        word = _JOINS.get(f"{node.side} {node.kind}".strip().upper())
        if word is None or not node.args.get("on"):
            raise refused(node)
        return f"{word} {self._table(node.this)} ON {self.conditions.write(node.args['on'])}"

    def _keys(self, tree: exp.Select) -> tuple[exp.Expr, ...]:
        group = tree.args.get("group")
        if group is None:
            return ()
        only(group, "expressions")
        return tuple(group.expressions)

    def _key(self, key: exp.Expr) -> str:
        if not isinstance(key, exp.Column):
            raise refused(key)
        if type_of(key) == STRING:
            return self.conditions.words.by_bytes.format(self._column(key))
        if type_of(key).name not in _GROUPED:
            raise refused(key)
        return self._column(key)

    def _value(self, node: exp.Expr, keys: tuple[exp.Expr, ...] = ()) -> str:
        node = node.unnest()
        if keys and not isinstance(node, exp.Column) and any(map(_is_text_of_group, node.find_all(exp.Column))):
            raise refused(node)
        written = self._plain(node, keys)
        is_computed = isinstance(node, (exp.Case, exp.Anonymous)) and type_of(node).name == "decimal"
        return self.words.cast(written, type_of(node)) if is_computed else written  # it may have lost its digits

    def _plain(self, node: exp.Expr, keys: tuple[exp.Expr, ...]) -> str:
        if isinstance(node, exp.Column):
            # All texts of a group are equal byte by byte, which the server does not see.
            return f"MIN({self._column(node)})" if keys and type_of(node) == STRING else self._column(node)
        if isinstance(node, exp.Null):
            return self.words.cast("NULL", type_of(node))
        if isinstance(node, exp.Case):
            return self._case(node)
        if isinstance(node, exp.Window):
            return self._row_number(node)
        if isinstance(node, exp.Anonymous):
            return self._call(node)
        if type_of(node) == BOOLEAN and self.words.computes_booleans:
            return self.conditions.write(node)
        return self._constant(node)

    def _constant(self, node: exp.Expr) -> str:
        kind = type_of(node)
        if kind == STRING and isinstance(node, exp.Literal):
            return self.words.text.format(self.conditions.text(str(node.this)))
        if kind.name in ("date", "timestamp"):
            return self.conditions.date(node) if kind.name == "date" else self.conditions.timestamp(node)
        if kind.is_integer or kind.name == "decimal":
            return self.words.cast(self.conditions.exact(node), kind)
        raise refused(node)

    def _case(self, node: exp.Case) -> str:
        only(node, "ifs", "default")
        values = [*(each.args["true"] for each in node.args["ifs"]), *filter(None, [node.args.get("default")])]
        cases = " ".join(
            f"WHEN {self.conditions.write(each.this)} THEN {self._one_of(node, each.args['true'])}"
            for each in node.args["ifs"]
        )
        default = f" ELSE {self._one_of(node, values[-1])}" if node.args.get("default") else ""
        return f"CASE {cases}{default} END"

    def _one_of(self, whole: exp.Expr, value: exp.Expr) -> str:
        """One of the values of an expression: of the type of the `whole`, or null."""
        if isinstance(value.unnest(), exp.Null):
            return "NULL"
        if type_of(value) != type_of(whole):
            raise refused(whole)
        return self._value(value)

    def _call(self, node: exp.Anonymous) -> str:
        only(node, "this", "expressions")
        word, arguments = str(node.this).lower(), node.expressions
        if word == "coalesce":
            return f"COALESCE({', '.join(self._one_of(node, argument) for argument in arguments)})"
        if len(arguments) != 1:
            raise refused(node)
        (argument,) = arguments
        if word == "count" and isinstance(argument, exp.Star):
            return "COUNT(*)"
        if not isinstance(argument, (exp.Column, exp.Case)):
            raise refused(node)
        kind, value = type_of(argument), self._value(argument)
        if word == "count":
            return f"COUNT({value})"
        if word in ("min", "max") and kind.name in _GROUPED:
            return f"{word.upper()}({value})"
        is_long = kind.name == "bigint" and not self.words.refuses_long_sums
        if word == "sum" and (kind.is_integer or kind.name == "decimal") and not is_long:
            return self.words.cast(f"SUM({value})", type_of(node))
        raise refused(node)

    def _row_number(self, node: exp.Window) -> str:
        only(node, "this", "partition_by", "order")
        if str(getattr(node.this, "this", "")).lower() != "row_number" or not node.args.get("order"):
            raise refused(node)
        groups = ", ".join(self._key(key) for key in node.args.get("partition_by") or ())
        order = ", ".join(self._ordered(each) for each in node.args["order"].expressions)
        return f"ROW_NUMBER() OVER ({f'PARTITION BY {groups} ' if groups else ''}ORDER BY {order})"

    def _ordered(self, node: exp.Ordered) -> str:
        """A column to order by, its nulls where the pipeline has them: servers differ in that."""
        only(node, "this", "desc", "nulls_first")
        column = self._key(node.this)
        first = "DESC" if node.args.get("nulls_first") else "ASC"
        return (
            f"({column} {self.conditions.words.is_null}) {first}, {column} {'DESC' if node.args.get('desc') else 'ASC'}"
        )

    def _column(self, node: exp.Column) -> str:
        return self.conditions.column(node)


def _is_text_of_group(column: exp.Column) -> bool:
    """Whether a text is read outside an aggregate: rows are grouped by its bytes, so the server does not know that it has one value."""
    calls = (str(call.this).lower() for call in _around(column) if isinstance(call, exp.Anonymous))
    return type_of(column) == STRING and not any(call in _AGGREGATES for call in calls)


def _around(node: exp.Expr) -> Iterator[exp.Expr]:
    while node.parent is not None:
        node = node.parent
        yield node


def _qualified(tree: exp.Select) -> exp.Select:
    """A SELECT whose columns name their table, where it reads only one: a server takes a bare name in GROUP BY for that of a value."""
    tables = [tree.args["from_"].this, *(join.this for join in tree.args.get("joins") or ())]
    copied = tree.copy()
    own = (column for column in copied.find_all(exp.Column) if column.parent_select is copied)
    for column in own if len(tables) == 1 else ():
        column.set("table", exp.to_identifier(tables[0].alias_or_name, quoted=True))
    return copied
