"""Expressions: scalars, aggregates of groups and windows, over one table of odd rows."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

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
    findings = [
        *differences(engines, scalars, "from rows", "k"),
        *differences(engines, groups, "from rows group by g", "g"),
        *differences(engines, windows, "from rows", "k"),
    ]
    return Trial(len(scalars) + len(groups) + len(windows), tuple(findings))


def differences(engines: Engines, pieces: list[Piece], tail: str, by: str) -> Iterator[str]:
    """What differs; of expressions that differ for the sake of one that they contain, only that one."""
    answers = engines.columns([piece.tree for piece in pieces], tail, by)
    wrong = [
        (piece, spark, duck)
        for piece, (spark, duck) in zip(pieces, answers, strict=True)
        if not _agrees(piece, spark, duck)
        and not (is_of_data(spark.error) != is_of_data(duck.error) and engines.fail_inside(piece.tree, "rows"))
    ]
    for piece, spark, duck in wrong:
        if not any(other.text != piece.text and other.text in piece.text for other, _, _ in wrong):
            yield f"{piece.text}: {piece.type}  ({tail})\n    spark  {spark}\n    duckdb {duck}"


def _agrees(piece: Piece, spark: Answer, duck: Answer) -> bool:
    if any(is_sum_on_the_way(piece.tree, answer.error) for answer in (spark, duck)):
        return True
    return spark.is_like(duck) and (bool(spark.error) or spark.type in (piece.type, None))
