"""The right answer for a key: known for some, and for all others a fixed function of the key."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Truth:
    """Right answers; `known` are given (the canaries of a prompt), the rest follow from the key's bytes."""

    known: Mapping[str, str] = field(default_factory=dict)

    def label(self, key: str, labels: Sequence[str]) -> str:
        """The right label of a key among `labels`."""
        if self.known.get(key) in labels:
            return self.known[key]
        return labels[_number(key) % len(labels)]

    def answer(self, key: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The right answer for each field of an answer's schema."""
        return {name: self._value(key, name, schema) for name, schema in fields.items()}

    def _value(self, key: str, name: str, schema: Mapping[str, Any]) -> Any:
        if "enum" in schema:
            return self.label(key, schema["enum"])
        if schema.get("type") == "array":
            labels = schema["items"]["enum"]
            return [label for label in reversed(labels) if _number(label + key) % 2] or labels[:1]
        number = _number(f"{name}:{key}")
        if schema.get("type") == "number":
            return number % 101 / 100
        return number % 2 == 0 if schema.get("type") == "boolean" else f"text {number % 97}"


def fields_of(schema: Mapping[str, Any] | None, system: str) -> dict[str, Any]:
    """The fields of an answer: from its schema or, where none was sent, from the labels that the rules list."""
    if schema:
        properties = dict(schema["properties"]["labels"]["items"]["properties"])
        properties.pop("i")
        return properties
    labels = re.findall(r"^- ([^:\n]+): ", system, re.MULTILINE)
    return {"c": {"enum": labels}}


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
