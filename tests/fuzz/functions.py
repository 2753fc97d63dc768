"""Every row of the function table: each argument once as null, and columns that hold the edges of every type. A new row is tried too."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from etlrun.language.functions import Function

from .engines import Engines, arrow_table
from .expressions import compared
from .grammar import EXACT, Grammar, Piece
from .rows import COLUMNS, random_rows
from .trials import Trial

ATTEMPTS = 300  # to find arguments that the checker takes


def try_some(seed: int, engines: Engines) -> Trial:
    """Call every function over one table of odd rows."""
    random = Random(seed)
    rows = random_rows(random, random.choice([1, 1, 6, 12]))
    engines.take({"rows": arrow_table(COLUMNS, rows)})
    grammar = Grammar(random, COLUMNS)
    scalars = [piece for row in EXACT if row.kind == "scalar" for piece in _calls(grammar, row)]
    groups = [piece for row in EXACT if row.kind == "aggregate" for piece in _calls(grammar, row)]
    windows = [piece for row in EXACT if row.kind != "scalar" for piece in _calls(grammar, row, " over (order by k)")]
    return compared(engines, scalars, groups, windows, len(rows))


def untried(seed: int) -> list[str]:
    """The functions of which no call passes the checker: the grammar lacks a literal for them."""
    grammar = Grammar(Random(seed), COLUMNS)
    return [
        row.name
        for row in EXACT
        if not list(_calls(grammar, row, " over (order by k)" if row.kind == "window" else ""))
    ]


def _calls(grammar: Grammar, row: Function, tail: str = "") -> Iterator[Piece]:
    """One call of arguments as they come, and one with a null at each place that takes one."""
    wanted = [-1, *range(len(row.takes))]
    for place in wanted:
        for _ in range(ATTEMPTS):
            made = grammar.made(grammar.whole_call(row, place, tail))
            if made:
                yield made[0]
                break
