"""What every kind of every family promises to its readers: a docstring that opens with its key, and a sentence for every field."""

from __future__ import annotations

import dataclasses
import sys

import pytest
from examples_of import parameters

from etlrun.spec.fields import described_fields, yaml_name
from etlrun.spec.registry import FAMILIES, kinds

KINDS = [(family, name, cls) for family in FAMILIES for name, cls in kinds(family).items()]
FILLED_IN = {  # what no YAML says: the checker puts it there
    ("sources", "delta"): {"root"},
    ("sources", "files"): {"root"},
    ("sources", "table"): {"published", "published_at"},
}
each_kind = pytest.mark.parametrize(
    ("family", "name", "cls"), KINDS, ids=[f"{family}-{name}" for family, name, _ in KINDS]
)


@each_kind
def test_the_docstring_opens_with_the_key_and_what_it_does(family: str, name: str, cls: type) -> None:
    first = (sys.modules[cls.__module__].__doc__ or "").splitlines()[0]
    assert first.startswith(f"`{name}` - ")
    assert cls.__doc__ is not None and len(cls.__doc__.splitlines()[0]) > 10


@each_kind
def test_every_field_is_documented(family: str, name: str, cls: type) -> None:
    described = described_fields(cls)
    filled_in = FILLED_IN.get((family, name), set())
    assert {item.name for item in dataclasses.fields(cls)} - {item.name for item in described} == filled_in
    for item in described:
        assert len(item.metadata["doc"]) >= 10, f"`{yaml_name(item)}` of `{name}` is not documented"


@pytest.mark.parametrize("family", ["steps", "checks"])
def test_every_step_and_check_has_an_example(family: str) -> None:
    assert {parameter.values[0] for parameter in parameters(family)} == set(kinds(family))  # type: ignore[arg-type]
