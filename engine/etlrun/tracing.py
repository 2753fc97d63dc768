"""Spans: what a run does, and for how long, for those who trace it. Nobody does unless a run says so, and then this does nothing.

A span holds names of the project, numbers and codes: never a row, a key, a prompt, an answer, a secret, or the text of a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from etlrun.failures import RunFailure

Attribute = str | int | float | tuple[str, ...]
Kind = Literal["internal", "client"]


@dataclass
class TraceSpan:
    """A piece of work: what is known of it by its end, and the code or class of the error that ended it."""

    name: str
    attributes: dict[str, Attribute]
    kind: Kind = "internal"
    error: str = ""


Tracer = Callable[[TraceSpan], AbstractContextManager[object]]
_tracer: ContextVar[Tracer | None] = ContextVar("etlrun_tracer", default=None)


@contextmanager
def traced_by(tracer: Tracer) -> Iterator[None]:
    """Give the spans of the block to `tracer`: it takes each before its work and keeps it until that has ended."""
    token = _tracer.set(tracer)
    try:
        yield
    finally:
        _tracer.reset(token)


@contextmanager
def span(name: str, attributes: Mapping[str, Attribute], kind: Kind = "internal") -> Iterator[TraceSpan]:
    """The block as a piece of work, with `attributes` and those that the block adds."""
    found = TraceSpan(name, dict(attributes), kind)
    tracer = _tracer.get()
    if tracer is None:
        yield found
        return
    with tracer(found):
        try:
            yield found
        except BaseException as error:
            found.error = found.error or (error.code if isinstance(error, RunFailure) else type(error).__name__)
            raise
