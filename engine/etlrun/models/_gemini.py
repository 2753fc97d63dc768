"""The Gemini API through google-genai: one request is one call, and every failure has a cause."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from etlrun.contracts.model import Ending, ModelClient, ModelError, ModelReply, Request, Usage, refused_setting
from etlrun.models._gemini_thinking import Thinking, thinking_of
from etlrun.models._known_models import meant_model
from etlrun.models._reaching import ServiceSettings, too_many_requests
from etlrun.models._rerouted_names import rerouted_name
from etlrun.models._sanitize import MOST, safe_count, safe_seconds, safe_text

try:
    import httpx2
    from google import genai
    from google.genai import errors, types

    from etlrun.models._http import BoundedClient, trusted
except ImportError as error:
    raise ModelError("setup", "the package google-genai is not installed", "pip install 'etlrun[gemini]'") from error

BLOCKED = ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR")
# Errors of google-genai for broken JSON, for JSON that is not a reply, and for a body that cannot be decompressed.
UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError, httpx2.RequestError)
MODELS_PAGE = "https://ai.google.dev/gemini-api/docs/models"


@dataclass(frozen=True)
class GeminiSettings(ServiceSettings):
    """How to reach a Gemini model and how it answers."""

    thinking: Thinking
    service_tier: str

    def sent(self) -> Mapping[str, str]:
        sent = {
            "thinking": (
                self.thinking != "default",
                "write `thinking: default` or another level into the model in etlrun.yaml",
            ),
            "service_tier": (self.service_tier != "standard", "remove `service_tier` from the model in etlrun.yaml"),
        }
        return {**super().sent(), **{name: fix for name, (is_sent, fix) in sent.items() if is_sent}}


class GeminiClient(ModelClient):
    """An open Gemini model."""

    def __init__(self, settings: GeminiSettings) -> None:
        self.settings = settings
        self.name = settings.name
        self.secret = settings.secret
        self.has_schema = True  # until the service refuses it
        self.has_answered = False
        # google-genai prints an unknown finish reason as the service wrote it, including escape sequences
        warnings.filterwarnings("ignore", category=UserWarning, module=r"google\.genai\._common")
        self.http = BoundedClient(settings.timeout, settings.concurrency, ("/batches",))
        options = types.HttpOptions(
            base_url=settings.url or None,
            timeout=int(settings.timeout * 1000),
            httpx_async_client=self.http,
            client_args={"verify": trusted()},
            async_client_args={"verify": trusted(), "ssl": trusted()},
        )
        self.client = self.opened(options)

    def opened(self, options: types.HttpOptions) -> genai.Client:
        """The client of the service, independent of other Google settings in the environment."""
        return genai.Client(vertexai=False, api_key=self.settings.secret.reveal(), http_options=options)

    async def answer(self, request: Request) -> ModelReply:
        if self.has_schema:
            try:
                return await self._send(request, has_schema=True)
            except ModelError as error:
                if error.cause != "refused" or "schema" not in error.message.lower():
                    raise
                self.has_schema = False
        return await self._send(request, has_schema=False)

    async def _send(self, request: Request, *, has_schema: bool) -> ModelReply:
        with self.translated(may_be_billed=True):
            config = self.config(request, has_schema=has_schema)
            response = await self.client.aio.models.generate_content(
                model=self.name, contents=request.user, config=config
            )
        self.has_answered = True
        return reply_of(response)

    def config(self, request: Request, *, has_schema: bool) -> types.GenerateContentConfig:
        return types.GenerateContentConfig(
            system_instruction=request.system,
            temperature=self.settings.temperature,
            max_output_tokens=request.max_output_tokens,
            response_mime_type="application/json",
            response_json_schema=dict(request.schema) if has_schema else None,
            thinking_config=_thinking(self.name, self.settings.thinking),
            service_tier=None
            if self.settings.service_tier == "standard"
            else types.ServiceTier(self.settings.service_tier),
            automatic_continuation=False,
        )

    async def count_tokens(self, request: Request) -> int | None:
        # The Gemini API counts only contents, so the instructions are counted as the first content.
        with self.translated(may_be_billed=False):
            counted = await self.client.aio.models.count_tokens(
                model=self.name, contents=[request.system, request.user]
            )
        return safe_count(counted.total_tokens)

    async def check(self) -> str:
        with self.translated(may_be_billed=False):
            found = await self.client.aio.models.get(model=self.name)
        return safe_text(found.name) or self.name

    @property
    def address(self) -> str:
        return self.settings.url

    async def close(self) -> None:
        await self.client.aio.aclose()
        await self.http.aclose()

    @contextlib.contextmanager
    def translated(self, *, may_be_billed: bool) -> Iterator[None]:
        """Turn any error of google-genai into a ModelError."""
        try:
            yield
        except errors.APIError as error:
            raise self.from_api(error) from None
        except httpx2.ConnectError as error:
            fix = "check the network, the proxy and the address"
            raise ModelError("service", f"the service cannot be reached: {safe_text(str(error))}", fix) from None
        except httpx2.TransportError as error:
            what = "did not answer in time" if isinstance(error, httpx2.TimeoutException) else "closed the connection"
            raise ModelError("service", f"the service {what}", may_be_billed=may_be_billed) from None
        except UNREADABLE as error:
            why = safe_text(str(error)) if isinstance(error, httpx2.RequestError) else type(error).__name__
            raise ModelError("unreadable", f"the reply cannot be read: {why}", may_be_billed=may_be_billed) from None

    def from_api(self, error: errors.APIError) -> ModelError:
        message = safe_text(error.message) or safe_text(error.status) or "no reason given"
        details = _details(error)
        reasons = [item.get("reason") for item in details]
        if error.code == 429:
            if any("PerDay" in str(item) for item in details):
                return ModelError("day", message)
            return too_many_requests(message, _wait(error, details))
        if (
            error.code in (401, 403)
            or "API_KEY_INVALID" in reasons
            or (error.code == 400 and "api key" in message.lower())
        ):
            return ModelError("access", f"the service rejects the key: {message}", self.settings.key_fix)
        if error.code == 404:
            rerouted = rerouted_name(self.name, ())
            retired = f"{rerouted.message}: set `model: {rerouted.answerer}`" if rerouted else ""
            fix = meant_model(self.name) or retired or "it is misspelled, retired, or not available to this key"
            return ModelError(
                "model", f"there is no model `{self.name}`: {message}", f"{fix} (all names: {MODELS_PAGE})"
            )
        setting = None if self.has_answered else refused_setting(message, self.settings.sent())
        if error.code == 400 and setting:
            return setting
        if error.code == 400:
            return ModelError("refused", f"the service rejects the request to `{self.name}`: {message}")
        return ModelError("service", f"the service failed with {safe_count(error.code) or 'no code'}: {message}")


def reply_of(response: types.GenerateContentResponse) -> ModelReply:
    """Read the usable parts of a response."""
    usage, version = _usage(response.usage_metadata), safe_text(response.model_version)
    if not response.candidates:
        feedback = response.prompt_feedback
        is_blocked = feedback is not None and feedback.block_reason is not None
        reason = safe_text(feedback.block_reason.name) if feedback and feedback.block_reason else "no candidate"
        return ModelReply("", "blocked" if is_blocked else "complete", reason, usage, version)
    candidate = response.candidates[0]
    reason = safe_text(candidate.finish_reason.name) if candidate.finish_reason else ""
    parts = candidate.content.parts if candidate.content and candidate.content.parts else ()
    text = "".join(part.text for part in parts if part.text and not part.thought)
    ending: Ending = "truncated" if reason == "MAX_TOKENS" else "blocked" if reason in BLOCKED else "complete"
    return ModelReply(text, ending, reason, usage, version)


def _usage(counted: types.GenerateContentResponseUsageMetadata | None) -> Usage | None:
    """The tokens that the service counted; None if it did not."""
    taken = safe_count(counted.prompt_token_count) if counted else None
    if counted is None or taken is None:
        return None
    thoughts = safe_count(counted.thoughts_token_count) or 0
    output = (safe_count(counted.candidates_token_count) or 0) + thoughts
    return Usage(taken, min(output, MOST), safe_count(counted.cached_content_token_count) or 0, thoughts)


def _thinking(name: str, thinking: Thinking) -> types.ThinkingConfig | None:
    sent = thinking_of(name, thinking)
    if sent is None:
        return None
    if isinstance(sent, int):
        return types.ThinkingConfig(thinking_budget=sent)
    return types.ThinkingConfig(thinking_level=types.ThinkingLevel(sent.upper()))


def _details(error: errors.APIError) -> list[Mapping[str, Any]]:
    body = error.details if isinstance(error.details, dict) else {}
    inner = body.get("error", body)
    found = inner.get("details") if isinstance(inner, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _wait(error: errors.APIError, details: list[Mapping[str, Any]]) -> float | None:
    """Seconds to wait: RetryInfo in the body, else the header Retry-After."""
    for item in details:
        if str(item.get("@type", "")).endswith("RetryInfo"):
            return safe_seconds(str(item.get("retryDelay", "")).rstrip("s"))
    headers = getattr(error.response, "headers", None) or {}
    return safe_seconds(headers.get("retry-after"))
