"""Money for people."""

from __future__ import annotations

import pytest

from etlrun.enrich.dollars import dollars


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        (0.0, "$0"),
        (1234.5, "$1,234.50"),
        (0.1, "$0.10"),
        (0.0312, "$0.0312"),
        (0.001, "$0.0010"),
        (0.00003149, "$0.000031"),
        (3e-12, "less than $0.000001"),
    ],
)
def test_what_costs_something_is_never_shown_as_nothing(usd: float, shown: str) -> None:
    assert dollars(usd) == shown
