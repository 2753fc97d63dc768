"""Records requests to models as spans, by OpenTelemetry's conventions for GenAI: names, tokens and result, without texts of prompts or answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from etlrun.contracts.model import LanguageModel, ModelClient, ModelError, ModelReply, Request, Usage
from etlrun.tracing import Attribute, TraceSpan, span

REASON = re.compile(r"[A-Za-z_]{1,40}")  # a service may send anything there
NAME = re.compile(r"[\w.:/@-]{1,100}", re.ASCII)


@dataclass(frozen=True)
class CalledModel:
    """A model in the terms of the conventions: its name, its provider, and the operation."""

    name: str = ""
    provider: str = ""
    operation: str = "chat"

    def attributes(self, operation: str) -> dict[str, Attribute]:
        """The attributes that are known before the request."""
        return {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": self.provider,
            "gen_ai.request.model": self.name,
            "gen_ai.output.type": "json",
        }


def called(model: LanguageModel, name: str) -> CalledModel:
    """Describe a model of a profile, called `name` at its service."""
    return CalledModel(name, model.provider or type(model).__name__.lower(), model.operation)


async def traced_answer(client: ModelClient, request: Request, model: CalledModel) -> ModelReply:
    """The answer to a request, recorded as a span. Raises ModelError."""
    known = model.attributes(model.operation) | {"gen_ai.request.max_tokens": request.max_output_tokens}
    with _asking(f"{model.operation} {model.name}", known | _server(client.address)) as found:
        reply = await client.answer(request)
        reason = reply.reason if REASON.fullmatch(reply.reason) else reply.ending
        found.attributes["gen_ai.response.finish_reasons"] = (reason,)
        if NAME.fullmatch(reply.version):
            found.attributes["gen_ai.response.model"] = reply.version
        found.attributes |= tokens(reply.usage or Usage())
        return reply


@contextmanager
def traced_job(operation: str, model: CalledModel, requests: int) -> Iterator[TraceSpan]:
    """Record the block as a span: submitting a job of so many requests, or reading its replies."""
    known = model.attributes(operation) | {"etlrun.requests": requests}
    with _asking(f"{operation} {model.name}", known) as found:
        yield found


@contextmanager
def _asking(name: str, known: Mapping[str, Attribute]) -> Iterator[TraceSpan]:
    """Record the block as a client span; a failure of the service is its error."""
    with span(name, known, "client") as found:
        try:
            yield found
        except ModelError as error:
            found.error = error.cause
            raise


def tokens(usage: Usage) -> dict[str, Attribute]:
    """The tokens that a service counted."""
    counts: dict[str, Attribute] = {
        "gen_ai.usage.input_tokens": usage.input,
        "gen_ai.usage.output_tokens": usage.output,
        "gen_ai.usage.reasoning.output_tokens": usage.thoughts,
        "gen_ai.usage.cache_read.input_tokens": usage.cached,
    }
    return {name: count for name, count in counts.items() if count}


def _server(address: str) -> dict[str, Attribute]:
    """The server of a URL, without path and without parts that may contain a key."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return {}
    found: dict[str, Attribute] = {"server.address": host} if host else {}
    return found | ({"server.port": port} if host and port else {})
