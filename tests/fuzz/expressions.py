"""Expressions: scalars, aggregates of groups and windows, over one table of odd rows."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from etlrun.language.columns import TIMESTAMP, TIMESTAMPTZ, Type
from etlrun.language.dialects import duckdb_sql
from etlrun.language.expressions import parse
from etlrun.language.typed import check_expression

from .engines import Answer, Engines, arrow_table, is_of_data, is_sum_on_the_way
from .grammar import Grammar, Piece
from .rows import COLUMNS, random_rows
from .trials import Trial

AT_ONCE = 60  # expressions grown from the same pieces


def try_some(seed: int, engines: Engines) -> Trial:
    """Grow expressions from a seed and compare what the engines make of them."""
    random = Random(seed)
    rows = random_rows(random, random.choice([0, 1, 8, 12, 12]))
    engines.take({"rows": arrow_table(COLUMNS, rows)})
    grammar = Grammar(random, COLUMNS)
    scalars = grammar.grow(AT_ONCE)
    groups = grammar.aggregates(AT_ONCE // 4)
    windows = grammar.windows(AT_ONCE // 4)
    return compared(engines, scalars, groups, windows, len(rows))


def compared(
    engines: Engines, scalars: list[Piece], groups: list[Piece], windows: list[Piece], row_count: int
) -> Trial:
    """Compare expressions over the table `rows`, whose key `k` counts from 0; scalars that are an error in some row also without it."""
    found = (
        _differences(engines, scalars, "from rows", "k"),
        _differences(engines, groups, "from rows group by g", "g"),
        _differences(engines, windows, "from rows", "k"),
    )
    failing = found[0].failing if row_count > 1 else []
    findings = [text for some in found for text in some.findings]
    findings.extend(_differences(engines, _where_they_are_none(engines, failing, row_count), "from rows", "k").findings)
    tried = len(scalars) + len(groups) + len(windows)
    return Trial(tried, tuple(findings), sum(len(some.failing) for some in found))


def _where_they_are_none(engines: Engines, pieces: list[Piece], row_count: int) -> list[Piece]:
    """The expressions over the rows alone in which DuckDB finds no error: one row's error hides what the others give."""
    kept = []
    for piece in pieces:
        sql = duckdb_sql(piece.tree)
        good = [
            str(row)
            for row in range(row_count)
            if not is_of_data(engines.rows(engines.duckdb, f"select {sql} as c from rows where k = {row}"))
        ]
        if good:
            text = f"case when k in ({', '.join(good)}) then {piece.text} end"
            tree = check_expression(parse(text), (("", COLUMNS),), text)
            kept.append(Piece(text, piece.type, tree))
    return kept


@dataclass(frozen=True)
class _Compared:
    """What differs, and the expressions that are an error of some row's value on both engines."""

    findings: list[str]
    failing: list[Piece]


def _differences(engines: Engines, pieces: list[Piece], tail: str, by: str) -> _Compared:
    """What differs; of expressions that differ for the sake of one that they contain, only that one."""
    answers = engines.columns([piece.tree for piece in pieces], tail, by)
    failing = [piece for piece, (spark, duck) in zip(pieces, answers, strict=True) if spark.error and duck.error]
    wrong = [
        (piece, spark, duck)
        for piece, (spark, duck) in zip(pieces, answers, strict=True)
        if not _agrees(piece, spark, duck)
        and not (is_of_data(spark.error) != is_of_data(duck.error) and engines.fail_inside(piece.tree, "rows"))
    ]
    findings = [
        f"{piece.text}: {piece.type}  ({tail})\n    spark  {spark}\n    duckdb {duck}"
        for piece, spark, duck in wrong
        if not any(other.text != piece.text and other.text in piece.text for other, _, _ in wrong)
    ]
    return _Compared(findings, failing)


def held(kind: Type) -> Type:
    """The type by which engines hold one: an instant is its clock in UTC."""
    return TIMESTAMP if kind == TIMESTAMPTZ else kind


def _agrees(piece: Piece, spark: Answer, duck: Answer) -> bool:
    if any(is_sum_on_the_way(piece.tree, answer.error) for answer in (spark, duck)):
        return True
    return spark.is_like(duck) and (bool(spark.error) or spark.type in (held(piece.type), None))
