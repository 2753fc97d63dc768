"""Services that answer with anything at all: a key is then without an answer, and the run goes on."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import sqlite3
from pathlib import Path
from typing import Any

import posing
import pytest

from etlrun.contracts.model import LanguageModel, ModelError
from etlrun.enrich.limiter import Limits
from etlrun.enrich.questions import write_sheet
from etlrun.models._sanitize import MOST
from fake_gemini import FakeServer
from fake_gemini.wire import Call, Response

every_kind = pytest.mark.parametrize("kind", [posing.openai, posing.gemini, posing.anthropic, posing.vertex])
DEEP = b"[" * 200_000
PLAIN = posing.TEXT.replace("canaries:", "examples:")
SECRET = "planted-canary-9876543210"


class Saying(FakeServer):
    """A server that gives every request the same body."""

    def __init__(self, body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        super().__init__()
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.response = Response(status, raw=raw, headers=headers or {})
        self.count = 0

    async def handle(self, call: Call) -> Response:
        if call.path == "/token":  # Google's sign-in, which is another service
            return await super().handle(call)
        self.count += 1
        return self.response


def of_openai(message: Any, **more: Any) -> dict[str, Any]:
    return {"model": "some-model", "choices": [{"finish_reason": "stop", "message": message, **more}]}


def of_gemini(text: str, **more: Any) -> dict[str, Any]:
    candidate = {"finishReason": "STOP", "content": {"parts": [{"text": text}]}, **more}
    return {"modelVersion": "gemini-2.5-flash", "candidates": [candidate]}


def sent(model: LanguageModel) -> Any:
    async def work() -> Any:
        client = model.open(posing.as_written)
        try:
            return await client.answer(write_sheet(posing.question(model), posing.keys(2), random.Random(1)).request)
        finally:
            await client.close()

    return asyncio.run(work())


UNREADABLE = [
    (posing.openai, DEEP),
    (posing.openai, 5),
    (posing.openai, None),
    (posing.openai, {"choices": "x"}),
    (posing.openai, {"choices": [5]}),
    (posing.openai, of_openai(None)),
    (posing.openai, of_openai("hi")),
    (posing.openai, of_openai({"content": ["x"]})),
    (posing.openai, of_openai({"content": DEEP.decode()})),
    (posing.openai, b'{"model":"some-model","choices":[{"finish_reason":"\\ud800","message":{"content":"x"}}]}'),
    (posing.gemini, DEEP),
    (posing.gemini, 5),
    (posing.gemini, None),
    (posing.gemini, [1, 2]),
    (posing.gemini, {"candidates": "x"}),
    (posing.gemini, {"candidates": [None]}),
    (posing.gemini, of_gemini(DEEP.decode())),
    (posing.gemini, of_gemini("x", finishReason="\x1b[31m")),
]


@pytest.mark.parametrize(("kind", "body"), UNREADABLE)
def test_a_body_that_is_no_answer_fails_its_keys_and_nothing_else(kind: Any, body: Any, tmp_path: Path) -> None:
    with Saying(body) as served:
        model, asked, store = kind(served), posing.keys(2), posing.new_store(tmp_path)
        report = posing.pose(model, asked, store)
        assert (report.ok, report.failed, report.stopped) == (0, 2, None)
        found = posing.stored(store, model, asked)
        assert posing.statuses(found) == {"failed": 2}
        assert all(entry.reason.isprintable() for entry in found.values())


@pytest.mark.parametrize("kind", [posing.openai, posing.gemini])
@pytest.mark.parametrize(
    "body",
    [DEEP, 5, [1], {"error": {"code": "x", "message": {"a": 1}, "details": [{"reason": [1]}, 5]}}, b"<html>\x1b[31m"],
)
@pytest.mark.parametrize("status", [400, 401, 429, 503])
def test_a_failure_that_says_anything_at_all_is_still_a_failure_with_a_cause(kind: Any, body: Any, status: int) -> None:
    with Saying(body, status=status) as served, pytest.raises(ModelError) as caught:
        sent(kind(served))
    assert caught.value.message.isprintable()


def test_a_body_that_cannot_be_decompressed_is_unreadable() -> None:
    for kind in (posing.openai, posing.gemini):
        with Saying(b"no gzip", headers={"Content-Encoding": "gzip"}) as served, pytest.raises(ModelError) as caught:
            sent(kind(served))
        assert caught.value.cause == "unreadable"


COUNTS = [(10**30, MOST), (2**63, MOST), (-(10**9), 0)]


@pytest.mark.parametrize(("count", "kept"), COUNTS)
def test_counts_are_kept_as_far_as_they_can_be(count: int, kept: int, tmp_path: Path) -> None:
    openai = {**of_openai({"content": "x"}), "usage": {"prompt_tokens": count, "completion_tokens": count}}
    gemini = {
        **of_gemini("x"),
        "usageMetadata": {"promptTokenCount": count, "candidatesTokenCount": count, "thoughtsTokenCount": count},
    }
    for kind, body in ((posing.openai, openai), (posing.gemini, gemini)):
        with Saying(body) as served:
            store = posing.new_store(tmp_path / kind.__name__)
            report = posing.pose(kind(served), posing.keys(1), store)
            (cost,) = store.costs()
            assert (cost.input_tokens, cost.output_tokens) == (kept * report.requests, kept * report.requests)
            assert report.usd >= 0


@pytest.mark.parametrize(
    "usage",
    ["10", [1], {"prompt_tokens": "abc"}, {"prompt_tokens": 1.5}, {"prompt_tokens": 1, "completion_tokens": [2]}],
)
def test_a_usage_that_is_no_usage_is_as_good_as_none(usage: Any) -> None:
    with Saying({**of_openai({"content": "x"}), "usage": usage}) as served:
        assert sent(posing.openai(served)).usage is None


def test_a_key_that_a_service_repeats_and_what_cannot_be_written_are_not_stored(tmp_path: Path) -> None:
    word = f"\ud800{SECRET}\x1b" + "x" * 500
    bodies = [
        (posing.openai, {**of_openai({"content": "x"}, finish_reason=word), "model": word}),
        (posing.gemini, {**of_gemini("x", finishReason=word[1:]), "modelVersion": word}),
    ]
    for kind, body in bodies:
        with Saying(body) as served:
            folder = tmp_path / kind.__name__
            store = posing.new_store(folder)
            report = posing.pose(kind(served, api_key=SECRET), posing.keys(1), store)
            store.close()
        assert (report.ok, report.requests) == (0, 1)
        with sqlite3.connect(folder / "labels.sqlite") as connection:
            versions = {version for (version,) in connection.execute("select version from etlrun_requests")}
        connection.close()
        assert versions == {"*** " + "x" * 96}
        assert not [path for path in folder.iterdir() if SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize("key", ["kéy-0123456789", "key-0123456789\n", "key\n-0123456789", "“key-0123456789”"])
@pytest.mark.parametrize("kind", [posing.openai, posing.gemini])
def test_a_key_that_no_header_takes_is_named_before_anything_is_sent(kind: Any, key: str) -> None:
    with Saying({}) as served:
        with pytest.raises(ModelError, match="`api_key` has a character that keys cannot have") as caught:
            kind(served, api_key=key).open(posing.as_written)
        assert (caught.value.cause, served.count) == ("setup", 0)
        assert key not in str(caught.value)


@every_kind
@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (400, {"Content-Type": "application/json; charset=rot13"}),
        (400, {"Content-Type": "text/html; charset=utf-16"}),
        (429, {"Retry-After": "soon\xff"}),
        (503, {"Server": "\xfe\xff"}),
        (302, {"Location": "http://[::1"}),
        (307, {}),
    ],
)
def test_headers_that_nobody_can_read_are_a_failure_like_any_other(kind: Any, status: int, headers: Any) -> None:
    with (
        Saying({"error": {"message": "no \xe9"}}, status=status, headers=headers) as served,
        pytest.raises(ModelError) as caught,
    ):
        sent(kind(served))
    causes = {400: "refused", 429: "rate", 503: "service", 302: "setup", 307: "setup"}
    assert (caught.value.cause, caught.value.wait) == (causes[status], None)
    assert ("no é" in caught.value.message) == (status in (400, 429, 503))


@every_kind
@pytest.mark.parametrize("wait", ["31536000", "Wed, 21 Oct 2099 07:28:00 GMT", "inf"])
def test_a_service_that_wants_a_pause_of_more_than_an_hour_ends_the_asking(
    kind: Any, wait: str, tmp_path: Path
) -> None:
    with Saying({}, status=429, headers={"Retry-After": wait}) as served:
        report = posing.pose(kind(served), posing.keys(2), posing.new_store(tmp_path))
    assert report.stopped is not None
    assert (report.stopped.reason, report.requests) == ("quota", 1)
    assert "the service asks to wait for" in report.stopped.message


BOMB = gzip.compress(b" " * (64 << 20))


@pytest.mark.parametrize("kind", [posing.openai, posing.gemini])
@pytest.mark.parametrize(
    ("body", "headers", "why"),
    [
        (b" " * (9 << 20), {}, "more than 8,388,608 bytes"),
        (BOMB, {"Content-Encoding": "gzip"}, "more than 8,388,608 bytes"),
        (BOMB, {"Content-Encoding": "deflate"}, ""),
        (BOMB[:999], {"Content-Encoding": "gzip"}, ""),
        (BOMB, {"Content-Encoding": "br"}, "a compression that was not requested"),
    ],
)
def test_a_reply_that_is_too_large_or_swells_is_unreadable(
    kind: Any, body: bytes, headers: dict[str, str], why: str
) -> None:
    with Saying(body, headers=headers) as served, pytest.raises(ModelError) as caught:
        sent(kind(served))
    assert (caught.value.cause, caught.value.may_be_billed) == ("unreadable", True)
    assert why in caught.value.message


@pytest.mark.parametrize("kind", [posing.openai, posing.gemini])
def test_a_reply_that_is_compressed_is_read(kind: Any) -> None:
    bodies = {posing.openai: of_openai({"content": "hi"}), posing.gemini: of_gemini("hi")}
    body = gzip.compress(json.dumps(bodies[kind]).encode())
    with Saying(body, headers={"Content-Encoding": "gzip"}) as served:
        assert sent(kind(served)).text == "hi"


@pytest.mark.parametrize("kind", [posing.openai, posing.gemini])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_does_not_carry_the_key_elsewhere(kind: Any, status: int, tmp_path: Path) -> None:
    with Saying({}) as elsewhere:
        target = f"{elsewhere.url}/v1/there?x=1"
        with Saying({}, status=status, headers={"Location": target}) as served:
            report = posing.pose(kind(served, api_key=SECRET), posing.keys(3), posing.new_store(tmp_path))
        assert report.stopped is not None
        assert (report.stopped.reason, report.requests, served.count, elsewhere.count) == ("setup", 1, 1, 0)
        assert f"redirects to {elsewhere.url}, and the key is not sent there" in report.stopped.message


class Dripping(FakeServer):
    """A server that sends one byte of its reply every little while, for ever."""

    async def listen(self) -> None:
        async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999999\r\n\r\n")
                while True:
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.05)
            except (ConnectionError, asyncio.CancelledError):
                writer.close()

        self.listening = await asyncio.start_server(drip, "127.0.0.1", 0)
        self.port = self.listening.sockets[0].getsockname()[1]


@pytest.mark.parametrize("kind", [posing.openai, posing.gemini])
def test_a_reply_that_drips_in_is_an_outage_once_its_time_is_up(kind: Any) -> None:
    with Dripping() as served, pytest.raises(ModelError) as caught:
        sent(kind(served, timeout=0.5))
    assert (caught.value.cause, caught.value.message) == ("service", "the service did not answer in time")


@pytest.mark.parametrize("count", [2**31, 2**63])
def test_tokens_that_no_request_can_have_do_not_hold_the_next_ones_back(count: int, tmp_path: Path) -> None:
    class Claiming(FakeServer):
        def written(self, *asked: Any) -> Response:
            response = super().written(*asked)
            response.body["usageMetadata"]["promptTokenCount"] = count
            return response

    limits = Limits(concurrency=4, tokens_per_minute=5_000_000)
    with Claiming(known=posing.CANARIES) as served:
        asked, store = posing.keys(200), posing.new_store(tmp_path)
        report = posing.pose(posing.gemini(served), asked, store, posing.terms(limits=limits))
    assert (report.ok, report.requests) == (200, 4)


def test_a_number_of_hundreds_of_digits_is_no_answer(tmp_path: Path) -> None:
    text = "---\ntask: t\noutput:\n  n: {number: {min: 0, max: 1}}\n---\n"

    class Number(FakeServer):
        def written(self, fault: Any, document: Any, keys: Any, asked: Any, dialect: Any) -> Response:
            labels = [{"i": item["i"], "c": 10**400} for item in document["items"]]
            return Response(200, of_gemini(json.dumps({"batch": document["batch"], "labels": labels})))

    with Number() as served:
        report = posing.pose(posing.gemini(served), posing.keys(2), posing.new_store(tmp_path), text=text)
    assert (report.ok, report.failed) == (0, 2)
