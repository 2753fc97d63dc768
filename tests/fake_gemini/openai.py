"""The OpenAI chat API: chat/completions, models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .dialect import Answer, Asked, Dialect
from .wire import Call, Response


def _secret(call: Call) -> str:
    return call.headers.get("authorization", "").removeprefix("Bearer ")


def _model(call: Call) -> str:
    return str((call.json() or {}).get("model", "")) if call.method == "POST" else ""


def _asked(call: Call) -> Asked | None:
    if not call.path.endswith("/chat/completions"):
        return None
    body = call.json()
    system, user = (message["content"] for message in body["messages"])
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    limit = body.get("max_tokens") or body["max_completion_tokens"]
    return Asked(system, user, schema, _model(call), limit)


def _refusal(call: Call, levels: Sequence[str]) -> str:
    """What a strict service says of a request that holds what it does not know: fields, a temperature, an effort of reasoning."""
    body = call.json()
    known = {"model", "messages", "max_completion_tokens", "response_format", "reasoning_effort", "service_tier"}
    if "max_tokens" in body:
        return (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
    if body.get("temperature", 1) != 1:
        return "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) is supported."
    for name in body.keys() - known - {"temperature"}:
        return f"Unrecognized request argument supplied: {name}"
    effort = body.get("reasoning_effort")
    if effort and effort not in levels:
        return f"Unsupported value: 'reasoning_effort' does not support '{effort}' with this model."
    return ""


def _answer(answer: Answer) -> Response:
    reason = {
        "complete": "stop",
        "truncated": "length",
        "blocked": "content_filter",
        "blocked-prompt": "content_filter",
    }[answer.ending]
    choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": answer.text}}
    body: dict[str, Any] = {"choices": [choice]}
    if answer.version:
        body["model"] = answer.version
    if answer.has_usage:
        body["usage"] = {
            "prompt_tokens": answer.taken,
            "completion_tokens": answer.given,
            "completion_tokens_details": {"reasoning_tokens": answer.thoughts},
            "total_tokens": answer.taken + answer.given,
        }
    return Response(200, body)


def _failure(status: int, message: str, delay: float) -> Response:
    headers = {"Retry-After": f"{delay}"} if status == 429 else {}
    return Response(status, {"error": {"message": message, "type": "fake_error", "code": None}}, headers)


def _day() -> Response:
    return Response(
        429,
        {"error": {"message": "you exceeded your quota", "type": "insufficient_quota", "code": "insufficient_quota"}},
    )


def _other(call: Call, models: Sequence[str]) -> Response:
    return Response(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in models]})


def _limits(limit: int, left: int, seconds: float) -> dict[str, str]:
    return {
        "x-ratelimit-limit-requests": f"{limit}",
        "x-ratelimit-remaining-requests": f"{left}",
        "x-ratelimit-reset-requests": f"0m{seconds:.6f}s",
    }


DIALECT = Dialect(_secret, _model, _asked, _answer, _failure, _day, _refusal, _other, _limits)
