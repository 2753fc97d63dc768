"""Infers the type that can hold all values that were seen of a JSON column."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from etlrun.language.columns import written_name
from etlrun.language.type_texts import TypeTextError, parse_type
from etlrun.reading.record_values import JsonNumber

MOST_FIELDS = 40  # a struct with more fields is not readable in a specification


@dataclass
class JsonShape:
    """What was seen in one place: names of scalar types, the fields of objects, the elements of lists."""

    scalars: set[str] = field(default_factory=set)
    fields: dict[str, JsonShape] = field(default_factory=dict)
    element: JsonShape | None = None

    @property
    def has_values(self) -> bool:
        """Whether a value other than null was seen."""
        return bool(self.scalars or self.fields) or self.element is not None

    def see(self, value: Any) -> None:
        """Take one more value into account."""
        if isinstance(value, dict):
            for name, inner in value.items():
                self.fields.setdefault(name, JsonShape()).see(inner)
        elif isinstance(value, list):
            self.element = self.element or JsonShape()
            for inner in value:
                self.element.see(inner)
        elif value is not None:
            self.scalars.add(_scalar_type(value))

    def type_text(self) -> str:
        """The type, such as `array<struct<name string>>`; empty if no type can hold all values."""
        text = self._written()
        try:
            parse_type(text)
        except TypeTextError:
            return ""
        return text

    def _written(self) -> str:
        if bool(self.scalars) + bool(self.fields) + (self.element is not None) > 1:
            return ""
        if self.element is not None:
            return f"array<{self.element._written()}>"
        if len(self.fields) > MOST_FIELDS:
            return ""
        if self.fields:
            fields = (f"{written_name(name)} {shape._written()}" for name, shape in self.fields.items())
            return f"struct<{', '.join(fields)}>"
        if len(self.scalars) == 1:
            return next(iter(self.scalars))
        return "double" if self.scalars == {"bigint", "double"} else "string"


def _scalar_type(value: Any) -> str:
    if isinstance(value, JsonNumber):
        return "bigint" if re.fullmatch(r"-?\d{1,18}", value) else "double"
    return "boolean" if isinstance(value, bool) else "string"
