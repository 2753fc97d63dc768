"""How the tests of this folder pose questions: a small prompt, keys, and a model that answers over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import random
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from etlrun.contracts.job_client import JobClient
from etlrun.contracts.model import LanguageModel, Price
from etlrun.enrich.asking import ask
from etlrun.enrich.asking_in_jobs import ask_in_jobs
from etlrun.enrich.keys import Key, distinct_keys
from etlrun.enrich.labels import open_store
from etlrun.enrich.limiter import Limits
from etlrun.enrich.prices import Tariff
from etlrun.enrich.questions import Question
from etlrun.enrich.report import AskingReport
from etlrun.enrich.store import Store, StoredAnswer
from etlrun.enrich.terms import JobTerms, Progress, Terms, no_progress
from etlrun.models.anthropic import Anthropic
from etlrun.models.gemini import Gemini
from etlrun.models.openai import Openai
from etlrun.models.vertex import Vertex
from etlrun.spec.prompts import Prompt, parse_prompt
from fake_gemini import FakeServer

LABELS = ("Action", "Romance", "Comedy", "K Drama", "C Drama", "Sports", "Other")
CANARIES = {"vtv1": "Other", "naruto": "Comedy", "fifa": "Sports"}
PRICE = Price(input=0.30, output=2.50)  # what the server bills
QUICK = Limits(concurrency=16, first_wait=0.002, longest_wait=0.02)

TEXT = """\
---
task: Give each keyword its category.
output:
  category:
    labels:
{labels}
canaries:
{canaries}
---
Keywords are Vietnamese.
""".format(
    labels="\n".join(f"      {label}: what is {label}" for label in LABELS),
    canaries="\n".join(f"  - {{key: {key}, category: {label}}}" for key, label in CANARIES.items()),
)

FOLDER = tempfile.TemporaryDirectory()  # of what Google's sign-in reads


def prompt(text: str = TEXT) -> Prompt:
    return parse_prompt(text, "small", "prompts/small.md")


def keys(count: int, *others: str) -> list[Key]:
    """`từ khoá 0`, `từ khoá 1`, ... with fewer and fewer rows, then the others."""
    spellings = [(f"từ khoá {number}", count - number + 1) for number in range(count)]
    return list(distinct_keys([*spellings, *((text, 1) for text in others)]).asked)


def server(**settings: Any) -> FakeServer:
    """A server that knows the canaries."""
    return FakeServer(**{"known": CANARIES, **settings})


def gemini(served: FakeServer, **settings: Any) -> Gemini:
    return Gemini(**{"model": "gemini-2.5-flash", "api_key": "a-key", "url": served.url, **settings})


def openai(served: FakeServer, **settings: Any) -> Openai:
    return Openai(**{"model": "some-model", "url": served.url + "/v1", **settings})


def anthropic(served: FakeServer, **settings: Any) -> Anthropic:
    return Anthropic(**{"model": "claude-haiku-5-5", "api_key": "a-key", "url": served.url, **settings})


def vertex(served: FakeServer, **settings: Any) -> Vertex:
    """A model of a Google Cloud project, which signs in with the key of a service account; `api_key` is what the service then insists on."""
    key = json.dumps(
        {
            "type": "service_account",
            "project_id": "a-project",
            "private_key_id": "1",
            "private_key": _private_key(),
            "client_email": "etlrun@a-project.example",
            "token_uri": f"{served.url}/token",
        }
    )
    path = Path(FOLDER.name) / "account.json"
    path.write_text(key, encoding="utf-8")
    os.environ["GOOGLE_APPLICATION_CREDENTIALS"] = str(path)
    settings.pop("api_key", None)
    return Vertex(**{"model": "gemini-2.5-flash", "project": "a-project", "url": served.url, **settings})


@cache
def _private_key() -> str:
    made = rsa.generate_private_key(65537, 2048)
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return made.private_bytes(*pem).decode()


def as_written(text: str) -> str:
    return text


def question(model: LanguageModel, text: str = TEXT) -> Question:
    return Question(prompt(text), model.identity(Path(), as_written))


def terms(*, limits: Limits = QUICK, **settings: Any) -> Terms:
    return replace(Terms("a model", Tariff(PRICE, "the test"), limits), **settings)


def pose(
    model: LanguageModel,
    asked: list[Key],
    store: Store,
    how: Terms | None = None,
    *,
    text: str = TEXT,
    seed: int = 0,
    progress: Progress = no_progress,
) -> AskingReport:
    """Ask keys over HTTP, in real time."""

    async def work() -> AskingReport:
        client = model.open(as_written)
        try:
            return await ask(
                question(model, text),
                asked,
                client,
                store,
                how or terms(),
                chance=random.Random(seed),
                progress=progress,
            )
        finally:
            await client.close()

    return asyncio.run(work())


def pose_in_jobs(
    model: LanguageModel,
    asked: list[Key],
    store: Store,
    how: Terms | None = None,
    *,
    wait: float = 0.0,
    hands_in: bool = True,
    seed: int = 0,
) -> AskingReport:
    """Ask keys in jobs over HTTP, and look at them again and again for `wait` seconds."""
    direct = how or terms()
    direct = replace(direct, budget=replace(direct.budget, wait=wait))
    in_jobs = JobTerms(direct, direct.tariff.in_job(), lambda name: direct.tariff.in_job(), hands_in, 0.01, 0.05, 0.0)

    async def work() -> AskingReport:
        client = model.open(as_written)
        assert isinstance(client, JobClient)
        try:
            return await ask_in_jobs(question(model), asked, client, store, in_jobs, chance=random.Random(seed))
        finally:
            await client.close()

    return asyncio.run(work())


def stored(store: Store, model: LanguageModel, asked: list[Key], text: str = TEXT) -> Mapping[str, StoredAnswer]:
    return store.known(question(model, text).id, [key.normal for key in asked])


def wrong_labels(served: FakeServer, known: Mapping[str, StoredAnswer], asked: list[Key]) -> list[str]:
    """Keys whose stored label is not the right one."""
    shown = {key.normal: key.shown for key in asked}
    return [
        name
        for name, found in known.items()
        if found.status == "ok" and found.values["category"] != served.truth.label(shown[name], LABELS)
    ]


def statuses(known: Mapping[str, StoredAnswer]) -> dict[str, int]:
    found: dict[str, int] = {}
    for entry in known.values():
        found[entry.status] = found.get(entry.status, 0) + 1
    return found


def new_store(folder: Path) -> Store:
    return open_store(folder / "labels.sqlite")
