"""The server: what it is asked, what it answers, and what it remembers of both."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from . import anthropic, gemini, openai
from .dialect import Answer, Asked, Dialect
from .faults import Fault, Plan, spoil, written
from .jobs import Ending, Jobs
from .truth import Truth, fields_of
from .wire import Call, Response, serve_connection

INPUT_PRICE, OUTPUT_PRICE = 0.30, 2.50  # US dollars per million tokens
ANOTHER, ANOTHER_INPUT, ANOTHER_OUTPUT = "gemini-3.5-flash", 1.50, 9.00  # what a rerouted request is answered by
TOKEN = "ya29.fake"  # what Google's sign-in gives where no secret is insisted on
POISON, TOXIC, FORBIDDEN = (
    "poison",
    "toxic",
    "forbidden",
)  # words in a key: blocked before, blocked after, refused with 400
LATE: frozenset[Fault | None] = frozenset({"drop-after", "half-json"})  # the work is done, and billed


@dataclass(frozen=True)
class Record:
    """A request that asked for answers: its keys and the fault that struck it."""

    keys: tuple[str, ...]
    fault: Fault | None
    secret: str
    at: float
    body: Mapping[str, Any]


class FakeServer:
    """A server in a thread of its own: `with FakeServer() as server: ... server.url`."""

    def __init__(
        self,
        *,
        faults: Mapping[Fault, float] | None = None,
        seed: int = 0,
        script: Sequence[Fault | None] = (),
        latency: float = 0.0,
        known: Mapping[str, str] | None = None,
        models: Sequence[str] = (),
        secret: str = "",
        retry_delay: float = 0.02,
        port: int = 0,
        takes_schema: bool = True,
        version: str | None = None,
        strict: bool = False,
        levels: Sequence[str] = (),
        thinks: int = 0,
        jobs_take: int | None = 0,
        endings: Sequence[Ending] = (),
        allows: tuple[int, float] | None = None,
    ) -> None:
        self.allows = allows  # so many requests, which are there again within so many seconds
        self.left = (float(allows[0]) if allows else 0.0, time.monotonic())
        self.plan = Plan(faults or {}, seed, script)
        self.truth = Truth(known or {})
        self.latency = latency
        self.models = models
        self.secret = secret
        self.retry_delay = retry_delay
        self.port = port
        self.takes_schema = takes_schema
        self.version = version
        self.strict = strict
        self.levels = levels
        self.thinks = thinks
        self.calls: Counter[str] = Counter()  # key -> answers that left the server whole or not
        self.records: list[Record] = []
        self.refused = 0  # requests beyond what is allowed
        self.paths: list[str] = []  # of the requests for answers
        self.sign_in: Response | None = None  # in place of what Google's sign-in gives
        self.billed_usd = 0.0
        self.in_flight = 0
        self.most_in_flight = 0
        self.schema: Mapping[str, Any] | None = None
        self.last: Mapping[str, Any] | None = None
        self.jobs = Jobs(self.in_job, jobs_take, endings, seed)
        self.factor = 1.0  # of the price, which is halved in jobs

    # life

    def __enter__(self) -> Self:
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self.thread.start()
        started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self.listen())
        started.set()
        self.loop.run_forever()
        self.listening.close()
        open_connections = asyncio.all_tasks(self.loop)
        for task in open_connections:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*open_connections, return_exceptions=True))

    async def listen(self) -> None:
        """Open the port; `port` is then the one in use."""
        self.listening = await asyncio.start_server(
            lambda r, w: serve_connection(r, w, self.handle), "127.0.0.1", self.port, limit=1 << 22
        )
        self.port = self.listening.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # answers

    async def handle(self, call: Call) -> Response:
        if call.path == "/_state":
            return Response(200, self.state())
        if call.path == "/token":  # where Google's sign-in changes a signed claim into what a request carries
            given = {"access_token": self.secret or TOKEN, "expires_in": 3600, "token_type": "Bearer"}
            return self.sign_in or Response(200, given)
        dialect = _dialect(call)
        if self.secret and dialect.secret(call) != self.secret:
            return dialect.failure(401, "the API key is not valid", self.retry_delay)
        if (found := self.jobs.handle(call)) is not None:
            return found
        name = dialect.model(call)
        if self.models and name and name not in self.models:
            return dialect.failure(404, f"models/{name} is not found", self.retry_delay)
        asked = dialect.asked(call)
        if asked is None:
            return dialect.other(call, self.models)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.latency:
                await asyncio.sleep(self.latency)
            return self.allowed(call, asked, dialect) if self.allows else self.answer(call, asked, dialect)
        finally:
            self.in_flight -= 1

    def allowed(self, call: Call, asked: Asked, dialect: Dialect) -> Response:
        """The answer, with what is left in its headers; a refusal where nothing is."""
        assert self.allows
        limit, seconds = self.allows
        left, at = self.left
        now = time.monotonic()
        left = min(limit, left + (now - at) * limit / seconds)
        is_refused = left < 1
        left -= not is_refused
        self.left = (left, now)
        response = dialect.failure(429, "too many requests", 0) if is_refused else self.answer(call, asked, dialect)
        self.refused += is_refused
        told = dialect.limits(limit, int(left), (limit - left) * seconds / limit)
        return replace(response, headers=told)

    def in_job(self, call: Call, dialect: Dialect) -> Response:
        """The answer to a request of a job, at half the price."""
        asked = dialect.asked(call)
        assert asked is not None
        self.factor = 0.5
        try:
            return self.answer(call, asked, dialect)
        finally:
            self.factor = 1.0

    def answer(self, call: Call, asked: Asked, dialect: Dialect) -> Response:
        document = json.loads(asked.user)
        keys = tuple(_key(item) for item in document["items"])
        fault = self.plan.next()
        if asked.schema and not self.takes_schema:
            fault = "schema"
        self.paths.append(call.path)
        self.records.append(Record(keys, fault, dialect.secret(call), time.monotonic(), call.json()))
        failure = self.failure(fault, dialect)
        refusal = dialect.refusal(call, self.levels) if self.strict else ""
        if refusal:
            return dialect.failure(400, refusal, self.retry_delay)
        if failure:
            return failure
        if any(FORBIDDEN in key for key in keys):
            return dialect.failure(400, "the request is not allowed", self.retry_delay)
        self.calls.update(keys)
        self.schema = asked.schema or self.schema
        if any(POISON in key for key in keys):
            taken = len(asked.system + asked.user) // 3
            return dialect.answer(Answer("", "blocked-prompt", taken, 0, version=self.answering(fault, asked)))
        return self.written(fault, document, keys, asked, dialect)

    def written(
        self, fault: Fault | None, document: Mapping[str, Any], keys: tuple[str, ...], asked: Asked, dialect: Dialect
    ) -> Response:
        fields = fields_of(self.schema, asked.system)
        items = [{"i": item["i"], **self.truth.answer(_key(item), fields)} for item in document["items"]]
        whole = {"batch": document["batch"], "labels": [dict(item) for item in items]}
        spoilt: Mapping[str, Any] = {
            "batch": document["batch"],
            "labels": spoil(fault, items, fields.get("c", {}).get("enum", ()), self.plan.chance),
        }
        if fault == "canary-dropped":
            spoilt = {**spoilt, "labels": [item for item in items if keys[item["i"]] not in self.truth.known]}
        if fault == "other-batch" and self.last:
            spoilt = self.last
        self.last = whole
        text, is_cut = written(fault, spoilt)
        is_toxic = any(TOXIC in key for key in keys)
        thoughts = min(self.thinks, asked.limit)
        is_cut |= len(text) // 3 > asked.limit - thoughts
        text = text[: 3 * (asked.limit - thoughts)]
        taken, given = len(asked.system + asked.user) // 3, 0 if is_toxic else len(text) // 3 + thoughts
        version = self.answering(fault, asked)
        prices = (ANOTHER_INPUT, ANOTHER_OUTPUT) if version == ANOTHER else (INPUT_PRICE, OUTPUT_PRICE)
        self.billed_usd += self.factor * (taken * prices[0] + given * prices[1]) / 1e6
        if fault == "drop-after":
            return Response(drops=True)
        if is_toxic:
            return dialect.answer(Answer("", "blocked", taken, 0, version=version))
        ending = "truncated" if is_cut else "complete"
        response = dialect.answer(Answer(text, ending, taken, given, fault != "no-usage", version, thoughts))
        if fault == "half-json":
            raw = json.dumps(response.body).encode()
            return Response(200, raw=raw[: len(raw) // 2])
        return response

    def answering(self, fault: Fault | None, asked: Asked) -> str:
        """The model that answers, as it names itself: the one asked, unless the service puts another in its place."""
        if fault == "unnamed":
            return ""
        return ANOTHER if fault == "rerouted" else asked.model if self.version is None else self.version

    def failure(self, fault: Fault | None, dialect: Dialect) -> Response | None:
        statuses = {"unavailable": 503, "no-model": 404, "no-key": 401, "bad-request": 400}
        if fault == "drop-before":
            return Response(drops=True)
        if fault == "rate":
            return dialect.failure(429, "too many requests", self.retry_delay)
        if fault == "rate-header":
            return Response(
                429, {"error": {"code": 429, "message": "too many requests"}}, {"Retry-After": f"{self.retry_delay}"}
            )
        if fault == "day":
            return dialect.day()
        if fault == "schema":
            return dialect.failure(400, "the response schema has too many states", self.retry_delay)
        return dialect.failure(statuses[fault], f"the fault {fault}", self.retry_delay) if fault in statuses else None

    def state(self) -> dict[str, Any]:
        """What a test in another process wants to know."""
        return {
            "requests": len(self.records),
            "calls": dict(self.calls),
            "billed_usd": self.billed_usd,
            "most_in_flight": self.most_in_flight,
            "jobs": len(self.jobs.all),
        }


def _dialect(call: Call) -> Dialect:
    """The API that a call speaks."""
    if "anthropic-version" in call.headers:
        return anthropic.DIALECT
    is_chat = call.path.endswith(("/chat/completions", "/v1/models"))
    is_chat |= "x-goog-api-key" not in call.headers and ("/batches" in call.path or "/files" in call.path)
    return openai.DIALECT if is_chat else gemini.DIALECT


def _key(item: Mapping[str, Any]) -> str:
    """What is asked about: a text, or the parts of a key with a bar between them."""
    asked = item["q"]
    return asked if isinstance(asked, str) else " | ".join(asked.values())
