"""Every step and check, found as the product finds them: its example runs, and its documentation is whole."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import pytest

from etlrun.spec.fields import described_fields, yaml_name
from etlrun.spec.registry import kinds
from running import both, check, in_order
from tables import Example, examples

BUILT_IN = [
    (family, name, cls)
    for family in ("steps", "checks")
    for name, cls in kinds(family).items()
    if cls.__module__.startswith("etlrun.")
]
EXAMPLES = [
    pytest.param(name, example, id=f"{family}-{name}-{number}")
    for family, name, cls in BUILT_IN
    for number, example in enumerate(examples(sys.modules[cls.__module__].__doc__ or ""))
]
each_kind = pytest.mark.parametrize(
    ("family", "name", "cls"), BUILT_IN, ids=[f"{family}-{name}" for family, name, _ in BUILT_IN]
)


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_the_example_holds_on_both_engines_with_the_columns_it_declares(
    name: str, example: Example, spark: Any, duck: Any, tmp_path: Path
) -> None:
    for bench in both(spark, duck, tmp_path, example):
        for relation in bench.plan.checked.pipeline.chains:
            declared = bench.plan.relation(relation).columns
            found = bench.rows(relation)
            assert (found.names, found.types) == (declared.names, tuple(column.type for column in declared))
        if example.outcome.verdict:
            (relation,) = bench.plan.checked.pipeline.checks
            verdict = bench.verdict(relation)
            assert f"{'holds' if verdict.holds else 'fails'}: {verdict.detail}" == example.outcome.verdict
        else:
            assert (found.names, found.rows) == (example.outcome.names, in_order(example.outcome.rows(declared)))
            assert example.outcome.types.items() <= {column.name: column.type for column in declared}.items()


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_the_example_uses_the_kind(name: str, example: Example, tmp_path: Path) -> None:
    pipeline = check(tmp_path, example).pipeline
    uses = [use for group in (*pipeline.chains.values(), *pipeline.checks.values()) for use in group]
    assert name in {use.kind for use in uses}


@each_kind
def test_every_kind_has_an_example(family: str, name: str, cls: type) -> None:
    assert any(parameter.values[0] == name for parameter in EXAMPLES)


@each_kind
def test_the_docstring_opens_with_the_key_and_what_it_does(family: str, name: str, cls: type) -> None:
    first = (sys.modules[cls.__module__].__doc__ or "").splitlines()[0]
    assert first.startswith(f"`{name}` - ")
    assert cls.__doc__ is not None and len(cls.__doc__.splitlines()[0]) > 10


@each_kind
def test_every_field_is_documented(family: str, name: str, cls: type) -> None:
    assert len(described_fields(cls)) == len(dataclasses.fields(cls))
    for item in described_fields(cls):
        assert len(item.metadata["doc"]) >= 10, f"`{yaml_name(item)}` of `{name}` is not documented"


def test_checks_say_how_severe_they_are() -> None:
    for name, cls in kinds("checks").items():
        assert "severity" in {item.name for item in described_fields(cls)}, name
