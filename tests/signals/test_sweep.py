"""A few signals at random moments of runs; `make signals` sends thousands."""

from __future__ import annotations

import random
from pathlib import Path

from .sweep import Shop, sweep


def test_a_signal_at_a_random_moment_leaves_the_old_rows_or_the_new_ones(tmp_path: Path) -> None:
    swept = sweep(Shop(tmp_path, "duckdb"), 6, random.Random(7))
    assert swept.wrong == []
    assert sum(swept.ends.values()) == 6
