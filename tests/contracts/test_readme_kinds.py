"""The step that engine/README.md adds in ten minutes works as it says, from its text alone."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import etlrun.steps
from etlrun.diagnostics import SpecError, format_text
from etlrun.spec.pipeline import pipeline_schema
from etlrun.spec.registry import kinds
from running import both, check
from tables import examples

README = Path(__file__).parent.parent / "engine" / "README.md"


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module of the README's step, found by the product where steps are found."""
    text = README.read_text(encoding="utf-8")
    name, code = re.search(r"all of `steps/(\w+)\.py`:\n\n````python\n(.*?)````", text, re.DOTALL).groups()  # type: ignore[union-attr]
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / f"{name}.py").write_text(code)
    monkeypatch.setattr(etlrun.steps, "__path__", [*etlrun.steps.__path__, str(tmp_path / "steps")])
    kinds.cache_clear()
    pipeline_schema.cache_clear()
    kinds("steps")
    yield sys.modules[f"etlrun.steps.{name}"]
    del sys.modules[f"etlrun.steps.{name}"]
    kinds.cache_clear()
    pipeline_schema.cache_clear()


def test_its_example_holds_on_both_engines(step: Any, spark: Any, duck: Any, tmp_path: Path) -> None:
    (example,) = examples(step.__doc__)
    for bench in both(spark, duck, tmp_path, example):
        rows = bench.rows("sold")
        assert rows.names == example.outcome.names
        assert rows.rows == [("A", 3)]


def test_its_mistakes_are_shown_under_the_word(step: Any, tmp_path: Path) -> None:
    (example,) = examples(step.__doc__.replace("[shop, units]", "[shop, unit]"))
    with pytest.raises(SpecError) as error:
        check(tmp_path, example)
    shown = format_text(error.value.diagnostics)
    assert "unknown-column: there is no column `unit` here" in shown
    assert "= did you mean `units`?" in shown


def test_it_is_gone_afterwards() -> None:
    assert "complete" not in kinds("steps")
