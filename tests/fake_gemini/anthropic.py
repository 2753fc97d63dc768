"""The Messages API of Anthropic: messages, count_tokens, models."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from .dialect import Answer, Asked, Dialect
from .wire import Call, Response

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "api_error",
}


def _secret(call: Call) -> str:
    return call.headers.get("x-api-key", "")


def _model(call: Call) -> str:
    if call.method == "POST":
        return str(call.json()["model"])
    return call.path.rpartition("/models/")[2]


def _asked(call: Call) -> Asked | None:
    if not call.path.endswith("/v1/messages"):
        return None
    body = call.json()
    (message,) = body["messages"]
    schema = body.get("output_config", {}).get("format", {}).get("schema")
    return Asked(body["system"], message["content"], schema, _model(call), body["max_tokens"])


def _refusal(call: Call, levels: Sequence[str]) -> str:
    """What a strict service says of a request that holds what it does not know: fields, a temperature, an effort."""
    body = call.json()
    if call.headers.get("anthropic-version") not in ("2023-06-01", "2026-10-21"):
        return "anthropic-version: header is required"
    if "temperature" in body:
        return "`temperature` is deprecated for this model."
    for name in body.keys() - {"model", "system", "messages", "max_tokens", "output_config", "thinking"}:
        return f"{name}: Extra inputs are not permitted"
    output = body.get("output_config", {})
    for name in output.keys() - {"effort", "format"}:
        return f"output_config.{name}: Extra inputs are not permitted"
    if output.get("effort", "high") not in ("high", *levels):
        return f"This model does not support effort level '{output['effort']}'."
    if body.get("thinking") == {"type": "disabled"} and "none" not in levels:
        return '"thinking.type.disabled" is not supported for this model.'
    schema = output.get("format", {}).get("schema", {})
    if schema and schema.get("additionalProperties") is not False:
        return "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
    return ""


def _answer(answer: Answer) -> Response:
    is_blocked = answer.ending in ("blocked", "blocked-prompt")
    body: dict[str, object] = {
        "id": "msg_fake",
        "type": "message",
        "role": "assistant",
        "content": [
            *([{"type": "thinking", "thinking": "hm", "signature": "x"}] if answer.thoughts else []),
            *([{"type": "text", "text": answer.text}] if answer.text else []),
        ],
        "stop_reason": "refusal" if is_blocked else {"complete": "end_turn", "truncated": "max_tokens"}[answer.ending],
        "stop_sequence": None,
    }
    if answer.version:
        body["model"] = answer.version
    if answer.has_usage:
        body["usage"] = {
            "input_tokens": answer.taken - answer.taken // 4,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": answer.taken // 4,
            "output_tokens": answer.given,
            "output_tokens_details": {"thinking_tokens": answer.thoughts},
        }
    return Response(200, body)


def _failure(status: int, message: str, delay: float) -> Response:
    headers = {"Retry-After": f"{delay}"} if status == 429 else {}
    return Response(status, {"type": "error", "error": {"type": TYPES[status], "message": message}}, headers)


def _day() -> Response:
    return _failure(400, "Your credit balance is too low to access the Anthropic API.", 0)


def _other(call: Call, models: Sequence[str]) -> Response:
    if call.path.endswith("/count_tokens"):
        body = call.json()
        return Response(200, {"input_tokens": len(body["system"] + body["messages"][0]["content"]) // 3})
    return Response(200, {"type": "model", "id": _model(call), "display_name": "Fake"})


def _limits(limit: int, left: int, seconds: float) -> dict[str, str]:
    return {
        "anthropic-ratelimit-requests-limit": f"{limit}",
        "anthropic-ratelimit-requests-remaining": f"{left}",
        "anthropic-ratelimit-requests-reset": (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(),
    }


DIALECT = Dialect(_secret, _model, _asked, _answer, _failure, _day, _refusal, _other, _limits)
