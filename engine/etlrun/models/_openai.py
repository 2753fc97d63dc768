"""The OpenAI chat API over plain HTTP: one request is one call, and every failure has a cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from etlrun.contracts.model import Ending, ModelClient, ModelError, ModelReply, Request, Usage, refused_setting
from etlrun.diagnostics import nearest
from etlrun.models._json_api import JsonApi, as_object, closed, error_of
from etlrun.models._rate_limits import OPENAI, allowances, seconds_to_wait
from etlrun.models._reaching import ServiceSettings, too_many_requests
from etlrun.models._sanitize import safe_count, safe_text

if TYPE_CHECKING:
    import httpx2


@dataclass(frozen=True)
class OpenaiSettings(ServiceSettings):
    """How to reach a model behind the OpenAI interface and how it answers."""

    reasoning_effort: str
    service_tier: str

    def sent(self) -> Mapping[str, str]:
        sent = {
            "reasoning_effort": (
                bool(self.reasoning_effort),
                "write `reasoning_effort: default` or another level into the model in etlrun.yaml",
            ),
            "service_tier": (self.service_tier != "standard", "remove `service_tier` from the model in etlrun.yaml"),
        }
        return {**super().sent(), **{name: fix for name, (is_sent, fix) in sent.items() if is_sent}}


@dataclass(frozen=True)
class RequestForm:
    """The form of a request, in which services differ: with a schema or not, and the name of the token limit."""

    has_schema: bool = True
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"


class OpenaiClient(ModelClient):
    """An open model of a service that speaks the OpenAI chat API."""

    def __init__(self, settings: OpenaiSettings) -> None:
        self.settings = settings
        self.name = settings.name
        self.secret = settings.secret
        self.form = RequestForm()
        self.has_answered = False
        headers = {"authorization": f"Bearer {settings.secret.reveal()}"} if settings.secret else {}
        self.api = JsonApi(settings.url, settings.timeout, settings.concurrency, headers, ("/batches", "/files"))

    async def answer(self, request: Request) -> ModelReply:
        form = self.form
        response = await self.post(request, form)
        if response.status_code == 400 and (other := _other_form(form, response.text.lower())) is not None:
            self.form = other
            response = await self.post(request, other)
        if response.status_code != 200:
            raise self.from_response(response)
        self.has_answered = True
        return replace(reply_of(as_object(response)), allowances=allowances(response.headers, OPENAI))

    async def post(self, request: Request, form: RequestForm) -> httpx2.Response:
        return await self.api.call("POST", "/chat/completions", json=self.body(request, form))

    def body(self, request: Request, form: RequestForm) -> dict[str, Any]:
        """The body of a request for the API."""
        body = {
            "model": self.name,
            "messages": [{"role": "system", "content": request.system}, {"role": "user", "content": request.user}],
            form.limit: request.max_output_tokens,
            "response_format": _response_format(request.schema) if form.has_schema else {"type": "json_object"},
        }
        return body | {name: getattr(self.settings, name) for name in self.settings.sent()}

    async def count_tokens(self, request: Request) -> int | None:
        return None

    async def check(self) -> str:
        response = await self.api.call("GET", "/models")
        if response.status_code != 200:
            raise self.from_response(response)
        names = _names(as_object(response).get("data"))
        if names and self.name not in names:
            raise ModelError(
                "model",
                f"there is no model `{self.name}`",
                nearest(self.name, names) or f"the service has {', '.join(names[:12])}",
            )
        return self.name

    @property
    def address(self) -> str:
        return self.settings.url

    async def close(self) -> None:
        await self.api.close()

    def from_response(self, response: httpx2.Response) -> ModelError:
        error = error_of(response)
        message = safe_text(error.get("message")) or safe_text(response.reason_phrase)
        code = response.status_code
        if code == 429:
            if "insufficient_quota" in (error.get("code"), error.get("type")):
                return ModelError("day", message, "the account has no credit left: add some, and run again")
            return too_many_requests(message, seconds_to_wait(response.headers, OPENAI))
        if code in (401, 403):
            return ModelError("access", f"the service rejects the key: {message}", self.settings.key_fix)
        if code == 404:
            return ModelError(
                "model",
                f"there is no model `{self.name}`, or there is no API at this address: {message}",
                "check `model` and `url`",
            )
        setting = None if self.has_answered else refused_setting(message, self.settings.sent())
        if code in (400, 422) and setting:
            return setting
        if code in (400, 413, 422):
            return ModelError("refused", f"the service rejects the request to `{self.name}`: {message}")
        return ModelError("service", f"the service failed with {code}: {message}")


def _other_form(form: RequestForm, refusal: str) -> RequestForm | None:
    """The form to try after the service refused a request because of its form."""
    if "max_completion_tokens" in refusal and form.limit == "max_tokens":
        return replace(form, limit="max_completion_tokens")
    if form.has_schema and ("schema" in refusal or "response_format" in refusal):
        return replace(form, has_schema=False)
    return None


def _names(models: object) -> list[str]:
    """The names in a list of models."""
    return [safe_text(item.get("id")) for item in models if isinstance(item, dict)] if isinstance(models, list) else []


def reply_of(body: Mapping[str, Any]) -> ModelReply:
    """Read the reply of a chat completion. Raises ModelError if it is empty."""
    try:
        choice = body["choices"][0]
        message = choice["message"]
    except (KeyError, IndexError, TypeError):
        message = None
    if not isinstance(message, dict):
        raise ModelError("unreadable", "the reply contains no answer", may_be_billed=True)
    reason, text = safe_text(choice.get("finish_reason")), message.get("content")
    is_blocked = reason == "content_filter" or bool(message.get("refusal"))
    ending: Ending = "blocked" if is_blocked else "truncated" if reason == "length" else "complete"
    return ModelReply(
        text if isinstance(text, str) else "", ending, reason, _usage(body.get("usage")), safe_text(body.get("model"))
    )


def _usage(counted: object) -> Usage | None:
    """The tokens that the service counted; None if it did not, or if they are not valid numbers."""
    if not isinstance(counted, dict):
        return None
    details = counted.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    taken, given = safe_count(counted.get("prompt_tokens")), safe_count(counted.get("completion_tokens") or 0)
    spent = counted.get("completion_tokens_details")
    thoughts = safe_count(spent.get("reasoning_tokens")) if isinstance(spent, dict) else None
    return None if taken is None or given is None else Usage(taken, given, safe_count(cached) or 0, thoughts or 0)


def _response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": closed(schema)}}
