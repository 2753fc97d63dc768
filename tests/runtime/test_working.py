"""Long work gives its result, shows how far it is, and raises what went wrong."""

from __future__ import annotations

import threading

import pytest

from etlrun.working import in_background, wait_for, work


def test_the_result_of_the_work_is_given_and_somebody_looks_meanwhile() -> None:
    looks = threading.Event()

    def action() -> int:
        looks.wait(30)
        return 7

    assert work(action, looks.set, lambda: None) == 7


def test_what_the_work_raises_is_raised_where_it_is_waited_for() -> None:
    def action() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        work(action, lambda: None, lambda: None)
    with pytest.raises(ValueError, match="no"):
        wait_for(in_background(action))
