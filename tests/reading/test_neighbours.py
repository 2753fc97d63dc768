"""Groups of neighbouring things that have a limited size together."""

from __future__ import annotations

import pytest

from etlrun.reading.neighbours import neighbours


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [
        ([], []),
        ([4, 6, 1], [(4, 6), (1,)]),
        ([4, 7, 3, 0], [(4,), (7, 3, 0)]),
        ([1, 99, 1], [(1,), (99,), (1,)]),
        ([0, 11, 0], [(0,), (11,), (0,)]),
    ],
)
def test_sizes_are_up_to_ten_together_or_that_of_one_item(sizes: list[int], groups: list[tuple[int, ...]]) -> None:
    assert list(neighbours(sizes, lambda size: size, 10)) == groups
