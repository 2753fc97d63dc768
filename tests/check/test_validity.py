"""The quick judge of a file's form: what it allows, the library for JSON Schema allows too, and it allows what has no mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from etlrun.diagnostics import SpecError
from etlrun.spec.pipeline import pipeline_schema as schema
from etlrun.spec.validity import is_allowed
from etlrun.spec.yaml_reader import read_document

ROOT = Path(__file__).parents[2]
BROKEN = sorted((ROOT / "tests" / "errors").glob("*.yaml"))
RIGHT = sorted([*ROOT.glob("pipelines/*.yaml"), *ROOT.glob("examples/*/pipelines/*.yaml")])


def values_of(paths: list[Path]) -> list[Any]:
    found = []
    for path in paths:
        try:
            found.append(read_document(path).value)
        except SpecError:  # not our YAML
            continue
    return found


def test_what_it_allows_is_allowed() -> None:
    judge = Draft7Validator(schema())
    allowed = [value for value in values_of(BROKEN) if is_allowed(value, schema())]
    assert len(allowed) > 20
    assert all(judge.is_valid(value) for value in allowed)


def test_it_refuses_what_is_refused() -> None:
    judge = Draft7Validator(schema())
    refused = [value for value in values_of(BROKEN) if not judge.is_valid(value)]
    assert len(refused) > 10
    assert not any(is_allowed(value, schema()) for value in refused)


def test_it_allows_what_has_no_mistake() -> None:
    judge = Draft7Validator(schema())
    pipelines = values_of([path for path in RIGHT if not path.name.endswith(".test.yaml")])
    right = [value for value in pipelines if judge.is_valid(value)]  # the others name shared sources
    assert len(right) > 3
    assert all(is_allowed(value, schema()) for value in right)


@pytest.mark.parametrize(
    ("value", "rule", "expected"),
    [
        (True, {"type": "integer"}, False),
        (True, {"type": ["string", "boolean"]}, True),
        (1, {"enum": [True]}, False),
        (1, {"type": "number", "minimum": 1, "maximum": 1}, True),
        (0, {"minimum": 1}, False),
        ("", {"minLength": 1}, False),
        ("ab", {"pattern": "b"}, True),
        ([], {"minItems": 1}, False),
        ([1, "a"], {"items": {"type": "integer"}}, False),
        ({"a": 1}, {"required": ["b"]}, False),
        ({"a": 1}, {"properties": {"b": {}}, "additionalProperties": False}, False),
        ({"a": 1}, {"additionalProperties": {"type": "string"}}, False),
        ({"a": 1, "b": 2}, {"maxProperties": 1}, False),
        (None, {"anyOf": [{"type": "string"}, {"type": "null"}]}, True),
        ("x", {"not": {"type": "integer"}}, False),
    ],
)
def test_a_keyword_judges_as_the_library_does_or_refuses(value: Any, rule: dict[str, Any], expected: bool) -> None:
    assert is_allowed(value, rule) == expected
    assert Draft7Validator(rule).is_valid(value) >= expected
