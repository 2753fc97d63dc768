"""Finds the answers for the keys of a column: first overrides, then each model of the cascade for open keys; then makes the table to join."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from etlrun.collector import not_collecting
from etlrun.contracts.job_client import JobClient
from etlrun.contracts.model import Environment, LanguageModel, ModelError
from etlrun.enrich.asking import ask, settled_keys
from etlrun.enrich.asking_in_jobs import ask_in_jobs
from etlrun.enrich.finders import look_up
from etlrun.enrich.keys import Key, Keys
from etlrun.enrich.report import AskingReport, Stop, continued
from etlrun.enrich.store import Status, Store, StoredAnswer
from etlrun.enrich.terms import Budget, Progress, no_progress
from etlrun.enrich.tiers import Tier, rounds
from etlrun.enrich.until_stopped import run_until_stopped
from etlrun.spec.outputs import Output, Value

if TYPE_CHECKING:
    import pyarrow

OVERRIDE = "override"
NO_CAP = Budget()
AT_ONCE = 50_000  # keys whose stored answers, or rows, are in memory at the same time


class Answer(NamedTuple):
    """The answer for a key: its status (`ok`, `abstained`, `refused`, `failed` or `pending`), the values by output, and its source.

    `doubt` has the answers of two models that do not agree.
    """

    status: str
    values: Mapping[str, Value]
    source: str = ""
    doubt: str = ""


NEVER_ASKED = Answer("abstained", {})
PENDING = Answer("pending", {})


@dataclass(frozen=True)
class Answers:
    """The answers for the keys of a column, and one report per model on how they were obtained."""

    keys: Keys
    by_place: Sequence[Answer]
    reports: tuple[AskingReport, ...]

    @property
    def stopped(self) -> Stop | None:
        """The reason why not everything was asked, if so."""
        return next((report.stopped for report in self.reports if report.stopped), None)

    def each(self) -> Iterator[tuple[str, int, Answer]]:
        """Every original spelling, its rows, and its answer."""
        for text, rows, place in zip(self.keys.raw, self.keys.rows, self.keys.place):
            yield text, rows, self.by_place[place] if place >= 0 else NEVER_ASKED

    def rows_by_source(self) -> Counter[str]:
        """The number of rows with an answer by source; `""` counts rows without."""
        found: Counter[str] = Counter()
        for _, rows, answer in self.each():
            found[answer.source if answer.status == "ok" else ""] += rows
        return found

    def pages(self, outputs: Sequence[Output]) -> Iterator[pyarrow.Table]:
        """Tables to join with: `key` (each original spelling once), one column per output, `status` and `source`; each table has at most so many rows."""
        each = self.each()
        yield _page(islice(each, AT_ONCE), outputs)  # at least one table, even without rows
        while page := list(islice(each, AT_ONCE)):
            yield _page(page, outputs)

    def table(self, outputs: Sequence[Output]) -> pyarrow.Table:
        """All pages in one table."""
        import pyarrow

        return pyarrow.concat_tables(self.pages(outputs))

    def write(self, path: Path, outputs: Sequence[Output]) -> None:
        """Write all pages into a Parquet file, one at a time."""
        import pyarrow.parquet as pq

        pages = self.pages(outputs)
        first = next(pages)
        with pq.ParquetWriter(path, first.schema) as file:
            for page in chain([first], pages):
                file.write_table(page)


def _page(each: Iterable[tuple[str, int, Answer]], outputs: Sequence[Output]) -> pyarrow.Table:
    import pyarrow

    rows = list(each)
    found = [answer for _, _, answer in rows]
    types = {"string": pyarrow.string(), "double": pyarrow.float64(), "boolean": pyarrow.bool_()}
    columns = {"key": pyarrow.array((text for text, _, _ in rows), pyarrow.string())}
    for output in outputs:
        columns[output.name] = pyarrow.array(
            (answer.values.get(output.name) for answer in found), types[output.type.name]
        )
    columns["status"] = pyarrow.array((answer.status for answer in found), pyarrow.string())
    columns["source"] = pyarrow.array(
        (answer.source if answer.status == "ok" else None for answer in found), pyarrow.string()
    )
    return pyarrow.table(columns)


def answer_keys(
    keys: Keys,
    tiers: Sequence[Tier],
    store: Store,
    overrides: Mapping[str, Mapping[str, Value]],
    root: Path,
    environment: Environment,
    *,
    budget: Budget = NO_CAP,
    run: str = "",
    progress: Progress = no_progress,
) -> Answers:
    """Ask the keys that were never asked, and return the answer for every key.

    Each model is asked the keys that earlier models left open. Both models of a pair are asked the same keys; if they agree, the key is answered.
    If a model stops early (budget, quota, a wrong API key), the next ones are not asked; known answers are still returned. Raises RunFailure if
    the store fails, and SpecError for mistakes in a model's files.
    """
    reports: list[AskingReport] = []
    deadline = time.monotonic() + budget.wait
    open_keys = [key for key in keys.asked if key.normal not in overrides]

    def ask_one(tier: Tier, until: float) -> AskingReport:
        return _ask_tier(tier, tiers, open_keys, store, root, environment, _left(budget, reports, until), run, progress)

    to_ask = rounds(tiers)
    for together in to_ask:
        for tier in together:  # every model submits its jobs before the run waits for any of them
            reports.append(ask_one(tier, deadline if tier is together[-1] else 0.0))
            if reports[-1].stopped and not reports[-1].waits_for_jobs:
                break
        else:
            first = len(reports) - len(together)
            if len(together) > 1 and reports[first].waits_for_jobs:
                reports[first] = continued(reports[first], ask_one(together[0], deadline))
        if together is to_ask[-1] or any(report.stopped for report in reports):
            break
        known = _known_in(together, [key.normal for key in open_keys], store)
        open_keys = [key for key in open_keys if key.normal not in known or known[key.normal].status != "ok"]
    return Answers(keys, known_answers(keys.asked, tiers, store, overrides), tuple(reports))


def _left(budget: Budget, reports: Sequence[AskingReport], until: float) -> Budget:
    """The rest of the budget for the next model, including the time to wait for jobs."""
    return replace(
        budget,
        usd=None if budget.usd is None else budget.usd - sum(report.usd for report in reports),
        requests=None if budget.requests is None else budget.requests - sum(report.requests for report in reports),
        wait=max(0.0, until - time.monotonic()),
    )


def known_answers(
    keys: Sequence[Key], tiers: Sequence[Tier], store: Store, overrides: Mapping[str, Mapping[str, Value]]
) -> list[Answer]:
    """The stored answer for each key: that of the first model with one; if none has one, the status of the last model.

    A key that the last model was not asked is `pending`, whatever the status of earlier models. A key that a model failed stays `failed` if
    later models only abstain, so that it is asked again.
    """
    with not_collecting():
        parts = (keys[at : at + AT_ONCE] for at in range(0, len(keys), AT_ONCE))
        return [answer for part in parts for answer in _known_answers(part, tiers, store, overrides)]


def _known_answers(
    keys: Sequence[Key], tiers: Sequence[Tier], store: Store, overrides: Mapping[str, Mapping[str, Value]]
) -> list[Answer]:
    found: dict[str, Answer] = {key: Answer("ok", values, OVERRIDE) for key, values in overrides.items()}
    wanted = [key.normal for key in keys if key.normal not in found]
    for together in rounds(tiers):
        rows = _known_in(together, wanted, store)
        failed = {name for name in wanted if name in found and found[name].status == "failed"}
        found.update(
            (name, answer) for name, answer in rows.items() if not (answer.status == "abstained" and name in failed)
        )
        for name in wanted:
            if name not in rows:
                found[name] = PENDING
        wanted = [name for name in wanted if found[name].status != "ok"]
    return [found.get(key.normal, PENDING) for key in keys]


def _known_in(together: tuple[Tier, ...], keys: Sequence[str], store: Store) -> dict[str, Answer]:
    """The stored answers of one round; for two models that must agree, only keys that both were asked."""
    first, *others = (store.judged(tier.questions, keys) for tier in together)
    if not others:
        return {name: _answer(stored.status, stored.answer, stored.source) for name, stored in first.items()}
    (second,) = others
    source = pair_source(together)
    return {name: _agreed(stored, second[name], source) for name, stored in first.items() if name in second}


def pair_source(together: tuple[Tier, ...]) -> str:
    """The source of an answer on which two models agree."""
    return " and ".join(tier.source for tier in together)


@lru_cache(maxsize=4096)  # a million keys share a few answers: each is kept in memory once
def _answer(status: Status, answer: str, source: str) -> Answer:
    return Answer(status, StoredAnswer(status, answer, "", source).values, source)


def _agreed(first: StoredAnswer, second: StoredAnswer, source: str) -> Answer:
    if "failed" in (first.status, second.status):
        return Answer("failed", {})
    if first.status == second.status == "ok":
        if first.values == second.values:
            return _answer("ok", first.answer, source)
    elif first.status != "ok" and second.status != "ok":
        return Answer("refused" if "refused" in (first.status, second.status) else "abstained", {})
    return _in_doubt(_answer_text(first), _answer_text(second))


@lru_cache(maxsize=4096)
def _in_doubt(first: str, second: str) -> Answer:
    return Answer("abstained", {}, doubt=f"{first}; {second}")


def _answer_text(stored: StoredAnswer) -> str:
    values = ", ".join(str(value) for value in stored.values.values()) if stored.status == "ok" else stored.status
    return f"{stored.source}: {values}"


def _ask_tier(
    tier: Tier,
    tiers: Sequence[Tier],
    keys: Sequence[Key],
    store: Store,
    root: Path,
    environment: Environment,
    budget: Budget,
    run: str,
    progress: Progress,
) -> AskingReport:
    if isinstance(tier.model, LanguageModel):
        return run_until_stopped(_ask_model(tier, tier.model, keys, store, environment, budget, run, progress))
    finder = tier.model.open(root, tier.question.prompt.outputs)
    names = [key.normal for key in keys] if finder.compares_keys else []
    answered = (store.judged(other.questions, names) for other in tiers if names and other is not tier)
    elsewhere = {name for known in answered for name, stored in known.items() if stored.status == "ok"}
    return look_up(tier.question, keys, finder, store, tier.source, run, progress, elsewhere=elsewhere)


async def _ask_model(
    tier: Tier,
    model: LanguageModel,
    keys: Sequence[Key],
    store: Store,
    environment: Environment,
    budget: Budget,
    run: str,
    progress: Progress,
) -> AskingReport:
    settled = settled_keys(store, tier.questions, keys)
    if len(settled) == len(keys):
        return AskingReport(tier.question.id, tier.source, len(keys), len(keys))  # nothing to ask: no API key is needed
    try:
        client = model.open(environment)
    except ModelError as error:
        return AskingReport(
            tier.question.id, tier.source, len(keys), len(settled), stopped=Stop("setup", error.message, error.fix)
        )
    try:
        if model.mode == "batch" and not isinstance(client, JobClient):
            message = f"`mode: batch` is set, but {tier.source} has no batch jobs"
            fix = "remove `mode`: requests are then sent at once, at the full price"
            return AskingReport(
                tier.question.id, tier.source, len(keys), len(settled), stopped=Stop("setup", message, fix)
            )
        has_jobs = bool(store.jobs([question.id for question in tier.questions]))
        if isinstance(client, JobClient) and (model.mode == "batch" or has_jobs):
            in_jobs = tier.job_terms(budget, run)
            return await ask_in_jobs(tier.question, keys, client, store, in_jobs, settled=settled, progress=progress)
        return await ask(
            tier.question, keys, client, store, tier.terms(budget, run), settled=settled, progress=progress
        )
    finally:
        await client.close()
