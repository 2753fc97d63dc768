"""Measures enrichment without an engine: requests, the loop's overhead over a service's latency, the catalogue, memory.

    python bench/enrich.py                 # a few minutes; writes bench/enrich.md
    python bench/enrich.py --keys 100000   # smaller

Every figure that is a time is a ratio to a time measured or dictated in the same run. The service is `python -m tests.fake_gemini`, in a
process of its own; each measurement runs in a fresh process, so that memory is its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from etlrun.contracts.model import Finder, LanguageModel, ModelClient, ModelReply, Price, Request, Usage
from etlrun.enrich.answers import answer_keys
from etlrun.enrich.keys import Keys, distinct_keys
from etlrun.enrich.labels import open_store
from etlrun.enrich.questions import write_sheet
from etlrun.enrich.tiers import tiers_of
from etlrun.models.catalogue import Catalogue
from etlrun.models.gemini import Gemini
from etlrun.models.openai import Openai
from etlrun.spec.normal_form import normal_form
from etlrun.spec.prompts import Prompt, read_prompt

ROOT = Path(__file__).parents[1]
PROMPT = ROOT / "prompts" / "keyword_category.md"
LATENCY, CONCURRENCY, BATCH = 0.05, 48, 50
FREE = Price(0, 0)


@contextmanager
def service(latency: float) -> Any:
    command = [sys.executable, "-m", "tests.fake_gemini", "--latency", str(latency), "--prompt", str(PROMPT)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


class Waiting(ModelClient):
    """A model without a wire: it waits as long as the service and gives the same answers, so that only the loop is measured."""

    async def answer(self, request: Request) -> ModelReply:
        await asyncio.sleep(LATENCY)
        document = json.loads(request.user)
        known = {
            "vtv1": "TV Channel",
            "naruto": "Animation",
            "champions league": "Sports",
            "running man": "Reality Show",
        }
        labels = [{"i": item["i"], "c": known.get(item["q"], "Other")} for item in document["items"]]
        return ModelReply(
            json.dumps({"batch": document["batch"], "labels": labels}), "complete", "STOP", Usage(1_000, 600), "waiting"
        )

    async def count_tokens(self, request: Request) -> int | None:
        return None

    async def check(self) -> str:
        return "waiting"

    async def close(self) -> None:
        return None


class WaitingModel(Openai):
    """The kind that opens it."""

    def open(self, environment: Callable[[str], str]) -> ModelClient:
        return Waiting()


def as_written(text: str) -> str:
    return text


def models(url: str) -> dict[str, LanguageModel]:
    limits: dict[str, Any] = {"concurrency": CONCURRENCY, "batch": BATCH, "price": FREE}
    return {
        "the loop alone": WaitingModel(model="waiting", url="-", **limits),
        "openai": Openai(model="some-model", url=f"{url}/v1", **limits),
        "gemini": Gemini(model="gemini-2.5-flash", api_key="a-key", url=url, **limits),
    }


def spellings(rows: int, distinct: int) -> Iterator[tuple[str, int]]:
    """Distinct keywords in several spellings, as many rows in all; the first ones are the commonest."""
    each, more = divmod(rows, distinct)
    return ((f"Từ khoá phim {number}", each + (number < more)) for number in range(distinct))


def ask(keys: Keys, model: LanguageModel, folder: Path) -> dict[str, Any]:
    store = open_store(folder / "labels.sqlite")
    prompt = read_prompt(PROMPT)
    found = answer_keys(keys, tiers_of(prompt, [model], ROOT, as_written), store, {}, ROOT, as_written)
    found.write(folder / "answers.parquet", prompt.outputs)
    store.close()
    return {
        "report": found.reports[0].as_object(),
        "known": sum(answer.status == "ok" for _, _, answer in found.each()),
    }


# measurements, each in a process of its own


def measure_requests(url: str, _: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        model = models(url)["openai"]
        runs = [ask(distinct_keys(spellings(30_000, 11_000)), model, Path(folder)) for _ in range(2)]
        later = islice(spellings(30_000, 12_000), 1_000, None)  # next month: 10,000 known, 1,000 new
        runs.append(ask(distinct_keys(later), model, Path(folder)))
    return {"requests": [run["report"]["requests"] for run in runs], "asked": [run["report"]["asked"] for run in runs]}


def measure_loop(name: str) -> Callable[[str, int], dict[str, Any]]:
    def measure(url: str, count: int) -> dict[str, Any]:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            keys = distinct_keys(spellings(3 * count, count))
            gathered, cpu = time.perf_counter(), time.process_time()
            found = ask(keys, models(url)[name], Path(folder))
        cpu = time.process_time() - cpu
        report, whole, memory = found["report"], time.perf_counter() - began, _memory()
        bare, bare_cpu = asyncio.run(bare_seconds(models(url)[name], keys, max(200, report["requests"] // 5)))
        return {
            "answered": found["known"],
            "requests": report["requests"],
            "dictated": report["requests"] * LATENCY / CONCURRENCY,
            "bare": bare * report["requests"],
            "asking": report["seconds"],
            "gathering": gathered - began,
            "whole": whole,
            "memory_mb": memory,
            "cpu": cpu / report["requests"],
            "bare_cpu": bare_cpu,
        }

    return measure


async def bare_seconds(model: LanguageModel, keys: Keys, requests: int) -> tuple[float, float]:
    """Seconds, and seconds of CPU, that a request of the bare client takes: as many at a time, nothing checked, nothing kept."""
    question = tiers_of(read_prompt(PROMPT), [model], ROOT, as_written)[0].question
    request = write_sheet(question, keys.asked[:BATCH], random.Random(0)).request
    client, left = model.open(as_written), iter(range(requests))

    async def work() -> None:
        for _ in left:
            await client.answer(request)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    await client.close()
    return seconds / requests, cpu / requests


def measure_normaliser(_: str, count: int) -> dict[str, Any]:
    texts = [f"Từ Khoá  phim {number}" for number in range(count)]
    times = []
    for _round in range(5):
        began = time.perf_counter()
        for text in texts:
            normal_form(text)
        times.append((time.perf_counter() - began) / count * 1e6)
    return {"microseconds": statistics.median(times)}


def measure_catalogue(_: str, count: int) -> dict[str, Any]:
    prompt: Prompt = read_prompt(PROMPT)
    finder: Finder = Catalogue(titles="mappings/titles.csv").open(ROOT, prompt.outputs)
    titles = [
        line.split(",")[0].strip('"')
        for line in (ROOT / "mappings" / "titles.csv").read_text(encoding="utf-8").splitlines()[1:]
    ]
    texts = [
        f"phim {titles[number % len(titles)]} tập {number}" if number % 3 else f"từ khoá khác hẳn {number}"
        for number in range(count)
    ]
    rates = []
    for _round in range(5):
        began = time.perf_counter()
        found = sum(finder.find(text) is not None for text in texts)
        rates.append(count / (time.perf_counter() - began))
    return {"keys_per_second": statistics.median(rates), "found": found, "keys": count}


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


MEASUREMENTS: dict[str, Callable[[str, int], dict[str, Any]]] = {
    "requests": measure_requests,
    "the loop alone": measure_loop("the loop alone"),
    "openai": measure_loop("openai"),
    "gemini": measure_loop("gemini"),
    "normaliser": measure_normaliser,
    "catalogue": measure_catalogue,
}


def run(name: str, url: str, keys: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--only", name, "--url", url, "--keys", str(keys)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def report(keys: int) -> str:
    with service(0.0) as url:
        requests = run("requests", url, keys)
    with service(LATENCY) as url:
        loops = {name: run(name, url, keys) for name in ("the loop alone", "openai", "gemini")}
    normaliser, catalogue = run("normaliser", "", 200_000), run("catalogue", "", 30_000)
    first, second, third = requests["requests"]
    lines = [
        "# Enrichment",
        "",
        f"`python bench/enrich.py --keys {keys}` on {os.cpu_count()} cores, Python {platform.python_version()}. The service is a server on the same",
        f"machine, written in Python: {LATENCY * 1000:.0f} ms latency, {CONCURRENCY} concurrent requests, {BATCH} keys per request.",
        "",
        "* *Minimum* is requests x latency / concurrency: no program can be faster.",
        "* *Client* is the client alone: it sends as many requests, checks no reply and stores nothing.",
        "* *Asking* is everything: leases, rate limits, a check of every answer, one commit per reply.",
        "",
        "| 30,000 rows, 11,000 distinct keys, no faults | requests |",
        "|---|---|",
        f"| first run | {first} |",
        f"| second run | {second} |",
        f"| next month: 11,000 keys, of which {requests['asked'][2]:,} are new | {third} |",
        "",
        f"| {keys:,} distinct keys through normaliser, store and table "
        "| minimum s | client s | asking s | over minimum | over client | all s | CPU per request, client -> all | memory MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in loops.items():
        assert found["answered"] == keys
        dictated, bare, asking = found["dictated"], found["bare"], found["asking"]
        over = (f"{asking / dictated - 1:.0%}", f"{asking / bare - 1:.0%}")
        cpu = f"{found['bare_cpu'] * 1000:.2f} -> {found['cpu'] * 1000:.2f} ms"
        cells = (
            f"{dictated:.1f}",
            f"{bare:.1f}",
            f"{asking:.1f}",
            *over,
            f"{found['whole']:.1f}",
            cpu,
            f"{found['memory_mb']:.0f}",
        )
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"The first row uses no network. {LATENCY * 1000:.0f} ms / {CONCURRENCY} leave {LATENCY * 1000 / CONCURRENCY:.2f} ms of one core per request:",
        "if client and loop need more, they are the limit, and not the service. A real model takes seconds, so both are negligible there.",
        "CPU is that of the whole process, with its start, reading the answers back and writing the table. Other programs on the same",
        "two cores make every ratio larger.",
        "",
        "| single parts | |",
        "|---|---|",
        f"| normal form of a key | {normaliser['microseconds']:.1f} microseconds |",
        f"| catalogue of 211 titles | {catalogue['keys_per_second']:,.0f} keys/s ({catalogue['found']:,} of {catalogue['keys']:,} found) |",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--only", choices=tuple(MEASUREMENTS))
    parser.add_argument("--url", default="")
    given = parser.parse_args()
    if given.only:
        print(json.dumps(MEASUREMENTS[given.only](given.url, given.keys)))
        return
    text = report(given.keys)
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
