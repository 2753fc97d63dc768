"""The providers: what is sent, what a reply means, and what each failure is called."""

from __future__ import annotations

import asyncio
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import posing
import pytest

from etlrun.contracts.model import Environment, LanguageModel, ModelError, ModelReply, Request
from etlrun.enrich.questions import write_sheet
from etlrun.models._gemini_thinking import room_for
from etlrun.models.gemini import Gemini
from etlrun.models.vertex import Vertex
from etlrun.secrets import Secret, hide_secrets
from etlrun.spec.environment import from_environment
from fake_gemini import FakeServer
from fake_gemini.server import TOKEN
from fake_gemini.wire import Response

SECRET = "planted-canary-0123456789"
each_kind = pytest.mark.parametrize("kind", [posing.gemini, posing.openai, posing.anthropic, posing.vertex])


def request(model: LanguageModel, *keys: str) -> Request:
    import random

    return write_sheet(posing.question(model), posing.keys(3, *keys), random.Random(1)).request


def sent(model: LanguageModel, *keys: str, environment: Environment = posing.as_written) -> ModelReply:
    async def work() -> ModelReply:
        client = model.open(environment)
        try:
            return await client.answer(request(model, *keys))
        finally:
            await client.close()

    return asyncio.run(work())


def failure(served: FakeServer, kind: Any = posing.gemini, *keys: str, **settings: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        sent(kind(served, **settings), *keys)
    return caught.value


@pytest.mark.parametrize(
    ("name", "thinking", "expected"),
    [
        ("gemini-2.5-flash", "off", {"thinking_budget": 0}),
        ("gemini-2.5-flash-lite", "low", {"thinking_budget": 1024}),
        ("gemini-2.5-pro", "off", {"thinking_budget": 128}),
        ("gemini-2.5-pro", "high", {"thinking_budget": 24576}),
        ("gemini-2.5-pro", "default", None),
        ("gemini-3.1-flash-lite", "off", {"thinking_level": "MINIMAL"}),
        ("gemini-3.5-flash", "off", {"thinking_level": "MINIMAL"}),
        ("gemini-3.5-flash-lite-001", "off", {"thinking_level": "MINIMAL"}),
        ("gemini-3.6-flash", "off", {"thinking_level": "MINIMAL"}),
        ("gemini-3.8-flash", "off", {"thinking_level": "LOW"}),
        ("gemini-5-unknown", "off", {"thinking_level": "LOW"}),
        ("gemini-3.5-flash-lite", "default", None),
        ("gemini-3.8-flash", "medium", {"thinking_level": "MEDIUM"}),
        ("gemini-2.0-flash", "high", None),
    ],
)
def test_thinking_becomes_what_the_family_takes(name: str, thinking: Any, expected: Mapping[str, Any] | None) -> None:
    with posing.server() as served:
        sent(posing.gemini(served, model=name, thinking=thinking))
        config = served.records[0].body["generationConfig"]
        assert (config.get("thinkingConfig") or config.get("thinking_config")) == expected
        budget = (expected or {}).get("thinking_budget", 0)
        assert room_for(name, thinking) >= budget


def test_a_request_to_gemini_carries_rules_schema_and_limits_and_nothing_else() -> None:
    with posing.server() as served:
        sent(posing.gemini(served, api_key=SECRET, service_tier="flex"))
        record = served.records[0]
        config = record.body["generationConfig"]
        assert record.secret == SECRET
        assert record.body["serviceTier"] == "flex"
        assert config["responseMimeType"] == "application/json"
        assert "temperature" not in config
        assert config["responseJsonSchema"]["properties"]["labels"]["items"]["properties"]["c"]["enum"] == list(
            posing.LABELS
        )
        assert "tools" not in record.body


def test_a_request_to_an_openai_service_carries_a_closed_schema() -> None:
    with posing.server() as served:
        sent(posing.openai(served, api_key=SECRET))
        record = served.records[0]
        schema = record.body["response_format"]["json_schema"]["schema"]
        assert record.secret == SECRET
        assert (schema["additionalProperties"], schema["properties"]["labels"]["items"]["additionalProperties"]) == (
            False,
            False,
        )
        assert [message["role"] for message in record.body["messages"]] == ["system", "user"]


@each_kind
def test_usage_and_version_come_from_the_reply(kind: Any) -> None:
    with posing.server(script=[None, "no-usage"]) as served:
        reply = sent(kind(served))
        assert reply.usage is not None
        assert (reply.usage.input > 0, reply.usage.output > 0, reply.version, reply.ending) == (
            True,
            True,
            kind(served).model,
            "complete",
        )
        assert sent(kind(served)).usage is None


@each_kind
@pytest.mark.parametrize(
    ("fault", "cause", "may_be_billed"),
    [
        ("rate", "rate", False),
        ("rate-header", "rate", False),
        ("day", "day", False),
        ("unavailable", "service", False),
        ("drop-before", "service", True),
        ("drop-after", "service", True),
        ("half-json", "unreadable", True),
        ("no-key", "access", False),
        ("no-model", "model", False),
        ("bad-request", "refused", False),
    ],
)
def test_every_failure_has_a_cause(kind: Any, fault: Any, cause: str, may_be_billed: bool) -> None:
    with posing.server(faults={fault: 1.0}, retry_delay=1.5) as served:
        error = failure(served, kind, api_key=SECRET)
        assert (error.cause, error.may_be_billed) == (cause, may_be_billed)
        assert error.wait == (1.5 if cause == "rate" else None)
        assert SECRET not in f"{error!r} {error.message} {error.fix}"


@each_kind
def test_blocks_and_cuts_are_endings_not_errors(kind: Any) -> None:
    with posing.server(script=["truncated"]) as served:
        assert sent(kind(served)).ending == "truncated"
        assert sent(kind(served), "toxic từ").ending == "blocked"
        assert sent(kind(served), "poison từ").ending == "blocked"


def test_an_answer_that_takes_too_long_is_an_outage_that_may_be_billed() -> None:
    with posing.server(latency=1.0) as served:
        for kind in (posing.gemini, posing.openai, posing.anthropic):
            error = failure(served, kind, timeout=0.1)
            assert (error.cause, error.may_be_billed, error.message) == (
                "service",
                True,
                "the service did not answer in time",
            )


@pytest.mark.parametrize("kind", [posing.gemini, posing.openai, posing.anthropic])
def test_the_fix_of_a_rejected_key_names_the_variable_to_set(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETLRUN_TEST_KEY", SECRET)
    with posing.server(secret="another") as served:
        assert failure(served, kind, api_key=SECRET).fix == "set `api_key` of the model to a valid key"
        with pytest.raises(ModelError) as caught:
            sent(kind(served, api_key="${ETLRUN_TEST_KEY:-}"), environment=from_environment)
        assert caught.value.cause == "access"
        assert caught.value.fix == "set the environment variable to a valid key: export ETLRUN_TEST_KEY=..."
        assert SECRET not in str(caught.value)


def test_a_service_that_needs_a_key_where_the_model_has_none_says_how_to_add_it() -> None:
    with posing.server(secret="another") as served:
        assert 'add `api_key: "${SERVICE_API_KEY}"` to the model' in failure(served, posing.openai).fix


def test_a_retired_gemini_model_names_the_one_that_replaces_it() -> None:
    with posing.server(models=["gemini-3.5-flash-lite"]) as served:
        assert "set `model: gemini-3.5-flash-lite`" in failure(served).fix


@pytest.mark.parametrize("name", ["api_key", "model"])
def test_a_variable_that_is_not_set_is_named_before_anything_is_sent(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ETLRUN_TEST_ABSENT", raising=False)
    with pytest.raises(ModelError) as caught:
        Gemini(**{"model": "m", "api_key": "k", name: "${ETLRUN_TEST_ABSENT}"}).open(from_environment)
    assert caught.value.cause == "setup"
    where = f"`{name}` of the model is `${{ETLRUN_TEST_ABSENT}}`"
    assert caught.value.message == f"{where}, but the environment variable `ETLRUN_TEST_ABSENT` is not set"
    assert "export ETLRUN_TEST_ABSENT=" in caught.value.fix


def test_the_key_comes_from_the_project_file_and_not_from_what_the_environment_holds_besides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(os.environ, "GOOGLE_API_KEY", "another")
    monkeypatch.setitem(os.environ, "ETLRUN_TEST_KEY", SECRET)
    with posing.server() as served:
        model = posing.gemini(served, api_key="${ETLRUN_TEST_KEY}")

        async def work() -> None:
            client = model.open(from_environment)
            await client.answer(request(model))
            await client.close()

        asyncio.run(work())
        assert served.records[0].secret == SECRET


def test_a_request_to_anthropic_carries_a_closed_schema_and_no_thinking() -> None:
    with posing.server() as served:
        sent(posing.anthropic(served, api_key=SECRET))
        sent(posing.anthropic(served, api_key=SECRET, effort="high", temperature=0.5))
        first, second = served.records
        schema = first.body["output_config"]["format"]["schema"]
        assert first.secret == SECRET
        assert (schema["additionalProperties"], schema["properties"]["labels"]["items"]["additionalProperties"]) == (
            False,
            False,
        )
        assert (first.body["thinking"], "temperature" in first.body, "effort" in first.body["output_config"]) == (
            {"type": "disabled"},
            False,
            False,
        )
        assert (second.body["output_config"]["effort"], second.body["temperature"]) == ("high", 0.5)


def test_vertex_asks_the_project_and_signs_in_as_the_account() -> None:
    with posing.server() as served:
        reply = sent(posing.vertex(served, location="europe-west4"))
        assert (served.records[0].secret, reply.version) == (TOKEN, "gemini-2.5-flash")
        assert served.paths == [
            "/v1beta1/projects/a-project/locations/europe-west4/publishers/google/models/gemini-2.5-flash:generateContent"
        ]


def test_where_nobody_signed_in_to_google_the_command_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {"HOME": str(tmp_path), "CLOUDSDK_CONFIG": str(tmp_path), "NO_GCE_CHECK": "true"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    with pytest.raises(ModelError) as caught:
        Vertex(model="gemini-3.5-flash", project="a-project").open(posing.as_written)
    assert caught.value.cause == "setup"
    assert "gcloud auth application-default login" in caught.value.fix


def test_a_sign_in_that_google_refuses_or_that_is_out_of_reach_has_a_cause() -> None:
    with posing.server() as served:
        for answer, cause in (
            (Response(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}), "access"),
            (Response(drops=True), "service"),
        ):
            served.sign_in = answer
            error = failure(served, posing.vertex)
            assert (error.cause, error.may_be_billed) == (cause, False)
        assert served.records == []


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret(SECRET)
    assert SECRET not in f"{secret} {secret!r} {[secret]} {vars(Gemini(model='m'))}"
    assert hide_secrets(f"Bearer {SECRET}") == "Bearer ***"
    assert secret.reveal() == SECRET
    with pytest.raises(TypeError, match="not written anywhere"):
        pickle.dumps(secret)


@each_kind
def test_a_model_says_who_it_is_or_that_it_is_not_there(kind: Any) -> None:
    async def work(model: LanguageModel) -> tuple[str, int | None]:
        client = model.open(posing.as_written)
        try:
            return await client.check(), await client.count_tokens(request(model))
        finally:
            await client.close()

    known = ["gemini-2.5-flash", "some-model", "claude-haiku-5-5"]
    with posing.server(models=known) as served:
        name, tokens = asyncio.run(work(kind(served)))
        assert name.removeprefix("models/") in known
        assert tokens is None or tokens > 100
        with pytest.raises(ModelError) as caught:
            asyncio.run(work(kind(served, model="gemini-2.5-flush")))
        assert caught.value.cause == "model"


def test_identity_holds_what_changes_an_answer_and_no_more() -> None:
    base = Gemini(model="m").identity(Path(), posing.as_written)
    assert (
        Gemini(model="m", concurrency=1, batch=10, timeout=1, api_key="x", url="http://h").identity(
            Path(), posing.as_written
        )
        == base
    )
    assert base["temperature"] == "0", "left out, it counts as the 0 that was sent before: answers stay known"
    others = [Gemini(model="n"), Gemini(model="m", thinking="low"), Gemini(model="m", temperature=1)]
    assert base not in [other.identity(Path(), posing.as_written) for other in others]
