"""The schemas that editors read say of every kind and key what it is, with an example that is right, and where to read more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from etlrun.cli.schema import schemas
from etlrun.language.columns import SCALARS
from etlrun.language.type_texts import SPELLINGS

ROOT = Path(__file__).parents[2]
TEXTS = schemas()


def keys_of(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key that a schema describes, by the words that lead to it."""
    if isinstance(schema, list):
        for item in schema:
            yield from keys_of(item, path)
    elif isinstance(schema, dict):
        for name, item in schema.get("properties", {}).items():
            yield f"{path} {name}", item
            yield from keys_of(item, f"{path} {name}")
        for name, item in schema.items():
            if name not in ("properties", "examples"):
                yield from keys_of(item, path)


@pytest.mark.parametrize("name", TEXTS)
def test_every_key_has_words_an_example_and_a_page(name: str) -> None:
    for path, schema in keys_of(json.loads(TEXTS[name])):
        found = re.fullmatch(r"(?s).+ \((docs/\w+\.md)(?:#(\w+))?\)", schema["description"])
        assert found, path
        page = (ROOT / found[1]).read_text()
        assert not found[2] or re.search(rf"(?m)^##+ {found[2]}$", page), (path, found[2])
        assert len(schema["examples"]) == 1, f"give `key(..., example=...)` to{path}"
        Draft7Validator(schema).validate(schema["examples"][0])


@pytest.mark.parametrize(
    "spelling", [*SCALARS, *SPELLINGS, "String NOT NULL", "decimal( 3 )", "ARRAY<int>", "timestamp utc"]
)
def test_editors_know_every_type(spelling: str) -> None:
    schema = json.loads(TEXTS["pipeline"])["properties"]["steps"]["additionalProperties"]["items"]["properties"]["cast"]
    validator = Draft7Validator(schema)
    assert validator.is_valid({"a": spelling})
    assert not validator.is_valid({"a": f"{spelling}x"})
