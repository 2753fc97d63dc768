"""How right answers are, for each kind of output: what counts as right, and the figures."""

from __future__ import annotations

import posing
import pytest

from etlrun.enrich.scores import score
from etlrun.spec.outputs import Output

TEXT = """\
---
task: t
output:
  l: {labels: {x: one, y: two, z: three}, many: true}
  n: {number: {min: 0, max: 1, tolerance: 0.1}}
  t: {string: {max: 20}}
  b: {boolean: true}
canaries:
  - {key: naruto, n: 0.7}
---
"""


def output(name: str) -> Output:
    return posing.prompt(TEXT).output(name)


def test_each_label_of_several_counts_by_itself() -> None:
    found = score(output("l"), [("x|y", "x"), ("y", "y"), ("z", None)])
    assert (found.keys, found.answered, found.right) == (3, 2, 1)
    assert [(label.label, label.wanted, label.given, label.right) for label in found.labels] == [
        ("y", 2, 1, 1),
        ("x", 1, 1, 1),
        ("z", 1, 0, 0),
    ]


def test_a_number_within_the_tolerance_is_right() -> None:
    found = score(output("n"), [(0.7, 0.8), (0.7, 0.9), (0.0, None)])
    assert (found.right, found.answered, found.labels) == (1, 2, ())
    assert found.mean_error == pytest.approx(0.15)
    assert posing.prompt(TEXT).agrees({"n": 0.6}, posing.prompt(TEXT).canaries[0].answer)


def test_a_text_is_right_in_any_spelling_and_a_truth_as_it_is() -> None:
    assert score(output("t"), [("Hàn Quốc", "hàn  quốc"), ("a", "b")]).right == 1
    assert [label.label for label in score(output("b"), [(True, True), (False, True)]).labels] == ["false", "true"]
