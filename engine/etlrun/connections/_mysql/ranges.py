"""Splits the key space of a table into ranges with similar numbers of rows, using only the index.

If all rows of a range have the same value in the first column of the key, it is split by the next column. The first and the last range
are open, so that the ranges cover every possible key. The server, with the column's collation, decides what lies between two bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import takewhile
from typing import Literal, TypeVar

from etlrun.connections._mysql.session import MysqlSession
from etlrun.connections._mysql.tables import MysqlTable
from etlrun.connections._mysql.types import CHARSET
from etlrun.connections._mysql.words import name, table_name, text

CUT = (
    "tinyint",
    "smallint",
    "mediumint",
    "int",
    "bigint",
    "char",
    "varchar",
    "date",
    "datetime",
    "timestamp",
    "binary",
    "varbinary",
)
MOST_LOOKS = 8  # for each requested range
EVEN = 1.5  # how many times larger than the average a range may be
SURROGATES = range(0xD800, 0xE000)

Value = int | str | date | bytes
Letters = TypeVar("Letters", bound=Sequence[int])


@dataclass(frozen=True)
class KeyRange:
    """Keys whose first columns equal `same`, and whose next column is >= `low` and < `high`; None means open."""

    same: tuple[Value, ...] = ()
    low: Value | None = None
    high: Value | None = None

    def condition(self, key: Sequence[str]) -> str:
        """The range in SQL; empty for all keys."""
        column = name(key[min(len(self.same), len(key) - 1)])
        parts = [f"{name(each)} = {_literal(value)}" for each, value in zip(key, self.same, strict=False)]
        parts += [f"{column} >= {_literal(self.low)}"] if self.low is not None else []
        parts += [f"{column} < {_literal(self.high)}"] if self.high is not None else []
        return " AND ".join(parts)


class Cutter:
    """Splits the keys of one table. `session` should see the same snapshot as the readers of the ranges."""

    def __init__(self, session: MysqlSession, there: MysqlTable) -> None:
        self.session = session
        self.there = there

    def cut(self, wanted: int) -> tuple[str, ...]:
        """Roughly the requested number of conditions, in the order of the key; a single one if the key cannot be split."""
        ranges = [KeyRange()]
        rows = {ranges[0]: self.estimate(ranges[0])}
        enough = EVEN * rows[ranges[0]] / wanted
        whole: set[KeyRange] = set()
        for _ in range(MOST_LOOKS * wanted):
            largest = max((each for each in ranges if each not in whole), key=lambda each: rows[each], default=None)
            if largest is None or rows[largest] <= enough:
                break
            parts = self._parts(largest)
            if not parts:
                whole.add(largest)
                continue
            at = ranges.index(largest)
            ranges[at : at + 1] = parts
            rows.update((part, self.estimate(part)) for part in parts)
        return tuple(each.condition(self.there.key) for each in ranges)

    def estimate(self, within: KeyRange) -> int:
        """The optimizer's estimate of the rows in a range. MySQL does not estimate if an index is forced."""
        rows = self._from(within, hint="USE")
        plan = self.session.named(f"EXPLAIN FORMAT=TRADITIONAL SELECT {name(self.there.key[0])} FROM {rows}")
        return int(plan["rows"] or 0)

    def _parts(self, within: KeyRange) -> tuple[KeyRange, ...]:
        """The range split into smaller ones; empty if that is not possible."""
        if len(within.same) == len(self.there.key) or not self._is_cut(len(within.same)):
            return ()
        low, high = self._ends(within)
        if not isinstance(low, Value) or type(low) is not type(high):
            return ()
        middle = self._first(within, low, self._middle(len(within.same), low, high))
        if middle is None:  # for example if the server's order is different
            middle = self._first(within, low, None)
        if middle is None:  # all rows have the same value in this column
            return (KeyRange((*within.same, low)),)
        return replace(within, high=middle), replace(within, low=middle)

    def _is_cut(self, column: int) -> bool:
        stored = self.there.column(self.there.key[column])
        return stored is not None and stored.kind in CUT

    def _ends(self, within: KeyRange) -> tuple[object, ...]:
        """The smallest and the largest value of the column by which a range is split next."""
        column = name(self.there.key[len(within.same)])
        ordered = f"SELECT {column} FROM {self._from(within)} ORDER BY {column}"
        return self.session.one(f"SELECT ({ordered} LIMIT 1), ({ordered} DESC LIMIT 1)")

    def _first(self, within: KeyRange, above: Value, from_: Value | None) -> Value | None:
        """The first value of a range that is greater than one bound, and not less than the other."""
        column = name(self.there.key[len(within.same)])
        wanted = f"{column} > {_literal(above)}" + (f" AND {column} >= {_literal(from_)}" if from_ is not None else "")
        found = self.session.rows(f"SELECT {column} FROM {self._from(within, wanted)} ORDER BY {column} LIMIT 1")
        return next((row[0] for row in found if isinstance(row[0], Value)), None)

    def _from(self, within: KeyRange, more: str = "", *, hint: Literal["FORCE", "USE"] = "FORCE") -> str:
        """FROM with the primary key forced, so that the server never scans the whole table."""
        conditions = " AND ".join(part for part in (within.condition(self.there.key), more) if part)
        return f"{table_name(self.there.table)} {hint} INDEX (PRIMARY)" + (f" WHERE {conditions}" if conditions else "")

    def _middle(self, column: int, low: Value, high: object) -> Value | None:
        """A value greater than one and at most the other; None if the server's order is not known well enough."""
        if isinstance(low, str) and isinstance(high, str):
            stored = self.there.column(self.there.key[column])
            assert stored is not None
            is_by_code = stored.collation.endswith("_bin")
            found = middle_text(low, high) if is_by_code else middle_text(low.upper(), high.upper())
            return found if found.isascii() or stored.collation.startswith(CHARSET) else None
        if isinstance(low, bytes) and isinstance(high, bytes):
            return bytes(_middle_letters(low, high))
        if isinstance(low, date) and isinstance(high, date):  # a datetime is one
            return high - (high - low) / 2
        return (low + high + 1) // 2 if isinstance(low, int) and isinstance(high, int) else None


def middle_text(low: str, high: str) -> str:
    """A text between two others (the larger one included), by the code points of their characters."""
    letters = list(_middle_letters([ord(letter) for letter in low], [ord(letter) for letter in high]))
    if letters and letters[-1] in SURROGATES:  # which are no characters
        letters[-1] = SURROGATES.stop
    return "".join(map(chr, letters))


def _middle_letters(low: Sequence[int], high: Sequence[int]) -> Iterator[int]:
    """The common prefix of both, and then a letter one above that of the smaller text."""
    alike = list(takewhile(lambda pair: pair[0] == pair[1], zip(low, high, strict=False)))
    yield from (letter for letter, _ in alike)
    before = low[len(alike)] if len(low) > len(alike) else -1
    if len(high) > len(alike):
        yield (before + high[len(alike)] + 1) // 2


def _literal(value: Value) -> str:
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, datetime):
        return text(value.isoformat(" "))
    return str(value) if isinstance(value, int) else text(str(value))
