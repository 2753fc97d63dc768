"""What differs between the two APIs: how a request is read and how an answer or a failure is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .wire import Call, Response


@dataclass(frozen=True)
class Asked:
    """A request for answers."""

    system: str
    user: str
    schema: Mapping[str, Any] | None
    model: str
    limit: int  # tokens that an answer may have, thoughts included


@dataclass(frozen=True)
class Answer:
    """An answer, with the tokens it took."""

    text: str
    ending: Literal["complete", "truncated", "blocked", "blocked-prompt"]
    taken: int
    given: int
    has_usage: bool = True
    version: str = ""  # the model that answers, as it names itself
    thoughts: int = 0  # tokens of `given` that went into thinking


@dataclass(frozen=True)
class Dialect:
    """One API."""

    secret: Callable[[Call], str]
    model: Callable[[Call], str]
    asked: Callable[[Call], Asked | None]
    answer: Callable[[Answer], Response]
    failure: Callable[[int, str, float], Response]
    day: Callable[[], Response]
    refusal: Callable[[Call, Sequence[str]], str]
    other: Callable[[Call, Sequence[str]], Response]
    limits: Callable[[int, int, float], Mapping[str, str]] = lambda limit, left, seconds: {}
