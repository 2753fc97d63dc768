"""Ask the models of a pipeline while it runs: consent, coverage, the record, and the answers as a file that a statement joins with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etlrun.compiler.check import Checked
from etlrun.enrich.answers import OVERRIDE, Answers
from etlrun.enrich.asking import Budget
from etlrun.enrich.estimates import Bill
from etlrun.enrich.keys import Keys
from etlrun.enrich.report import Stop
from etlrun.failures import Reason, RunFailure
from etlrun.runtime.enrichment import Enrichment, count_rows, open_enrichment, read_keys
from etlrun.runtime.working import Reporter
from etlrun.spec.kinds import Ask

REASONS: Mapping[int, Reason] = {4: "stopped", 2: "usage", 1: "model"}


@dataclass(frozen=True)
class Consent:
    """What asking may cost. Above `threshold` US dollars a person must have agreed: by `is_given`, by `max_usd`, or by saying so to `decide`."""

    is_given: bool = False
    max_usd: float | None = None
    decide: Callable[[str], bool] | None = None
    may_ask: bool = True  # whether models that cost money are asked at all


def answer_relation(
    checked: Checked, ask: Ask, paths: Sequence[str], folder: Path, run: str, consent: Consent, spent: float, reporter: Reporter
) -> tuple[Path, dict[str, Any], RunFailure | None]:
    """Get the answers for the rows in `paths`: a Parquet file below `folder`, what the record tells of it, and why the run must stop.

    `spent` are the US dollars that the run has spent on asking before. What was answered is in the label store, whatever happens.
    Raises RunFailure, and SpecError for mistakes in the files of a model.
    """
    rows = count_rows(paths)
    keys = read_keys(paths, ask.key)
    with open_enrichment(checked.project, checked.profile, ask) as enrichment:
        if consent.may_ask:
            budget = _agree(enrichment, keys, ask, consent, spent, checked.project.settings.confirm_above_usd)
            answers = enrichment.ask(keys, budget, run, reporter.progress)
        else:
            answers = enrichment.look_up(keys, run, reporter.progress)
        told = told_of(answers, ask, rows)
        failure = _stop(answers.stopped) if answers.stopped else None
        if consent.may_ask:
            failure = failure or _no_answer(enrichment, answers) or _too_few(told, ask)
        if told["statuses"]["failed"] and not failure:
            reporter.warn(f"{told['statuses']['failed']:,} keys got no answer from a service that failed; the next run asks them again")
        return _write(answers, enrichment, folder), told, failure


def told_of(answers: Answers, ask: Ask, rows: int) -> dict[str, Any]:
    """What a record tells of an enrichment: keys, requests, money, and the share of rows and keys that carry an answer, by who gave it."""
    reports = answers.reports
    found = answers.by_place
    by_source: dict[str, dict[str, int]] = {}
    for answer in found:
        if answer.status == "ok":
            by_source.setdefault(answer.source, {"rows": 0, "keys": 0})["keys"] += 1
    for source, count in answers.rows_by_source().items():
        if source:
            by_source.setdefault(source, {"rows": 0, "keys": 0})["rows"] += count
    labelled = {"rows": sum(part["rows"] for part in by_source.values()), "keys": sum(part["keys"] for part in by_source.values())}
    asked = sum(report.asked for report in reports if report.requests)
    statuses = dict.fromkeys(("ok", "abstained", "refused", "failed", "pending"), 0)
    for answer in found:
        statuses[answer.status] += 1
    settled = statuses["ok"] + statuses["abstained"] + statuses["refused"]
    settled_here = sum(report.ok + report.refused for report in reports if report.requests)
    return {
        "prompt": ask.prompt, "keys": len(found), "cached": max(0, settled - settled_here), "asked": asked,
        "requests": sum(report.requests for report in reports), "usd": round(sum(report.usd for report in reports), 6),
        "rows": rows, "labelled_rows": labelled["rows"], "labelled_keys": labelled["keys"],
        "coverage": {"rows": _share(labelled["rows"], rows), "keys": _share(labelled["keys"], len(found))},
        "statuses": statuses, "by_source": by_source, "reports": [report.as_object() for report in reports],
    }  # fmt: skip


def bill_text(bills: Sequence[Bill]) -> list[str]:
    """The bill of a cascade, a line a model."""
    lines = []
    for bill in bills:
        text = f"{bill.source}: {bill.keys:,} keys, {bill.known:,} known, {bill.to_ask:,} to ask"
        if bill.requests:
            money = "at an unknown price" if bill.usd is None else f"about ${bill.usd:,.2f} ({bill.price_from})"
            tokens = f"{bill.input_tokens:,} tokens in, {bill.output_tokens:,} out"
            text += f" in {bill.requests:,} requests: {tokens}, {money}, {max(0.1, bill.minutes):,.1f} minutes"
        elif bill.to_ask:
            text += ", looked up here for nothing"
        lines.append(text)
    return lines


def _agree(enrichment: Enrichment, keys: Keys, ask: Ask, consent: Consent, spent: float, threshold: float) -> Budget:
    """What may be spent. Raises RunFailure where a person has not agreed to what it would probably be."""
    left = None if consent.max_usd is None else max(0.0, consent.max_usd - spent)
    caps = [cap for cap in (ask.usd, left) if cap is not None]
    budget = Budget(min(caps) if caps else None, ask.keys)
    if consent.is_given or consent.max_usd is not None:
        return budget
    bills = enrichment.bills(keys)
    prices = [bill.usd for bill in bills if bill.requests]
    likely = None if None in prices else sum(price for price in prices if price is not None)
    if budget.usd is not None:
        likely = budget.usd if likely is None else min(likely, budget.usd)
    if not prices or (likely is not None and likely <= threshold):
        return budget
    text = "\n".join(bill_text(bills))
    if consent.decide and consent.decide(text):
        return budget
    cost = "an unknown amount" if likely is None else f"about ${likely:,.2f}"
    message = f"asking would cost {cost}, and nobody agreed to more than ${threshold:,.2f} (`confirm_above_usd`)\n{text}"
    raise RunFailure("usage", "not-agreed", message, "run it with --yes, or with --max-usd USD as a cap; nothing was asked")


def _stop(stop: Stop) -> RunFailure:
    reason = REASONS[stop.exit_code]
    if reason == "stopped":
        kept = "what was answered is kept, nothing was published, and the next run goes on from there"
        return RunFailure("stopped", f"{stop.reason}-reached", f"enrichment stopped: {stop.message}", f"{stop.fix}; {kept}")
    return RunFailure(reason, f"model-{stop.reason}", stop.message, stop.fix)


def _no_answer(enrichment: Enrichment, answers: Answers) -> RunFailure | None:
    """A service that answered nothing at all: publishing then would put nothing where answers belong."""
    for tier, report in zip(enrichment.tiers, answers.reports):
        if report.failed and not report.ok:
            known = enrichment.store.known(tier.question.id, [key.normal for key in answers.keys.asked])
            reason = next((stored.reason for stored in known.values() if stored.status == "failed" and stored.reason), "no answer came")
            fix = "nothing was published; run again when it is mended"
            return RunFailure("model", "model-no-answer", f"{tier.source} answered none of {report.failed:,} keys: {reason}", fix)
    return None


def _too_few(told: dict[str, Any], ask: Ask) -> RunFailure | None:
    if not told["rows"] or told["labelled_rows"] >= ask.min_coverage * told["rows"]:
        return None
    message = f"{told['labelled_rows']:,} of {told['rows']:,} rows carry an answer ({told['coverage']['rows']:.1%}), and {ask.min_coverage:.1%} are wanted"
    return RunFailure("check", "coverage-too-low", message, f"ask another model, or add answers to overrides/{ask.prompt}.csv; nothing was published")


def _write(answers: Answers, enrichment: Enrichment, folder: Path) -> Path:
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    path = folder / "answers.parquet"
    pq.write_table(answers.table(enrichment.prompt.outputs), path)
    return path


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0


def most_given(told: Mapping[str, Any]) -> str:
    """Who gave the answers, with the rows each gave: `catalogue 41.8%, override 0.2%`."""
    order = sorted(told["by_source"].items(), key=lambda item: (-item[1]["rows"], item[0]))
    words = {OVERRIDE: "overrides"}
    return ", ".join(f"{words.get(source, source)} {percent(_share(part['rows'], told['rows']))}" for source, part in order)


def percent(share: float) -> str:
    """A share with one digit, rounded down: `100.0%` is all of it."""
    return f"{math.floor(share * 1000) / 10:.1f}%"
