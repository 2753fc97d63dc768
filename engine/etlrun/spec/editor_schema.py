"""JSON Schemas for editors: with validation, descriptions, examples and links to the reference."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from etlrun.language.columns import NESTED, SCALARS
from etlrun.language.type_texts import SPELLINGS
from etlrun.spec.fields import Schema
from etlrun.spec.registry import FAMILIES
from etlrun.spec.yaml_reader import parse_document

_BLOCK = re.compile(r"^```(?:yaml|markdown)[^\n]*\n(?:---\n)?(.*?)^(?:---|```)$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Documented:
    """The page of the reference that describes a file or a kind, and the YAML values of its examples."""

    page: str
    examples: tuple[Any, ...]

    def first(self, name: str, schema: Schema) -> Iterator[Any]:
        """The first example of a key that its schema allows, if there is one."""
        is_valid = _judge(schema)
        yield from [found for example in self.examples for found in _values_of(example, name) if is_valid(found)][:1]


def editor_text(schema: Schema, page: str, module: str) -> str:
    """A schema as a file for editors; its descriptions come from the docstring of `module` and link to `page` of the reference."""
    described = _described(schema, Documented(page, _examples_in(sys.modules[module].__doc__ or "")))
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


def _described(schema: Any, reference: Documented) -> Any:
    if isinstance(schema, list):
        return [_described(item, reference) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {}
    for name, value in schema.items():
        if name == "properties":
            property_ = _kind if "x-kind" in schema else _key
            found[name] = {key: property_(key, item, reference) for key, item in value.items()}
        elif not name.startswith("x-"):
            found[name] = _described(value, reference)
    return (
        _FORMS[schema["x-editor"]] | {name: found[name] for name in ("description", "default") if name in found}
        if "x-editor" in schema
        else found
    )


def _kind(name: str, schema: Schema, reference: Documented) -> Schema:
    """The schema of a kind under its name, with the first sentence and the first example of its module."""
    cls = schema.get("x-class")
    if cls is None:
        return _key(name, schema, reference)
    doc = sys.modules[cls.__module__].__doc__ or ""
    folder = cls.__module__.split(".")[1]
    page = f"docs/{folder}.md" if folder in FAMILIES else reference.page
    payloads = tuple(found for example in _examples_in(doc) for found in _values_of(example, name))
    is_only_one = doc.startswith(f"`{name}` - ")
    sentence = doc.split("\n", 1)[0].split(" - ", 1)[-1] if is_only_one else (cls.__doc__ or "").strip().split("\n")[0]
    short = schema.get("x-short", "")
    own = Documented(f"{page}#{name}", (*payloads, *({short: payload} for payload in payloads if short)))
    found = _described(schema, own)
    is_valid = _judge(found)
    return {**found, **_help(sentence.rstrip("."), own, [payload for payload in payloads if is_valid(payload)][:1])}


def _key(name: str, schema: Schema, reference: Documented) -> Schema:
    found: Schema = _described(schema, reference)
    own = [schema["x-example"]] if "x-example" in schema else [*reference.first(name, found), *_samples(found)]
    return {**found, **_help(found.get("description", ""), reference, own[:1])}


def _help(sentence: str, reference: Documented, examples: Any) -> Schema:
    """The help that editors show: some show Markdown, some only the plain description, and examples separately."""
    text = sentence[:1].upper() + sentence[1:]
    return {
        "description": f"{sentence} ({reference.page})",
        "markdownDescription": f"{text}\n\n[{reference.page}]({reference.page})",
        "examples": [*examples],
    }


def _samples(schema: Schema) -> Iterator[Any]:
    """Example values for a key: first those that are not its default."""
    choices = [schema, *schema.get("anyOf", ())]
    usual = [schema["default"]] if "default" in schema else []
    for choice in choices:
        yield from (value for value in choice.get("enum", ()) if value not in (*usual, None))
        if choice.get("type") == "boolean":
            yield not usual[0] if usual else True
    yield from usual


def _examples_in(doc: str) -> tuple[Any, ...]:
    return tuple(parse_document(block[1], "").value for block in _BLOCK.finditer(doc))


def _values_of(value: Any, name: str) -> Iterator[Any]:
    """All values under a key, anywhere in a YAML value."""
    if isinstance(value, dict):
        if name in value:
            yield value[name]
        for inner in value.values():
            yield from _values_of(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _values_of(inner, name)


def _any_case(word: str) -> str:
    return "".join(f"[{letter.upper()}{letter}]" if letter.isalpha() else letter for letter in word)


_USUAL_TYPES = [
    *(f"{name}(18,2)" if name == "decimal" else name for name in SCALARS),
    "array<string>",
    "struct<name: string>",
    "array<struct<name: string>>",
    "map<string, string>",
    "string not null",
]
_SIMPLE = "|".join(_any_case(name) for name in (*SCALARS, *SPELLINGS))
_NESTED = "|".join(_any_case(name) for name in NESTED)
_UTC = rf"{_any_case('timestamp')}\s+{_any_case('utc')}"
_TYPE = rf"{_UTC}|({_SIMPLE})(\s*\(\s*\d+\s*(,\s*\d+\s*)?\))?|({_NESTED})\s*<.+>"
_NOT_NULL = rf"(\s+{_any_case('not')}\s+{_any_case('null')})?"
_FORMS: dict[str, Schema] = {
    "type": {
        "anyOf": [{"enum": _USUAL_TYPES}, {"type": "string", "pattern": rf"^\s*({_TYPE}){_NOT_NULL}\s*$|\$"}],
    }
}
"""Types and ages are texts for the checker, which parses them itself. Here an editor gets their usual forms, to complete them and mark misspelled ones."""


def _judge(schema: Schema) -> Callable[[Any], bool]:
    from jsonschema import Draft7Validator  # a tenth of a second, for those who write files for editors

    return Draft7Validator(schema).is_valid
