"""An evaluator of the DAX that dashboards write: 16 functions, BLANK as Power BI has it, and text compared without case.

It stands in for an engine that nobody can run here. What it does not know it refuses. Filters are rows: a measure is evaluated over the
rows that are selected. Text is folded as VertiPaq folds it: without case, and without blanks at its end; the spelling that is loaded
first is shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

BLANK = None
Row = Mapping[str, Any]
TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"]|"")*")|(?P<table>'(?:[^']|'')*')|(?P<name>\[(?:[^\]]|\]\])*\])"""
    r"""|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<word>[A-Za-z]\w*)|(?P<sign>==|<>|<=|>=|&&|\|\||[-+*/&<>=(),]))"""
)
LEVELS = (("||",), ("&&",), ("NOT",), ("==", "<>", "<=", ">=", "<", ">", "="), ("&",), ("+", "-"), ("*", "/"))


@dataclass(frozen=True)
class Node:
    kind: str
    value: Any = None
    parts: tuple[Any, ...] = ()


class Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        place = 0
        while place < len(text.rstrip()):
            found = TOKEN.match(text, place)
            assert found, f"no DAX: {text[place : place + 30]!r}"
            self.tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            place = found.end()
        self.tokens.append(("end", ""))

    def whole(self) -> Node:
        found = self.variables()
        assert self.tokens[0][0] == "end", self.tokens[:4]
        return found

    def take(self, *expected: str) -> str:
        assert not expected or self.tokens[0][1] in expected, (expected, self.tokens[:4])
        return self.tokens.pop(0)[1]

    def variables(self) -> Node:
        if self.tokens[0] != ("word", "VAR"):
            return self.level(0)
        self.take("VAR")
        name = self.take()
        self.take("=")
        value = self.level(0)
        if self.tokens[0] == ("word", "RETURN"):
            self.take("RETURN")
            return Node("let", name, (value, self.level(0)))
        return Node("let", name, (value, self.variables()))

    def level(self, number: int) -> Node:
        if number == len(LEVELS):
            return self.primary()
        if "NOT" in LEVELS[number]:
            if self.tokens[0] == ("word", "NOT"):
                self.take()
                return Node("call", "NOT", (self.level(number),))
            return self.level(number + 1)
        found = self.level(number + 1)
        while self.tokens[0][0] == "sign" and self.tokens[0][1] in LEVELS[number]:
            sign = self.take()
            found = Node("sign", sign, (found, self.level(number + 1)))
        return found

    def primary(self) -> Node:
        kind, text = self.tokens.pop(0)
        if kind == "text":
            return Node("constant", text[1:-1].replace('""', '"'))
        if kind == "number":
            return Node("constant", float(text) if re.search(r"[.eE]", text) else int(text))
        if kind == "table":
            table = text[1:-1].replace("''", "'")
            if self.tokens[0][0] == "name":
                return Node("column", self.take()[1:-1].replace("]]", "]"))
            return Node("table", table)
        if kind == "name":
            return Node("measure", text[1:-1].replace("]]", "]"))
        if (kind, text) == ("sign", "-"):
            return Node("sign", "-", (Node("constant", 0), self.primary()))
        if (kind, text) == ("sign", "("):
            found = self.level(0)
            self.take(")")
            return found
        assert kind == "word", (kind, text)
        if self.tokens[0] != ("sign", "("):
            return Node("variable", text)
        self.take("(")
        parts: list[Any] = []
        while self.tokens[0] != ("sign", ")"):
            parts.append(Node("word", self.take()) if self.tokens[0][1] in ("DESC", "ASC") else self.level(0))
            if self.tokens[0] == ("sign", ","):
                self.take(",")
        self.take(")")
        return Node("call", text, tuple(parts))


@dataclass(frozen=True)
class Scope:
    """The rows that are selected, the row at hand with its own columns, and the variables."""

    rows: Sequence[Row]
    row: Row | None = None
    variables: Mapping[str, Any] = None  # type: ignore[assignment]


class Model:
    """Measures by name, evaluated over rows."""

    def __init__(self, table: str, measures: Mapping[str, str]) -> None:
        self.table = table
        self.measures = {name: Parser(text).whole() for name, text in measures.items()}

    def value(self, name: str, rows: Sequence[Row]) -> Any:
        return self.read(self.measures[name], Scope(rows, None, {}))

    def read(self, node: Node, scope: Scope) -> Any:
        return getattr(self, f"_{node.kind}")(node, scope)

    def _constant(self, node: Node, scope: Scope) -> Any:
        return node.value

    def _variable(self, node: Node, scope: Scope) -> Any:
        return scope.variables[node.value]

    def _let(self, node: Node, scope: Scope) -> Any:
        value = self.read(node.parts[0], scope)
        return self.read(node.parts[1], Scope(scope.rows, scope.row, {**scope.variables, node.value: value}))

    def _table(self, node: Node, scope: Scope) -> list[Row]:
        assert node.value == self.table
        return list(scope.rows)

    def _column(self, node: Node, scope: Scope) -> Any:
        assert scope.row is not None, f"[{node.value}] outside a row"
        return scope.row[node.value]

    def _measure(self, node: Node, scope: Scope) -> Any:
        if scope.row is not None and node.value in scope.row:
            return scope.row[node.value]
        rows = scope.rows
        if scope.row is not None:  # the row at hand filters: context transition
            rows = [
                row for row in rows if all(same(row[name], value) for name, value in scope.row.items() if name in row)
            ]
        return self.read(self.measures[node.value], Scope(rows, None, {}))

    def _sign(self, node: Node, scope: Scope) -> Any:
        left = self.read(node.parts[0], scope)
        if node.value == "&&":
            return bool(left) and bool(self.read(node.parts[1], scope))
        if node.value == "||":
            return bool(left) or bool(self.read(node.parts[1], scope))
        right = self.read(node.parts[1], scope)
        if node.value == "==":
            return same(left, right)
        if node.value == "&":
            return f"{'' if left is BLANK else left}{'' if right is BLANK else right}"
        if node.value in ("+", "-"):
            if left is BLANK and right is BLANK:
                return BLANK
            sign = 1 if node.value == "+" else -1
            return (left or 0) + sign * (right or 0)
        order = compared(left, right)
        return {"<>": order != 0, "<": order < 0, ">": order > 0, "<=": order <= 0, ">=": order >= 0, "=": order == 0}[
            node.value
        ]

    def _call(self, node: Node, scope: Scope) -> Any:
        return getattr(self, f"{node.value.lower()}_")(node.parts, scope)

    # functions

    def each(self, table: list[Row], part: Node, scope: Scope) -> list[Any]:
        return [self.read(part, Scope(scope.rows, row, scope.variables)) for row in table]

    def numbers(self, part: Node, scope: Scope) -> list[Any]:
        return [row[part.value] for row in scope.rows if row[part.value] is not BLANK]

    def not_(self, parts: Sequence[Node], scope: Scope) -> bool:
        return not self.read(parts[0], scope)

    def true_(self, parts: Sequence[Node], scope: Scope) -> bool:
        return True

    def false_(self, parts: Sequence[Node], scope: Scope) -> bool:
        return False

    def date_(self, parts: Sequence[Node], scope: Scope) -> date:
        return date(*(self.read(part, scope) for part in parts))

    def unichar_(self, parts: Sequence[Node], scope: Scope) -> str:
        return chr(self.read(parts[0], scope))

    def isblank_(self, parts: Sequence[Node], scope: Scope) -> bool:
        return self.read(parts[0], scope) is BLANK

    def if_(self, parts: Sequence[Node], scope: Scope) -> Any:
        if self.read(parts[0], scope):
            return self.read(parts[1], scope)
        return self.read(parts[2], scope) if len(parts) > 2 else BLANK

    def coalesce_(self, parts: Sequence[Node], scope: Scope) -> Any:
        return next((value for part in parts if (value := self.read(part, scope)) is not BLANK), BLANK)

    def divide_(self, parts: Sequence[Node], scope: Scope) -> Any:
        above, below = (self.read(part, scope) for part in parts)
        return BLANK if above is BLANK or not below else float(above) / float(below)

    def countrows_(self, parts: Sequence[Node], scope: Scope) -> Any:
        return len(self.read(parts[0], scope)) or BLANK

    def sum_(self, parts: Sequence[Node], scope: Scope) -> Any:
        found = self.numbers(parts[0], scope)
        return sum(found) if found else BLANK

    def average_(self, parts: Sequence[Node], scope: Scope) -> Any:
        found = self.numbers(parts[0], scope)
        return float(sum(found)) / len(found) if found else BLANK

    def distinctcountnoblank_(self, parts: Sequence[Node], scope: Scope) -> Any:
        return len({folded(value) for value in self.numbers(parts[0], scope)}) or BLANK

    def values_(self, parts: Sequence[Node], scope: Scope) -> list[Row]:
        name, found = parts[0].value, {}
        for row in scope.rows:
            found.setdefault(folded(row[name]), {name: row[name]})
        return list(found.values())

    def filter_(self, parts: Sequence[Node], scope: Scope) -> list[Row]:
        table = self.read(parts[0], scope)
        return [row for row, holds in zip(table, self.each(table, parts[1], scope), strict=True) if holds]

    def addcolumns_(self, parts: Sequence[Node], scope: Scope) -> list[Row]:
        table = self.read(parts[0], scope)
        values = self.each(table, parts[2], scope)
        return [{**row, parts[1].value: value} for row, value in zip(table, values, strict=True)]

    def row_(self, parts: Sequence[Node], scope: Scope) -> list[Row]:
        return [{parts[index].value: self.read(parts[index + 1], scope) for index in range(0, len(parts), 2)}]

    def union_(self, parts: Sequence[Node], scope: Scope) -> list[Row]:
        assert len(parts) > 1
        return [row for part in parts for row in self.read(part, scope)]

    def topn_(self, parts: Sequence[Node], scope: Scope) -> list[Row]:
        assert parts[0].value == 1
        table = self.read(parts[1], scope)
        for by, direction in reversed(list(zip(parts[2::2], parts[3::2], strict=True))):
            keyed = list(zip(self.each(table, by, scope), table, strict=True))
            keyed.sort(key=lambda pair: rank(pair[0]), reverse=direction.value == "DESC")
            table = [row for _, row in keyed]
        return table[:1]

    def maxx_(self, parts: Sequence[Node], scope: Scope) -> Any:
        found = [value for value in self.each(self.read(parts[0], scope), parts[1], scope) if value is not BLANK]
        return max(found, key=rank) if found else BLANK


def folded(value: Any) -> Any:
    return value.rstrip(" ").lower() if isinstance(value, str) else value


def same(left: Any, right: Any) -> bool:
    """`==`: BLANK is equal to BLANK only."""
    return left is right if left is BLANK or right is BLANK else folded(left) == folded(right)


def compared(left: Any, right: Any) -> int:
    """The order of two values; BLANK is 0, an empty text or FALSE, as the other side has it."""
    empty = {str: "", bool: False}
    left, right = (
        empty.get(type(other), 0) if value is BLANK else folded(value)
        for value, other in ((left, right), (right, left))
    )
    return (left > right) - (left < right)


def rank(value: Any) -> tuple[int, Any]:
    return (0, 0) if value is BLANK else (1, folded(value))
