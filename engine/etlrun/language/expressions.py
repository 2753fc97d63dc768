"""Parses Spark SQL text into a checked, typed tree that both engines can run.

All SQL of a user passes through here: nodes outside the allow-list, functions outside the table of functions and unknown
names are refused, each with the place of the wrong word.
"""

from __future__ import annotations

import datetime
import difflib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.spark import Spark
from sqlglot.errors import ParseError, TokenError
from sqlglot.parsers.spark import SparkParser
from sqlglot.tokens import TokenType  # type: ignore[attr-defined]

from etlrun.language.columns import Type
from etlrun.language.copies import copied
from etlrun.language.grammar import QUERY, VALUE, Slot, misfits
from etlrun.language.named_windows import without_named_windows
from etlrun.language.places import span, word
from etlrun.language.problems import ExpressionError, Problem
from etlrun.language.syntax import syntax_problem
from etlrun.language.type_texts import parse_type

__all__ = ["ExpressionError", "Problem", "span", "word"]  # beside what is defined here

logging.getLogger("sqlglot").addHandler(logging.NullHandler())  # etlrun reports what the parser only warns about

TYPE = "etlrun.type"  # the key under which a node's `meta` holds its Type
TYPE_TEXT = "etlrun.type_text"  # the key under which a type keeps its text in the spec
DEEPEST = 60  # nesting levels of an expression; deeper ones would exhaust the stack of some pass
LONGEST = 100_000  # characters
LONG_CHAIN = 32  # operands of `and` and `or`; a longer chain becomes a balanced tree


class Language(Spark):
    """Spark's grammar, with every function call left as written: etlrun's table of functions defines its meaning."""

    class Parser(SparkParser):
        STRICT_CAST = True
        ADD_JOIN_ON_TRUE = False  # so that a JOIN without ON is a mistake
        JOINS_HAVE_EQUAL_PRECEDENCE = True  # `from a, b` is `from a cross join b`
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        ARRAY_CONSTRUCTORS: ClassVar[dict[str, Any]] = {}  # otherwise `array(1, 2)[0]` is read as the array of 0
        FUNCTION_PARSERS = {name: SparkParser.FUNCTION_PARSERS[name] for name in ("CAST", "TRY_CAST", "EXTRACT")}
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
        NO_PAREN_FUNCTION_PARSERS = {"CASE": SparkParser.NO_PAREN_FUNCTION_PARSERS["CASE"]}

        def _parse_types(self, *args: Any, **kwargs: Any) -> exp.Expr | None:
            """Parse a type and keep its text, because Spark drops the length of a `varchar(2)`. A number such as `2L` is not a type text."""
            first = self._curr
            found = super()._parse_types(*args, **kwargs)
            if isinstance(found, exp.DataType):
                written = self._find_sql(first, self._prev)
                found.meta.update({} if written[:1].isdigit() else {TYPE_TEXT: written})
            return found


def parse(text: str) -> exp.Expr:
    """Parse one scalar or aggregate expression. Raises ExpressionError if the text is not one expression."""
    return copied(_parse_cached(text))


def parse_ordering(text: str) -> exp.Ordered:
    """Parse `column`, `column desc` or `expression asc nulls last`. Nulls go first ascending and last descending, as in Spark."""
    if not text.strip():
        raise ExpressionError((Problem("syntax", "the ordering is empty", 0, max(1, len(text)), "name a column"),))
    query = _parse_query(f"select 1 order by {text}", shift=len("select 1 order by "), text=text)
    ordered = query.args["order"].expressions
    if len(ordered) != 1:
        raise ExpressionError((Problem("syntax", "one ordering a line: a list holds several", 0, len(text)),))
    item: exp.Ordered = ordered[0]
    item.set("desc", bool(item.args.get("desc")))
    item.set("nulls_first", bool(item.args.get("nulls_first")))
    return item


def bind(tree: exp.Expr, values: Mapping[str, Any], text: str = "") -> exp.Expr:
    """Replace each `$name` by its value, as a literal.

    Raises ExpressionError for a name without a value, and for a known `$name` inside quotes, where it would stay text.
    """
    if text and "$" not in text:
        return tree
    problems: list[Problem] = []
    holder = exp.Paren(this=tree)
    for node in list(holder.walk()):
        if isinstance(node, exp.Parameter):
            name = node.this.name
            if name in values:
                node.replace(_value_literal(values[name]))
                continue
            found = difflib.get_close_matches(name, list(values), n=1)
            start = max(0, text.find(f"${name}"))
            fix = f"did you mean `${found[0]}`?" if found else "declare it under `params:`"
            problems.append(Problem("unknown-param", f"there is no param `{name}`", start, start + len(name) + 1, fix))
        elif isinstance(node, exp.Literal) and node.is_string:
            inside = next((name for name in values if re.search(rf"\$\{{?{re.escape(name)}\b", node.this)), None)
            if inside:
                start = max(0, text.find(f"${inside}"))
                fix = f"write ${inside} without quotes"
                message = f"`${inside}` is inside quotes, where it is not replaced"
                problems.append(Problem("quoted-param", message, start, start + len(inside) + 1, fix))
    if problems:
        raise ExpressionError(tuple(problems))
    bound = holder.this.pop()
    assert isinstance(bound, exp.Expr)
    return bound


def _value_literal(value: Any) -> exp.Expr:
    if isinstance(value, datetime.datetime):
        kind = Type("timestamp" if value.tzinfo is None else "timestamptz")
        return cast(exp.Literal.string(value.isoformat(" ")), kind)
    if isinstance(value, datetime.date):
        return cast(exp.Literal.string(value.isoformat()), Type("date"))
    if isinstance(value, Decimal):
        return exp.Literal.number(str(value))
    return literal(value)


def parse_select(text: str) -> exp.Query:
    """Parse one SELECT statement (unions and CTEs included)."""
    return copied(_parse_query_cached(text))


def column(name: str, table: str | None = None) -> exp.Column:
    """A reference to a column, quoted so that any name works on any engine."""
    relation = exp.Identifier(this=table, quoted=True) if table else None
    return exp.Column(this=exp.Identifier(this=name, quoted=True), table=relation)


def respell(node: exp.Expr, name: str) -> None:
    """Write the name of a column or table as it is declared, and keep its place in the text."""
    identifier = exp.to_identifier(name, quoted=True)
    identifier.meta.update(node.this.meta)
    node.set("this", identifier)


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """A call of a function of the table, as if the user had written it."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def literal(value: object) -> exp.Expr:
    """A value as a literal of the tree: text, number, boolean or NULL."""
    if value is None:
        return exp.Null()
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, (int, float)):
        return exp.Literal.number(value) if value >= 0 else exp.Neg(this=exp.Literal.number(-value))
    return exp.Literal.string(str(value))


def cast(node: exp.Expr, kind: Type) -> exp.Cast:
    return exp.Cast(this=node, to=data_type(kind))


def data_type(kind: Type) -> exp.DataType:
    """The tree's form of a Type; `timestamp` is the one without a time zone."""
    return copied(_data_type_cached(kind))


def type_from_tree(tree: exp.DataType) -> Type:
    """Read the type of a CAST. Raises TypeTextError if it is not supported."""
    return parse_type(tree.meta.get(TYPE_TEXT) or tree.sql(dialect="spark"))


def type_of(node: exp.Expr) -> Type:
    """The type that checking gave to `node`."""
    kind = node.meta[TYPE]
    assert isinstance(kind, Type)
    return kind


def columns_in(node: exp.Expr) -> Iterator[str]:
    """The names of the columns that a tree reads, as written, without struct fields."""
    for found in node.find_all(exp.Column):
        yield found.name


@lru_cache(maxsize=4096)
def _parse_cached(text: str) -> exp.Expr:
    if not text.strip():
        raise ExpressionError((Problem("syntax", "the expression is empty", 0, max(1, len(text))),))
    trees = _trees(text, text)
    semicolon = _semicolon(text)
    if len(trees) != 1 or trees[0] is None or semicolon >= 0:
        start, end = (semicolon, semicolon + 1) if semicolon >= 0 else (0, len(text))
        fix = "remove it; conditions are joined by `and`" if semicolon >= 0 else ""
        raise ExpressionError((Problem("syntax", "one expression is expected, without `;`", start, end, fix),))
    return _plain(trees[0], text, VALUE)


def _semicolon(text: str) -> int:
    """The position of the first `;` outside a text; -1 if there is none."""
    tokens = Language().tokenize(text) if ";" in text else ()
    return next((token.start for token in tokens if token.token_type == TokenType.SEMICOLON), -1)


@lru_cache(maxsize=256)
def _parse_query_cached(text: str) -> exp.Query:
    return _parse_query(text, shift=0, text=text)


def _parse_query(sql: str, shift: int, text: str) -> exp.Query:
    trees = _trees(sql, text, shift)
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise ExpressionError((Problem("syntax", "one SELECT statement is expected", 0, len(text)),))
    for node in trees[0].walk() if shift else ():
        for key in ("start", "end"):
            if key in node.meta:
                node.meta[key] -= shift
    without_named_windows(trees[0])
    found = _plain(trees[0], text, QUERY)
    assert isinstance(found, exp.Query)
    return found


def _trees(sql: str, text: str, shift: int = 0) -> Sequence[exp.Expr | None]:
    if len(sql) > LONGEST:
        raise ExpressionError((Problem("syntax", f"the text has more than {LONGEST} characters", 0, len(text)),))
    try:
        return Language().parse(sql)
    except (ParseError, TokenError) as error:
        raise ExpressionError((syntax_problem(error, text, sql, shift),)) from error
    except RecursionError as error:
        raise _too_deep(text) from error


def _too_deep(text: str) -> ExpressionError:
    message = f"this is nested more than {DEEPEST} levels deep"
    fix = "first create columns for its parts, or step chains for the parts of a query"
    return ExpressionError((Problem("syntax", message, 0, len(text), fix),))


def _plain(tree: exp.Expr, text: str, wanted: Slot) -> exp.Expr:
    """The tree without comments, and with raw texts as plain ones. A tree that is too deep is refused; a chain of `and` is one level."""
    holder = exp.Paren(this=tree)
    level: list[exp.Expr] = [holder]
    for _ in range(DEEPEST):
        below = [child for node in level for child in _below(node)]
        if not below:
            break
        level = below
    else:
        raise _too_deep(text)
    problems = tuple(misfits(tree, text, wanted))
    if problems:
        raise ExpressionError(problems)
    for chain in list(holder.find_all(exp.Connector)):
        if type(chain.parent) is not type(chain) and chain.parent is not None:
            operands = list(chain.flatten(unnest=False))
            if len(operands) > LONG_CHAIN:
                chain.replace(balanced(type(chain), operands))
    for node in holder.walk():
        node.comments = None
    for raw in list(holder.find_all(exp.RawString)):
        plain = exp.Literal.string(raw.this)
        plain.meta.update(raw.meta)
        raw.replace(plain)
    found = holder.this.pop()
    assert isinstance(found, exp.Expr)
    return found


def balanced(kind: type[exp.Expr], operands: Sequence[exp.Expr]) -> exp.Expr:
    """A balanced tree of the operands, in order, for an operator such as `and` for which grouping does not matter."""
    if len(operands) == 1:
        return operands[0]
    middle = len(operands) // 2
    return kind(this=balanced(kind, operands[:middle]), expression=balanced(kind, operands[middle:]))


def _below(node: exp.Expr) -> Iterator[exp.Expr]:
    return node.flatten(unnest=False) if isinstance(node, exp.Connector) else node.iter_expressions()


@lru_cache(maxsize=256)
def _data_type_cached(kind: Type) -> exp.DataType:
    found = _plain_data_type(kind)
    if "timestamptz" in str(kind):
        found.meta[TYPE_TEXT] = str(kind)  # engines compute with it as a timestamp in UTC
    return found


def _plain_data_type(kind: Type) -> exp.DataType:
    if not kind.is_nested:
        text = {"null": "void", "timestamp": "timestamp_ntz", "timestamptz": "timestamp_ntz"}.get(kind.name, str(kind))
        return exp.DataType.build(text, dialect="spark")
    inner: list[exp.Expr] = [_data_type_cached(part).copy() for part in kind.inner]
    if kind.fields:
        names = [exp.to_identifier(name, quoted=True) for name, _ in kind.fields]
        inner = [exp.ColumnDef(this=name, kind=part) for name, part in zip(names, inner, strict=True)]
    return exp.DataType(this=exp.DataType.Type[kind.name.upper()], expressions=inner, nested=True)
