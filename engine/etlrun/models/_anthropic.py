"""The Messages API of Anthropic over plain HTTP: one request is one call, and every failure has a cause.

The official package is not used: it has 3,000 files and nine dependencies, and only one call of it would be needed. The rules for every
service (a limit on each reply, no redirect with the key, etlrun's own retries) would have to be built around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from etlrun.contracts.model import Ending, ModelClient, ModelError, ModelReply, Request, Usage, refused_setting
from etlrun.models._json_api import JsonApi, as_object, closed, error_of
from etlrun.models._known_models import meant_model
from etlrun.models._rate_limits import ANTHROPIC, allowances, seconds_to_wait
from etlrun.models._reaching import ServiceSettings, too_many_requests
from etlrun.models._sanitize import safe_count, safe_text

if TYPE_CHECKING:
    import httpx2

# Gateways accept this version too; the one of 2026-10-21 differs only in fields that are not sent here.
VERSION = "2023-06-01"
MODELS_PAGE = "https://platform.claude.com/docs/en/models"
CUT_OFF = ("max_tokens", "model_context_window_exceeded")
NO_CREDIT = "credit balance"


@dataclass(frozen=True)
class AnthropicSettings(ServiceSettings):
    """How to reach an Anthropic model and how it answers."""

    effort: str

    def sent(self) -> Mapping[str, str]:
        fix = "write `effort: default` or another level into the model in etlrun.yaml"
        effort = {"": {}, "none": {"thinking": fix}}.get(self.effort, {"effort": fix})
        return {**super().sent(), **effort}


class AnthropicClient(ModelClient):
    """An open model of Anthropic."""

    large: ClassVar[tuple[str, ...]] = ()  # parts of paths whose replies contain the answers to many requests

    def __init__(self, settings: AnthropicSettings) -> None:
        self.settings = settings
        self.name = settings.name
        self.has_schema = True  # until the service refuses it
        self.has_answered = False
        headers = {"x-api-key": settings.secret.reveal(), "anthropic-version": VERSION}
        self.api = JsonApi(settings.url, settings.timeout, settings.concurrency, headers, self.large)

    async def answer(self, request: Request) -> ModelReply:
        response = await self._post(request)
        if response.status_code == 400 and self.has_schema and _is_about_schema(response.text.lower()):
            self.has_schema = False
            response = await self._post(request)
        if response.status_code != 200:
            raise self.from_response(response)
        self.has_answered = True
        return replace(reply_of(as_object(response)), allowances=allowances(response.headers, ANTHROPIC))

    async def _post(self, request: Request) -> httpx2.Response:
        return await self.api.call("POST", "/v1/messages", json=self.body(request))

    def body(self, request: Request) -> dict[str, Any]:
        """The body of a request for the API."""
        found: dict[str, Any] = {**self._asked(request), "max_tokens": request.max_output_tokens}
        output: dict[str, Any] = {}
        if self.settings.temperature is not None:
            found["temperature"] = self.settings.temperature
        if self.settings.effort == "none":
            found["thinking"] = {"type": "disabled"}
        elif self.settings.effort:
            output["effort"] = self.settings.effort
        if self.has_schema:
            output["format"] = {"type": "json_schema", "schema": closed(request.schema)}
        return {**found, "output_config": output} if output else found

    def _asked(self, request: Request) -> dict[str, Any]:
        messages = [{"role": "user", "content": request.user}]
        return {"model": self.name, "system": request.system, "messages": messages}

    async def count_tokens(self, request: Request) -> int | None:
        response = await self.api.call("POST", "/v1/messages/count_tokens", json=self._asked(request))
        if response.status_code != 200:
            raise self.from_response(response)
        return safe_count(as_object(response).get("input_tokens"))

    async def check(self) -> str:
        response = await self.api.call("GET", f"/v1/models/{quote(self.name, safe='')}")
        if response.status_code != 200:
            raise self.from_response(response)
        return safe_text(as_object(response).get("id")) or self.name

    @property
    def address(self) -> str:
        return self.settings.url

    async def close(self) -> None:
        await self.api.close()

    def from_response(self, response: httpx2.Response) -> ModelError:
        error = error_of(response)
        message, kind = safe_text(error.get("message")) or safe_text(response.reason_phrase), error.get("type")
        code = response.status_code
        if kind == "billing_error" or (code == 400 and NO_CREDIT in message.lower()):
            return ModelError("day", message, "the account has no credit left: add some, and run again")
        if code == 429:
            return too_many_requests(message, seconds_to_wait(response.headers, ANTHROPIC))
        if code in (401, 403):
            return ModelError("access", f"the service rejects the key: {message}", self.settings.key_fix)
        if code == 404:
            fix = meant_model(self.name) or "it is misspelled, retired, or not available to this key"
            fix = f"{fix} (all names: {MODELS_PAGE})"
            return ModelError("model", f"there is no model `{self.name}`: {message}", fix)
        setting = None if self.has_answered else refused_setting(message, self.settings.sent())
        if code == 400 and setting:
            return setting
        if code in (400, 413):
            return ModelError("refused", f"the service rejects the request to `{self.name}`: {message}")
        return ModelError("service", f"the service failed with {code}: {message}")


def _is_about_schema(refusal: str) -> bool:
    return "schema" in refusal or "output_config.format" in refusal


def reply_of(body: Mapping[str, Any]) -> ModelReply:
    """Read the reply of a message. Raises ModelError if it is not a message."""
    blocks = body.get("content")
    if not isinstance(blocks, list):
        raise ModelError("unreadable", "the reply contains no answer", may_be_billed=True)
    texts = (block.get("text") for block in blocks if isinstance(block, dict) and block.get("type") == "text")
    reason = safe_text(body.get("stop_reason"))
    ending: Ending = "blocked" if reason == "refusal" else "truncated" if reason in CUT_OFF else "complete"
    text = "" if ending == "blocked" else "".join(text for text in texts if isinstance(text, str))
    return ModelReply(text, ending, reason, _usage(body.get("usage")), safe_text(body.get("model")))


def _usage(counted: object) -> Usage | None:
    """The tokens that the service counted; None if it did not, or if they are not valid numbers. Input has three parts."""
    if not isinstance(counted, dict):
        return None
    fresh, given = safe_count(counted.get("input_tokens")), safe_count(counted.get("output_tokens"))
    if fresh is None or given is None:
        return None
    cached = safe_count(counted.get("cache_read_input_tokens")) or 0
    taken = fresh + cached + (safe_count(counted.get("cache_creation_input_tokens")) or 0)
    details = counted.get("output_tokens_details")
    thoughts = safe_count(details.get("thinking_tokens")) if isinstance(details, dict) else None
    return Usage(safe_count(taken) or 0, given, cached, thoughts or 0)
