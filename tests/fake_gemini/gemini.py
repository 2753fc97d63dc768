"""The Gemini REST API: generateContent, countTokens, models.get; that of Vertex AI differs in its paths and in who signs in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .dialect import Answer, Asked, Dialect
from .wire import Call, Response

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}
TYPE = "type.googleapis.com/google.rpc."


def _secret(call: Call) -> str:
    return call.headers.get("x-goog-api-key", "") or call.headers.get("authorization", "").removeprefix("Bearer ")


def _model(call: Call) -> str:
    found = re.search(r"/models/([^:/?]+)", call.path)
    return found.group(1) if found else ""


def _asked(call: Call) -> Asked | None:
    if not call.path.split("?")[0].endswith(":generateContent"):
        return None
    body = call.json()
    config = body.get("generationConfig", {})
    system, user = _text(body.get("systemInstruction")), _text(body["contents"][0])
    return Asked(system, user, config.get("responseJsonSchema"), _model(call), config["maxOutputTokens"])


def _refusal(call: Call, levels: Sequence[str]) -> str:
    """What a strict service says of a request that holds what it does not know: fields, a temperature, a level of thinking."""
    body = call.json()
    config = body.get("generationConfig", {})
    known = {"contents", "systemInstruction", "generationConfig", "serviceTier"}
    settings = {"maxOutputTokens", "responseMimeType", "responseJsonSchema", "thinkingConfig", "temperature"}
    for name in (*(body.keys() - known), *(config.keys() - settings)):
        return f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
    if "temperature" in config:
        return "The temperature parameter is not supported by this model."
    level = (config.get("thinkingConfig") or {}).get("thinking_level")
    return f"Thinking level {level} is not supported for this model." if level and level not in levels else ""


def _text(content: Any) -> str:
    return "".join(part.get("text", "") for part in (content or {}).get("parts", ()))


def _answer(answer: Answer) -> Response:
    body: dict[str, Any] = {"responseId": "fake"}
    if answer.version:
        body["modelVersion"] = answer.version
    if answer.has_usage:
        body["usageMetadata"] = {
            "promptTokenCount": answer.taken,
            "candidatesTokenCount": answer.given - answer.thoughts,
            "thoughtsTokenCount": answer.thoughts,
            "totalTokenCount": answer.taken + answer.given,
        }
    if answer.ending == "blocked-prompt":
        return Response(200, {**body, "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})
    reason = {"complete": "STOP", "truncated": "MAX_TOKENS", "blocked": "SAFETY"}[answer.ending]
    candidate: dict[str, Any] = {"finishReason": reason, "index": 0}
    if answer.text:
        candidate["content"] = {"role": "model", "parts": [{"text": answer.text}]}
    return Response(200, {**body, "candidates": [candidate]})


def _failure(status: int, message: str, delay: float) -> Response:
    details = [{"@type": TYPE + "RetryInfo", "retryDelay": f"{delay}s"}] if status == 429 else []
    return Response(
        status, {"error": {"code": status, "status": STATUSES[status], "message": message, "details": details}}
    )


def _day() -> Response:
    quota = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "250"}
    details = [
        {"@type": TYPE + "QuotaFailure", "violations": [quota]},
        {"@type": TYPE + "RetryInfo", "retryDelay": "20s"},
    ]
    return Response(
        429, {"error": {"code": 429, "status": STATUSES[429], "message": "the quota is exceeded", "details": details}}
    )


def _other(call: Call, models: Sequence[str]) -> Response:
    if call.path.split("?")[0].endswith(":countTokens"):
        letters = sum(len(_text(content)) for content in call.json()["contents"])
        return Response(200, {"totalTokens": letters // 3})
    return Response(
        200,
        {
            "name": f"models/{_model(call)}",
            "displayName": "Fake",
            "inputTokenLimit": 1_000_000,
            "outputTokenLimit": 65_536,
        },
    )


DIALECT = Dialect(_secret, _model, _asked, _answer, _failure, _day, _refusal, _other)
