"""The line is cut at many bytes of the protocol; `python -m tests.mysql.sweep --all` does it at every byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .loads import Place
from .sweep import sweep


@pytest.mark.parametrize("loader", ["insert", "load_data"])
@pytest.mark.parametrize("publish", ["transaction", "pointer"])
@pytest.mark.parametrize("least", [1, 1_000])
def test_a_line_that_is_cut_anywhere_costs_another_try_and_nothing_else(
    place: Place, tmp_path: Path, loader: Any, publish: Any, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etlrun.warehouse.slices.LEAST", least)
    swept = sweep(place, tmp_path, loader, publish)
    assert swept.wrong == []
    assert swept.points > 60
