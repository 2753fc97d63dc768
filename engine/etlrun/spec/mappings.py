"""Mappings: A mapping groups codes under labels. It is a file in `mappings/`, and people who know the content can review it.

```yaml
TV: [CHANNEL, KPLUS]
Film: VOD
```

If the labels are personal data, add the line `$tags: pii`: then no label is sent to a model, unless the step allows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from etlrun.diagnostics import Diagnostic, SpecError
from etlrun.spec.editor_schema import editor_text
from etlrun.spec.fields import Schema
from etlrun.spec.located import Document


@dataclass(frozen=True)
class Mapping:
    """Labels in their order, each with the codes that belong to it."""

    name: str
    entries: tuple[tuple[str, tuple[str, ...]], ...]
    is_personal: bool = False

    @property
    def file(self) -> str:
        """The path of its file inside the project."""
        return file_of_mapping(self.name)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        return tuple(label for label, _ in self.entries)


def file_of_mapping(name: str) -> str:
    return f"mappings/{name}.yaml"


def read_mapping(document: Document, name: str) -> Mapping:
    """Read `label: [codes]` (one code may stand alone). Raises SpecError with every mistake in the file."""
    problems: list[Diagnostic] = []
    entries: list[tuple[str, tuple[str, ...]]] = []
    owners: dict[str, str] = {}
    if not isinstance(document.value, dict) or not document.value:
        raise SpecError([document.diagnose((), "wrong-value", "a mapping is expected: `label: [code, code]`")])
    is_personal = TAGS in document.value
    problems += _wrong_tags(document)
    turned = _turned_round(document)
    if turned is not None:
        raise SpecError([turned])
    for label, codes in _labels(document).items():
        places = [(label, index) for index in range(len(codes))] if isinstance(codes, list) else [(label,)]
        found: list[str] = []
        for place in places:
            code = document.scalars.get(place)
            if code is None:
                problems.append(
                    document.diagnose(place, "wrong-value", "a code is plain text", "write `label: [code, code]`")
                )
                continue
            if code in owners:
                message = f"the code `{code}` is already under `{owners[code]}`"
                problems.append(document.diagnose(place, "yaml-duplicate-key", message, "keep it under only one label"))
            owners[code] = label
            found.append(code)
        entries.append((label, tuple(found)))
    if problems:
        raise SpecError(problems)
    return Mapping(name, tuple(entries), is_personal)


TAGS = "$tags"  # no label begins with `$`, which marks a variable everywhere else


def mapping_schema_text() -> str:
    """The schema of a mapping as a file, for editors."""
    code: Schema = {"type": ["string", "number", "boolean"]}
    tags: Schema = {
        "enum": ["pii"],
        "description": "`pii`: the labels are personal data, which a step `enrich` sends to a model only if it allows them",
    }
    schema: Schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "an etlrun mapping",
        "description": "the labels in their order, each with its codes",
        "type": "object",
        "properties": {TAGS: tags},
        "additionalProperties": {"anyOf": [{"type": "array", "items": code, "minItems": 1}, code]},
        "minProperties": 1,
    }
    return editor_text(schema, "docs/steps.md#lookup", __name__)


def _labels(document: Document) -> dict[str, object]:
    return {label: codes for label, codes in document.value.items() if label != TAGS}


def _wrong_tags(document: Document) -> Iterator[Diagnostic]:
    """Report unknown tags, and tags without any label."""
    if TAGS in document.value and document.value[TAGS] not in ("pii", ["pii"]):
        yield document.diagnose((TAGS,), "wrong-value", "`pii` is the only tag", "write `$tags: pii`")
    if set(document.value) == {TAGS}:
        yield document.diagnose((), "wrong-value", "a mapping is expected: `label: [code, code]`")


def _turned_round(document: Document) -> Diagnostic | None:
    """The mistake of a mapping from code to label; None if labels come first."""
    labels = _labels(document)
    values = list(labels.values())
    keys_of: dict[object, list[str]] = {}
    if any(isinstance(value, (list, dict)) for value in values):
        return None
    for name, value in labels.items():
        keys_of.setdefault(value, []).append(str(name))
    label, codes = max(keys_of.items(), key=lambda item: len(item[1]))
    if len(codes) < 2 or label is None:
        return None
    message = f"this mapping is the wrong way round: `{label}` is the value of {' and '.join(f'`{code}`' for code in codes[:3])}"
    return document.diagnose_key(
        (codes[1],),
        "wrong-value",
        message,
        f"write the label first, then its codes: `{label}: [{', '.join(codes[:3])}]`",
    )
