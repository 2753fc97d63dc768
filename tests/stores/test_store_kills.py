"""kill -9 of a run at some of its requests that write to a store; `make sweep` tries all of them."""

from __future__ import annotations

import os

import pytest
from kills_in_stores import WAYS, kill_at_writes
from store_projects import Lake, another_machine, with_runs

MOST = int(os.environ.get("ETLRUN_TEST_MOMENTS", "3"))


@pytest.mark.parametrize("way", [way for way in WAYS if way not in ("iceberg, append", "iceberg, merge")])
def test_a_run_that_is_killed_while_it_publishes_leaves_the_old_rows_or_the_new_ones_and_the_next_run_ends_well(
    lake: Lake, way: str
) -> None:
    killed = kill_at_writes(lake, WAYS[way], MOST)
    assert killed.wrong == []
    assert killed.moments >= 4


@pytest.mark.parametrize("way", ["folder", "delta, append"])
def test_a_run_that_is_killed_is_followed_up_by_a_machine_that_has_only_the_store(lake: Lake, way: str) -> None:
    killed = kill_at_writes(with_runs(lake), WAYS[way], MOST, another_machine)
    assert killed.wrong == []
    assert killed.moments >= 4
