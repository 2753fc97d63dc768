"""The output columns of a prompt: their allowed answers, and the validation of answers."""

from __future__ import annotations

import math
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etlrun.diagnostics import nearest
from etlrun.language.columns import BOOLEAN, DOUBLE, STRING, Type
from etlrun.language.patterns import PatternError, read_pattern
from etlrun.spec.normal_form import normal_form

Value = str | float | bool
SEPARATOR = "|"  # between the labels of an answer that may hold several


class NotAllowed(Exception):
    """An answer that the output column does not allow; `str()` is the reason."""


@dataclass(frozen=True)
class Output(ABC):
    """A column that the model fills."""

    name: str
    about: str

    @property
    @abstractmethod
    def type(self) -> Type:
        """The type of the column."""

    @property
    @abstractmethod
    def longest(self) -> int:
        """The bytes of the longest answer: no answer takes more tokens."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of an answer."""

    @abstractmethod
    def read(self, value: object) -> Value:
        """The answer in `value`. Raises NotAllowed."""

    @abstractmethod
    def wording(self) -> str:
        """The description of the column for the model."""

    @property
    def domain(self) -> tuple[str, ...] | None:
        """All values that the column may contain, if they can be listed."""
        return None

    def sent(self, value: Value) -> object:
        """An answer as a JSON value."""
        return value

    def agrees(self, value: Value, right: Value) -> bool:
        """Whether an answer counts as the right one, in canaries and golden sets."""
        return value == right


@dataclass(frozen=True)
class LabelOutput(Output):
    """One of a fixed list of labels, each with a line that describes it."""

    labels: Mapping[str, str]

    type = STRING

    @property
    def domain(self) -> tuple[str, ...] | None:
        return tuple(self.labels)

    def unknown(self, text: str) -> str:
        """The parts of a text that are not labels."""
        return text

    @property
    def longest(self) -> int:
        return max(len(label.encode()) for label in self.labels) + 2

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.labels)}

    def read(self, value: object) -> str:
        if isinstance(value, str) and value in self.labels:
            return value
        raise NotAllowed("not one of the labels")

    def wording(self) -> str:
        lines = (f"- {label}: {about}" for label, about in self.labels.items())
        return "exactly one of these labels, written as here:\n" + "\n".join(lines)


@dataclass(frozen=True)
class LabelsOutput(LabelOutput):
    """One or more of a fixed list of labels: a text with `|` between them, in the order of the list."""

    @property
    def domain(self) -> tuple[str, ...] | None:
        return None

    @property
    def longest(self) -> int:
        return sum(len(label.encode()) + 4 for label in self.labels) + 2

    def unknown(self, text: str) -> str:
        return next((label for label in labels_in(text) if label not in self.labels), text)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": super().schema()}

    def read(self, value: object) -> str:
        found = labels_in(value) if isinstance(value, str) else value
        if not isinstance(found, (list, tuple)) or not all(isinstance(label, str) for label in found):
            raise NotAllowed("not a list of labels")
        if not found:
            raise NotAllowed("without a label")
        if not all(label in self.labels for label in found):
            raise NotAllowed("not one of the labels")
        return SEPARATOR.join(label for label in self.labels if label in found)

    def wording(self) -> str:
        lines = (f"- {label}: {about}" for label, about in self.labels.items())
        return "a list of one or more of these labels, written as here:\n" + "\n".join(lines)

    def sent(self, value: Value) -> object:
        return list(labels_in(str(value)))


def labels_in(text: str) -> tuple[str, ...]:
    """The labels of an answer that may have several."""
    return tuple(label.strip() for label in text.split(SEPARATOR) if label.strip())


def is_all_of(pattern: str, value: str) -> bool:
    """Whether a pattern matches a whole text, in time linear in its length. Raises PatternError."""
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = rf"\A(?:{read_pattern(pattern).re2})\z"
    try:
        return bool(pc.match_substring_regex(pa.scalar(value), whole).as_py())
    except pa.ArrowInvalid as error:
        raise PatternError("the pattern is too large", 0, "repeat its parts less often") from error


@dataclass(frozen=True)
class Text(Output):
    """A short text on one line; if there is a `pattern`, it must match the whole text."""

    max: int
    pattern: str = ""

    type = STRING

    @property
    def longest(self) -> int:
        return 4 * self.max + 2

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise NotAllowed("not a text")
        if any(unicodedata.category(character)[0] == "C" for character in value):
            raise NotAllowed("a text with control characters")
        if len(value) > self.max:
            raise NotAllowed(f"longer than {self.max} characters")
        if self.pattern and not is_all_of(self.pattern, value):
            raise NotAllowed("not of the wanted form")
        return value

    def agrees(self, value: Value, right: Value) -> bool:
        return normal_form(str(value)) == normal_form(str(right))

    def wording(self) -> str:
        form = f", matching the regular expression {self.pattern}" if self.pattern else ""
        return f"a text of at most {self.max} characters on one line{form}"


@dataclass(frozen=True)
class NumberOutput(Output):
    """A number between two limits, both included; an answer is right if it differs from the right number by at most `tolerance`."""

    min: float
    max: float
    tolerance: float = 0.0

    type = DOUBLE
    longest = 24

    def schema(self) -> dict[str, Any]:
        return {"type": "number"}

    def read(self, value: object) -> float:
        try:
            number = math.nan if isinstance(value, bool) or not isinstance(value, (int, float)) else float(value)
        except OverflowError:  # an integer of hundreds of digits
            number = math.inf
        if not math.isfinite(number):
            raise NotAllowed("not a number")
        if not self.min <= number <= self.max:
            raise NotAllowed(f"not between {self.min:g} and {self.max:g}")
        return number

    def agrees(self, value: Value, right: Value) -> bool:
        return abs(float(value) - float(right)) <= self.tolerance * (1 + 1e-9)

    def wording(self) -> str:
        return f"a number from {self.min:g} to {self.max:g}"


@dataclass(frozen=True)
class Truth(Output):
    """True or false."""

    type = BOOLEAN
    longest = 5

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}

    def read(self, value: object) -> bool:
        if isinstance(value, bool):
            return value
        raise NotAllowed("neither true nor false")

    def wording(self) -> str:
        return "true or false"


def read_text(output: Output, text: str) -> Value:
    """The answer in a cell of a CSV file. Raises NotAllowed."""
    if isinstance(output, Truth):
        return output.read({"true": True, "false": False}.get(text.strip().lower(), text))
    if isinstance(output, NumberOutput):
        try:
            return output.read(float(text))
        except ValueError:
            raise NotAllowed("not a number") from None
    return output.read(text)


def refusal(output: Output, text: str, error: NotAllowed) -> tuple[str, str, str]:
    """The code, message and fix of the mistake that the output does not allow the answer `text`."""
    labels = tuple(output.labels) if isinstance(output, LabelOutput) else ()
    text = output.unknown(text) if isinstance(output, LabelOutput) else text
    fix = nearest(text, labels) or (f"the labels are {', '.join(labels)}" if labels else "")
    if not text:
        return "wrong-value", "the answer is missing", fix
    return "unknown-label" if labels else "wrong-value", f"`{text}` is {error}", fix
