"""Measures in DAX, with the null rules of dashboards/measures.py.

DAX has no third truth value: BLANK compares as 0 or as an empty text. A condition is therefore written twice, once for when it is true
and once for when it is false, and each comparison says itself that its columns are known. `==` is used, for which BLANK is equal to
nothing but BLANK.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from sqlglot import exp

from etlrun.dashboards.conditions import Condition, is_text
from etlrun.dashboards.measures import (
    Average,
    Count,
    Distinct,
    Formula,
    LargestOfColumn,
    LargestOfGroup,
    Ratio,
    ShareOfRows,
    SumMeasure,
)

LINE_BREAKING = re.compile("[\x00-\x1f\x7f\u0085\u2028\u2029]")  # a project keeps no such character inside a text
_SIGNS: dict[type[exp.Expr], str] = {
    exp.EQ: "==",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}


def literal(text: str) -> str:
    """A text in DAX. What breaks a line is named by its number, for a project keeps no line breaks inside texts."""
    parts = re.split(f"({LINE_BREAKING.pattern})", text)
    written = [
        f"UNICHAR({ord(part)})" if index % 2 else '"' + part.replace('"', '""') + '"'
        for index, part in enumerate(parts)
        if part
    ]
    return " & ".join(written) or '""'


def table_name(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def bracketed(name: str) -> str:
    """The name of a measure or of a column, in brackets."""
    return "[" + name.replace("]", "]]") + "]"


def number(value: float) -> str:
    """A constant without an exponent where it is whole."""
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(value)


class Dax:
    """Writes the measures of one table. `names` are the measures' names in the model."""

    def __init__(self, table: str, names: Mapping[str, str]) -> None:
        self.table = table_name(table)
        self.names = names

    def column(self, name: str) -> str:
        return self.table + bracketed(name)

    def measure(self, name: str) -> str:
        return bracketed(self.names[name])

    def formula(self, formula: Formula) -> str:
        """The expression of a measure; several lines where it has variables."""
        if isinstance(formula, Count):
            return _divided(f"COALESCE(COUNTROWS({self.table}), 0)", formula.divisor)
        if isinstance(formula, Distinct):
            return _divided(f"COALESCE(DISTINCTCOUNTNOBLANK({self.column(formula.column)}), 0)", formula.divisor)
        if isinstance(formula, SumMeasure):
            return self.sum(formula.columns, formula.divisor)
        if isinstance(formula, Average):
            return _divided(f"AVERAGE({self.column(formula.column)})", formula.divisor)
        if isinstance(formula, Ratio):
            return _divided(f"DIVIDE({self.measure(formula.above)}, {self.measure(formula.below)})", formula.divisor)
        if isinstance(formula, ShareOfRows):
            return self.share(formula)
        if isinstance(formula, LargestOfGroup):
            return self.largest_of_group(formula)
        assert isinstance(formula, LargestOfColumn)
        return self.largest_of_column(formula)

    def sum(self, columns: tuple[str, ...], divisor: float = 1.0) -> str:
        return _divided(" + ".join(f"SUM({self.column(column)})" for column in columns), divisor)

    def share(self, formula: ShareOfRows) -> str:
        hit, miss = self.condition(formula.condition)
        whole = f"FILTER({self.table}, ({hit}) || ({miss}))" if formula.of_known else self.table
        return (
            f"VAR counted = COUNTROWS({whole})\n"
            f"RETURN IF(counted > 0, DIVIDE(COALESCE(COUNTROWS(FILTER({self.table}, {hit})), 0), counted))"
        )

    def largest_of_group(self, formula: LargestOfGroup) -> str:
        rows = [
            f'ROW("label", {literal(label)}, "place", {place}, "value", SUM({self.column(column)}))'
            for place, (label, column) in enumerate(formula.labels.items())
        ]
        labels = f"UNION(\n        {f',{chr(10)}        '.join(rows)}\n    )" if len(rows) > 1 else rows[0]
        return (
            f"VAR labels =\n    {labels}\n"
            "VAR best = TOPN(1, FILTER(labels, [value] > 0), [value], DESC, [place], ASC)\n"
            "RETURN MAXX(best, [label])"
        )

    def largest_of_column(self, formula: LargestOfColumn) -> str:
        column = self.column(formula.column)
        return (
            f'VAR labels = ADDCOLUMNS(FILTER(VALUES({column}), NOT ISBLANK({column})), "value", {self.measure(formula.by)})\n'
            f"VAR best = TOPN(1, FILTER(labels, NOT ISBLANK([value])), [value], DESC, {column}, ASC)\n"
            f"RETURN MAXX(best, {column})"
        )

    def condition(self, condition: Condition) -> tuple[str, str]:
        """When the condition is true, and when it is false; of a row for which it is null neither holds."""
        return self._both(condition.tree)

    def _both(self, node: exp.Expr) -> tuple[str, str]:
        if isinstance(node, exp.Paren):
            return self._both(node.this)
        if isinstance(node, exp.Not):
            hit, miss = self._both(node.this)
            return miss, hit
        if isinstance(node, (exp.And, exp.Or)):
            (hit, miss), (other_hit, other_miss) = self._both(node.left), self._both(node.right)
            both, either = ("&&", "||") if isinstance(node, exp.And) else ("||", "&&")
            return f"({hit}) {both} ({other_hit})", f"({miss}) {either} ({other_miss})"
        if isinstance(node, exp.Is):
            return self._is(node)
        if isinstance(node, exp.In):
            return self._in(node)
        if isinstance(node, exp.Boolean):
            return ("TRUE()", "FALSE()") if node.this else ("FALSE()", "TRUE()")
        if isinstance(node, exp.Column):
            return f"{self._value(node)} == TRUE()", f"{self._value(node)} == FALSE()"
        if isinstance(node, exp.Null):
            return "FALSE()", "FALSE()"
        return self._compared(node.this, node.expression, type(node))

    def _is(self, node: exp.Is) -> tuple[str, str]:
        if isinstance(node.expression, exp.Null):
            value = self._value(node.this)
            return f"ISBLANK({value})", f"NOT ISBLANK({value})"
        hit, miss = self._both(node.this)
        holds = hit if node.expression.this else miss
        return holds, f"NOT ({holds})"

    def _in(self, node: exp.In) -> tuple[str, str]:
        pairs = [self._compared(node.this, item, exp.EQ) for item in node.expressions]
        return " || ".join(f"({hit})" for hit, _ in pairs), " && ".join(f"({miss})" for _, miss in pairs)

    def _compared(self, left: exp.Expr, right: exp.Expr, kind: type[exp.Expr]) -> tuple[str, str]:
        if any(isinstance(side, exp.Null) for side in (left, right)):
            return "FALSE()", "FALSE()"
        test = f"{self._value(left)} {_SIGNS[kind]} {self._value(right)}"
        known = [f"NOT ISBLANK({self._value(side)})" for side in (left, right) if isinstance(side, exp.Column)]
        return " && ".join([*known, test]), " && ".join([*known, f"NOT ({test})"])

    def _value(self, node: exp.Expr) -> str:
        if isinstance(node, exp.Column):
            return self.column(node.name)
        if isinstance(node, exp.Cast):
            day = date.fromisoformat(str(node.this.this))
            return f"DATE({day.year}, {day.month}, {day.day})"
        if isinstance(node, exp.Neg):
            return f"-{self._value(node.this)}"
        if isinstance(node, exp.Boolean):
            return "TRUE()" if node.this else "FALSE()"
        if is_text(node):
            return literal(str(node.this).rstrip(" "))
        return str(node.this)


def _divided(expression: str, divisor: float) -> str:
    return expression if divisor == 1 else f"DIVIDE({expression}, {number(divisor)})"
