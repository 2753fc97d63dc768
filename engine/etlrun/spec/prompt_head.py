"""The front matter of a prompt file: its keys, and their JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from etlrun.spec.fields import Described, Label, Schema, key, schema_of_class


@dataclass(frozen=True)
class TextLimits(Described):
    """The limits of a text answer."""

    max: int = key("the largest number of characters, up to 200", example=40)
    pattern: str = key("a regular expression that the whole text must match", default="", example="[A-Z]{2}[0-9]+")


@dataclass(frozen=True)
class NumberLimits(Described):
    """The limits of a number, both included."""

    min: float = key("the smallest number allowed", example=0)
    max: float = key("the largest number allowed", example=100)
    tolerance: float = key(
        "the largest difference from the right number that is accepted in canaries and golden sets", default=0.0
    )


@dataclass(frozen=True)
class OutputColumn(Described):
    """A column of answers; exactly one of labels, string, number and boolean gives its type."""

    about: str = key("the meaning of the answer; the model sees it", default="")
    labels: Mapping[str, Label] = key("the allowed labels, each with a one-line description", factory=dict)
    many: bool = key("whether an answer may have several labels: a text with `|` between them", default=False)
    string: TextLimits | None = key("a short text", default=None, example={"max": 40})
    number: NumberLimits | None = key("a number", default=None, example={"min": 0, "max": 100})
    boolean: bool = key("true or false", default=False)


@dataclass(frozen=True)
class Head(Described):
    """The front matter of a prompt file."""

    task: str = key("the task for each key, in one sentence")
    output: Mapping[str, OutputColumn] = key("the columns of answers")
    keys: tuple[str, ...] = key(
        "the names of the parts of a key, if it has several columns", default=(), example=("title", "description")
    )
    examples: tuple[Mapping[str, tuple[Label, ...]], ...] = key(
        "a list of keys with their right answers, such as `- {key: naruto, topic: Series}`; the model sees them",
        default=(),
    )
    canaries: tuple[Mapping[str, tuple[Label, ...]], ...] = key(
        "a list of keys with a known answer, such as `- {key: naruto, topic: Series}`; every request contains some of "
        "them, to check the model",
        default=(),
    )


@cache
def prompt_schema() -> Schema:
    """The JSON Schema of a prompt's front matter."""
    schema = schema_of_class(Head)
    schema["x-place"] = "a prompt"
    schema["properties"]["output"]["minProperties"] = 1
    return schema
