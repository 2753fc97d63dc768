"""What a set of sample logs is made from."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

MAX_CONTRACTS = 8_000_000  # eight area codes of a million numbers each


@dataclass(frozen=True)
class Recipe:
    """Equal recipes give equal files, byte for byte, with one version of DuckDB.

    A contract makes about 1.1 lines a day, a user about 1.5 searches; `broken` lines come on top.
    """

    contracts: int
    users: int
    seed: int
    broken: int
    viewing_days: tuple[datetime.date, ...]
    search_days: tuple[datetime.date, ...]


@dataclass(frozen=True)
class Written:
    """What one kind of log came to."""

    folder: str
    days: int
    rows: int
    bytes: int
