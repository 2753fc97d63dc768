"""The allowed grammar, as one closed table: every type of node, all its arguments, and the values that each may have.

The parser accepts far more SQL than this language has. Every tree is compared with this table from its root to its
leaves: a type of node without a row, an argument that its row does not name and a value that is not allowed there are refused.
Every row is checked further by a rule of `typed.RULES` or of `queries`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from etlrun.language.places import clause, closed, span
from etlrun.language.precedence import loose_operands
from etlrun.language.problems import Problem
from etlrun.language.refusals import ARGUMENTS, NODES, Refusal
from etlrun.language.reserved import plain_names


@dataclass(frozen=True)
class Slot:
    """The values that an argument may have: nodes of these types, and plain values (any text, or only these)."""

    nodes: frozenset[type[exp.Expr]] = frozenset()
    words: frozenset[object] = frozenset()
    any_text: bool = False

    def holds(self, value: object) -> bool:
        if isinstance(value, exp.Expr):
            return type(value) in self.nodes
        if isinstance(value, str) and self.any_text:
            return True
        return (value.upper() if isinstance(value, str) else value) in self.words


def _of(*types: type[exp.Expr]) -> Slot:
    return Slot(frozenset(types))


def _one_of(*words: object) -> Slot:
    return Slot(words=frozenset(words))


SIGNS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
_BINARY = (
    *(exp.And, exp.Or),
    *(*SIGNS, exp.NullSafeEQ, exp.NullSafeNEQ),
    *(exp.Add, exp.Sub, exp.Mul, exp.IntDiv, exp.Mod, exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor),
)
VALUES: tuple[type[exp.Expr], ...] = (
    *(exp.Literal, exp.RawString, exp.Boolean, exp.Null, exp.Parameter, exp.Column, exp.Dot, exp.Paren),
    *(exp.Cast, exp.TryCast, exp.Case, exp.Is, exp.In, exp.Between, exp.Like, exp.RegexpLike, exp.Bracket),
    *(exp.Not, exp.Neg, exp.BitwiseNot, exp.DPipe, exp.Div, *_BINARY),
    *(exp.Anonymous, exp.Window, exp.Filter, exp.IgnoreNulls, exp.Subquery, exp.Exists, exp.Extract),
)
"""Every type of node that gives a value for each row or group."""

VALUE = _of(*VALUES)
_OR_INTERVAL = _of(*VALUES, exp.Interval)
QUERY = _of(exp.Select, exp.Union, exp.Except, exp.Intersect, exp.Subquery)
_RELATION = _of(exp.Table, exp.Subquery)
_NAME = _of(exp.Identifier)
_TYPE = _of(exp.DataType)
_TEXT = Slot(any_text=True)
_YES = _one_of(True)
_NUMBER = _of(exp.Literal, exp.Parameter)
_BOUND = Slot(frozenset((exp.Literal, exp.Interval)), frozenset(("UNBOUNDED", "CURRENT ROW")))
_SIDE = _one_of("PRECEDING", "FOLLOWING")

_SETS = _of(*VALUES, exp.Tuple)
_SET: dict[str, Slot] = {
    "with_": _of(exp.With),
    "this": QUERY,
    "expression": QUERY,
    "distinct": _YES,
    "order": _of(exp.Order),
    "limit": _of(exp.Limit),
}

EXPRESSIONS: dict[type[exp.Expr], dict[str, Slot]] = {
    exp.Literal: {"this": _TEXT, "is_string": _YES},
    exp.RawString: {"this": _TEXT},
    exp.Boolean: {"this": _YES},
    exp.Null: {},
    exp.Parameter: {"this": _of(exp.Var)},
    exp.Column: {"this": _NAME, "table": _NAME, "db": _NAME, "catalog": _NAME},
    exp.Dot: {
        "this": _of(exp.Identifier, exp.Column, exp.Dot, exp.Bracket, exp.Paren, exp.Anonymous),
        "expression": _NAME,
    },
    exp.Paren: {"this": VALUE},
    exp.Cast: {"this": VALUE, "to": _TYPE},
    exp.TryCast: {"this": VALUE, "to": _TYPE, "safe": _YES},
    exp.Case: {"this": VALUE, "ifs": _of(exp.If), "default": VALUE},
    exp.If: {"this": VALUE, "true": VALUE},
    exp.Is: {"this": VALUE, "expression": _of(exp.Null, exp.Boolean)},
    exp.In: {"this": VALUE, "expressions": VALUE, "query": _of(exp.Subquery)},
    exp.Exists: {"this": QUERY},
    exp.Subquery: {"this": QUERY, "alias": _of(exp.TableAlias)},
    exp.Between: {"this": VALUE, "low": _OR_INTERVAL, "high": _OR_INTERVAL},
    exp.Like: {"this": VALUE, "expression": VALUE, "negate": _YES},
    exp.RegexpLike: {"this": VALUE, "expression": VALUE},
    exp.Bracket: {"this": VALUE, "expressions": VALUE},
    exp.Not: {"this": VALUE},
    exp.Neg: {"this": VALUE},
    exp.BitwiseNot: {"this": VALUE},
    exp.DPipe: {"this": VALUE, "expression": VALUE, "safe": _YES},
    exp.Div: {"this": VALUE, "expression": VALUE, "safe": _YES},
    **{kind: {"this": VALUE, "expression": VALUE} for kind in _BINARY},
    **{kind: {"this": VALUE, "expression": _OR_INTERVAL} for kind in (exp.Add, exp.Sub)},
    **{kind: {"this": _OR_INTERVAL, "expression": _OR_INTERVAL} for kind in SIGNS},
    exp.Extract: {"this": _of(exp.Var), "expression": VALUE},
    exp.Anonymous: {"this": _TEXT, "expressions": _of(*VALUES, exp.Star, exp.Distinct)},
    exp.Window: {
        "this": _of(exp.Anonymous, exp.Filter, exp.IgnoreNulls),
        "partition_by": VALUE,
        "order": _of(exp.Order),
        "spec": _of(exp.WindowSpec),
        "over": _one_of("OVER"),
    },
    exp.Filter: {"this": _of(exp.Anonymous), "expression": _of(exp.Where)},
    exp.IgnoreNulls: {"this": _of(exp.Anonymous)},
}
"""The arguments of every type of node in VALUES; each has a rule in `typed.RULES`."""

PARTS: dict[type[exp.Expr], dict[str, Slot]] = {
    exp.Identifier: {"this": _TEXT, "quoted": _YES},
    exp.Var: {"this": _TEXT},
    exp.Star: {"except_": _of(exp.Identifier, exp.Column)},
    exp.Distinct: {"expressions": VALUE},
    exp.If: {"this": VALUE, "true": VALUE},
    exp.Interval: {"this": _of(exp.Literal), "unit": _of(exp.Var)},
    exp.Where: {"this": VALUE},
    exp.Order: {"expressions": _of(exp.Ordered)},
    exp.Ordered: {"this": VALUE, "desc": _YES, "nulls_first": _YES},
    exp.WindowSpec: {
        "kind": _one_of("ROWS", "RANGE"),
        "start": _BOUND,
        "start_side": _SIDE,
        "end": _BOUND,
        "end_side": _SIDE,
    },
    exp.DataType: {
        "this": _one_of(*exp.DataType.Type),
        "expressions": _of(exp.DataType, exp.DataTypeParam, exp.ColumnDef),
        "nested": _YES,
    },
    exp.DataTypeParam: {"this": _of(exp.Literal)},
    exp.ColumnDef: {"this": _NAME, "kind": _TYPE},
}
"""The nodes that are parts of expressions and of queries; the rule of the node above reads them."""

QUERIES: dict[type[exp.Expr], dict[str, Slot]] = {
    exp.Select: {
        "with_": _of(exp.With),
        "expressions": _of(*VALUES, exp.Alias, exp.Star),
        "distinct": _of(exp.Distinct),
        "from_": _of(exp.From),
        "joins": _of(exp.Join),
        "where": _of(exp.Where),
        "group": _of(exp.Group),
        "having": _of(exp.Having),
        "qualify": _of(exp.Qualify),
        "order": _of(exp.Order),
        "limit": _of(exp.Limit),
    },
    exp.Union: _SET,
    exp.Except: _SET,
    exp.Intersect: _SET,
    exp.With: {"expressions": _of(exp.CTE)},
    exp.CTE: {"this": QUERY, "alias": _of(exp.TableAlias)},
    exp.TableAlias: {"this": _NAME, "columns": _NAME},
    exp.From: {"this": _RELATION},
    exp.Table: {"this": _NAME, "alias": _of(exp.TableAlias)},
    exp.Join: {
        "this": _RELATION,
        "on": VALUE,
        "using": _NAME,
        "side": _one_of("LEFT", "RIGHT", "FULL"),
        "kind": _one_of("INNER", "OUTER", "CROSS", "SEMI", "ANTI"),
    },
    exp.Group: {"expressions": _of(*VALUES, exp.Rollup, exp.Cube, exp.GroupingSets), "all": _YES},
    **{kind: {"expressions": _SETS} for kind in (exp.Rollup, exp.Cube, exp.GroupingSets)},
    exp.Tuple: {"expressions": VALUE},
    exp.Having: {"this": VALUE},
    exp.Qualify: {"this": VALUE},
    exp.Alias: {"this": VALUE, "alias": _NAME},
    exp.Limit: {"expression": _NUMBER},
}
"""The clauses of a query; `queries` judges every argument of them."""

COUNTS = (
    exp.Limit,
    exp.WindowSpec,
    exp.DataTypeParam,
    exp.Interval,
)  # their children are read as numbers, and have no type
NOT_EMPTY: dict[type[exp.Expr], tuple[str, str, str]] = {
    exp.Select: ("expressions", "this SELECT has no columns", "name columns, or write `*`"),
    exp.Group: ("expressions", "GROUP BY has no columns", "name one, or leave it out"),
    exp.Order: ("expressions", "ORDER BY has no columns", "name one, or leave it out"),
    exp.With: ("expressions", "WITH names no part", "write `with NAME as (select ...)`"),
    exp.In: ("expressions", "`in` takes a list of values", "write `in (1, 2)`"),
    exp.Case: ("ifs", "`case` has no `when`", "write `case when ... then ... end`"),
}
"""Lists that the parser takes where they are empty, and engines do not: the argument, the mistake, what to do."""

GRAMMAR = {**EXPRESSIONS, **PARTS, **QUERIES}
_STAR_OF_A_TABLE = frozenset(("this", "table"))


def misfits(tree: exp.Expr, text: str, wanted: Slot) -> Iterator[Problem]:
    """A mistake for each part of `tree`, parsed from `text`, that the grammar does not allow in a VALUE or a QUERY (`wanted`)."""
    level: list[exp.Expr] = [tree]
    if not wanted.holds(tree):
        yield _refused_node(tree, text)
        return
    while level:
        node = level.pop()
        if wanted == VALUE and isinstance(node, (exp.Query, exp.Exists)):
            yield _refused_node(node, text)  # only the expressions of a query have subqueries
            continue
        if _is_star_of_a_table(node):
            level.append(node.this)
            continue
        row = GRAMMAR[type(node)]
        needed = NOT_EMPTY.get(type(node))
        if (
            needed
            and not node.args.get(needed[0])
            and not node.args.get("query")
            and not node.args.get("all")
            and all(key in row for key, value in node.args.items() if value)
        ):
            yield Problem("syntax", needed[1], *clause("", node.parent or node, text), needed[2])
        for operand in loose_operands(node):
            message = "engines do not agree which of these two operators comes first"
            yield Problem("syntax", message, *span(operand, text), _bracketed(operand, text))
        for key, value in node.args.items():
            for part in value if isinstance(value, list) else (value,):
                if _is_absent(part):
                    continue
                slot = row.get(key)
                if slot is None:
                    yield _refused_argument(node, key, part, text)
                elif not slot.holds(part):
                    yield _refused_value(node, key, part, text)
                elif isinstance(part, exp.Expr):
                    level.append(part)


def _is_absent(value: object) -> bool:
    return value is None or value is False or value == ""


def _is_star_of_a_table(node: exp.Expr) -> bool:
    """Whether `node` is `t.*`, which is allowed in a SELECT list; elsewhere the rule of columns refuses it."""
    return (
        isinstance(node, exp.Column)
        and isinstance(node.this, exp.Star)
        and isinstance(node.parent, exp.Select)
        and {key for key, value in node.args.items() if not _is_absent(value)} == _STAR_OF_A_TABLE
    )


def _refused_node(node: exp.Expr, text: str) -> Problem:
    for kind in type(node).__mro__:
        if kind in NODES:
            return _problem(NODES[kind], node, span(node, text), text)
    return _problem(Refusal("`{sql}` is not part of the language"), node, span(node, text), text)


def _refused_argument(node: exp.Expr, key: str, value: object, text: str) -> Problem:
    refusal = ARGUMENTS.get((type(node), key)) or ARGUMENTS.get((exp.Expr, key))
    if refusal is None:
        words = key.strip("_").replace("_", " ").upper()
        refusal = Refusal(f"{words} is not supported here", words=words)
    is_placed = isinstance(value, exp.Expr) and any("start" in part.meta for part in value.walk())
    is_of_node = "{sql}" in refusal.message or isinstance(node, exp.Star)
    owner = value if isinstance(value, exp.Expr) and is_placed and not is_of_node else node
    return _problem(refusal, node, clause(refusal.words, node, text) if refusal.words else span(owner, text), text)


def _refused_value(node: exp.Expr, key: str, value: object, text: str) -> Problem:
    refusal = ARGUMENTS.get((type(node), key))
    if isinstance(value, exp.Expr):
        if refusal is None or type(value) in NODES and not refusal.comes_first:
            return _refused_node(value, text)
        is_placed = any("start" in part.meta for part in value.walk())
        at_fault = node if isinstance(node, exp.Dot) else value
        return _problem(
            refusal, at_fault, span(at_fault, text) if is_placed else clause(refusal.words, node, text), text
        )
    if refusal is None:
        refusal = Refusal(f"{str(value).upper()} is not supported here", words=str(value))
    return _problem(refusal, node, clause(str(value), node, text), text)


def _problem(refusal: Refusal, node: exp.Expr, place: tuple[int, int], text: str) -> Problem:
    start, end = closed(place, text)
    is_placed = any("start" in part.meta for part in node.walk())
    written = text[slice(*closed(span(node, text), text))] if is_placed else (node.text("this") or node.key).lower()
    message = refusal.message.replace("{sql}", shortened(written))
    return Problem(refusal.code, message, max(0, start), max(end, start + 1, 1), refusal.fix)


# Nodes whose first and last words have known places. A cast, for example, is found by the value that it casts.
PLACED = (exp.Column, exp.Identifier, exp.Literal, exp.Anonymous, exp.Binary, exp.In, exp.Between)


def _bracketed(operand: exp.Expr, text: str) -> str:
    inside = operand.this if isinstance(operand, exp.Not) else operand
    if not all(isinstance(node, PLACED) for node in inside.walk()):
        return f"put this in brackets: ({detail(operand)})"
    written = shortened(text[slice(*closed(span(operand, text), text))])
    return f"put this in brackets: ({'not ' if isinstance(operand, exp.Not) else ''}{written})"


def detail(node: exp.Expr) -> str:
    """A checked node as Spark SQL, shortened for a message, with backticks only around names that need them."""
    return shortened(plain_names(node.sql(dialect="spark", normalize_functions=False)))


def shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
