"""Asks the models of a running pipeline: checks consent and coverage, fills the record, and writes the answers to a file for a join."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from etlrun.compiler.check import Checked
from etlrun.contracts.step import Ask
from etlrun.diagnostics import counted
from etlrun.enrich.answers import OVERRIDE, Answers, pair_source
from etlrun.enrich.consent import Consent, after_spending, agree, stop_failure
from etlrun.enrich.enrichment import Enrichment, count_rows, open_enrichment, read_keys
from etlrun.enrich.evaluation import NOTHING_EVALUATED, Evaluation, budget_of, check_accuracy
from etlrun.enrich.labels import NETWORK_FIX, store_on_network
from etlrun.enrich.tiers import Tier, rounds
from etlrun.failures import RunFailure
from etlrun.working import Reporter

WAYS = ("agreed", "decided", "review")


def answer_relation(
    checked: Checked,
    ask: Ask,
    paths: Sequence[str],
    folder: Path,
    run: str,
    consent: Consent,
    spent: float,
    reporter: Reporter,
) -> tuple[Path, dict[str, Any], RunFailure | None]:
    """Get the answers for the rows in `paths`: a Parquet file below `folder`, the data for the run record, and the reason if the run must stop.

    `spent` are the US dollars that the run has already spent on models. Answers are in the label store, whatever happens.
    Raises RunFailure, and SpecError for mistakes in the files of a model.
    """
    rows = count_rows(paths)
    keys = read_keys(paths, ask)
    if wrong := store_on_network(checked.project, checked.profile):
        reporter.warn(f"{wrong}: {NETWORK_FIX}")
    with open_enrichment(checked.project, checked.profile, ask) as enrichment:
        golden = NOTHING_EVALUATED
        if consent.may_ask:
            threshold = checked.project.settings.confirm_above_usd
            consent = after_spending(consent, spent)
            if ask.golden:
                golden = check_accuracy(enrichment, ask, consent, threshold, run, reporter)
            budget = budget_of(ask).after(golden.usd, golden.asked, golden.requests)
            budget = agree(enrichment, keys, budget, after_spending(consent, golden.usd), threshold)
            answers = enrichment.ask(keys, budget, run, reporter.progress)
        else:
            answers = enrichment.look_up(keys, run, reporter.progress)
        summary = summary_of(answers, ask, rows, golden) | ways_of(answers, enrichment.tiers)
        failure = stop_failure(answers.stopped) if answers.stopped else None
        if consent.may_ask:
            failure = failure or _no_answer(enrichment, answers) or _too_few(summary, ask)
        if summary["statuses"]["failed"] and not failure:
            reporter.warn(
                f"{counted(summary['statuses']['failed'], 'key')} got no answer from a service that failed; the next run asks them again"
            )
        return _write(answers, enrichment, folder), summary, failure


def summary_of(answers: Answers, ask: Ask, rows: int, golden: Evaluation) -> dict[str, Any]:
    """The data about an enrichment in a run record: keys, requests, money, and the share of rows and keys with an answer, by source.

    Requests, keys and money for the golden set (`golden`) are included.
    """
    reports = answers.reports
    found = answers.by_place
    by_source: dict[str, dict[str, int]] = {}
    for answer in found:
        if answer.status == "ok":
            by_source.setdefault(answer.source, {"rows": 0, "keys": 0})["keys"] += 1
    for source, count in answers.rows_by_source().items():
        if source:
            by_source.setdefault(source, {"rows": 0, "keys": 0})["rows"] += count
    labelled = {
        "rows": sum(part["rows"] for part in by_source.values()),
        "keys": sum(part["keys"] for part in by_source.values()),
    }
    asked = golden.asked + sum(report.asked for report in reports if report.requests)
    statuses = dict.fromkeys(("ok", "abstained", "refused", "failed", "pending"), 0)
    for answer in found:
        statuses[answer.status] += 1
    settled = statuses["ok"] + statuses["abstained"] + statuses["refused"]
    settled_here = sum(report.ok + report.refused for report in reports if report.requests)
    return {
        "prompt": ask.prompt,
        "models": list(ask.models),
        "keys": len(found),
        "cached": max(0, settled - settled_here),
        "asked": asked,
        "requests": golden.requests + sum(report.requests for report in reports),
        "usd": round(golden.usd + sum(report.usd for report in reports), 6),
        "rows": rows,
        "labelled_rows": labelled["rows"],
        "labelled_keys": labelled["keys"],
        "coverage": {"rows": _share(labelled["rows"], rows), "keys": _share(labelled["keys"], len(found))},
        "statuses": statuses,
        "by_source": by_source,
        "reports": [report.as_object() for report in reports],
    }


def ways_of(answers: Answers, tiers: Sequence[Tier]) -> dict[str, Any]:
    """If two models must agree: the keys on which they do, those that other models decided, and those left for people."""
    pair = next((together for together in rounds(tiers) if len(together) > 1), None)
    if pair is None:
        return {}
    source, ways = pair_source(pair), Counter[str]()
    for answer in answers.by_place:
        if answer.status == "ok":
            ways["agreed" if answer.source == source else "decided"] += answer.source != OVERRIDE
        elif answer.status in ("abstained", "refused"):
            ways["review"] += 1
    return {"agreement": {"models": [tier.source for tier in pair], **{way: ways[way] for way in WAYS}}}


def _no_answer(enrichment: Enrichment, answers: Answers) -> RunFailure | None:
    """The failure if a service answered nothing at all: a publish would then have no answers."""
    for tier, report in zip(enrichment.tiers, answers.reports):
        if report.failed and not report.ok:
            known = enrichment.store.judged(tier.questions, [key.normal for key in answers.keys.asked])
            reason = next(
                (stored.reason for stored in known.values() if stored.status == "failed" and stored.reason),
                "no answer came",
            )
            fix = "try the model with `etlrun llm doctor`, or run again when its service answers; nothing was published"
            return RunFailure(
                "model",
                "model-no-answer",
                f"{tier.source} answered none of {counted(report.failed, 'key')}: {reason}",
                fix,
            )
    return None


def _too_few(summary: dict[str, Any], ask: Ask) -> RunFailure | None:
    if not summary["rows"] or summary["labelled_rows"] >= ask.min_coverage * summary["rows"]:
        return None
    share = summary["coverage"]["rows"]
    message = (
        f"{summary['labelled_rows']:,} of {counted(summary['rows'], 'row')} {'has' if summary['labelled_rows'] == 1 else 'have'} an answer ({share:.1%}), "
        f"but `min_coverage` is {ask.min_coverage:.1%}"
    )
    return RunFailure(
        "check",
        "coverage-too-low",
        message,
        f"use another model, or add answers to overrides/{ask.prompt}.csv; nothing was published",
    )


def _write(answers: Answers, enrichment: Enrichment, folder: Path) -> Path:
    folder.mkdir(parents=True)
    path = folder / "answers.parquet"
    answers.write(path, enrichment.prompt.outputs)
    return path


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0


def most_given(summary: Mapping[str, Any]) -> str:
    """The sources of the answers, with the share of rows of each: `catalogue 41.8%, override 0.2%`."""
    order = sorted(summary["by_source"].items(), key=lambda item: (-item[1]["rows"], item[0]))
    words = {OVERRIDE: "overrides"}
    return ", ".join(
        f"{words.get(source, source)} {percent(_share(part['rows'], summary['rows']))}" for source, part in order
    )


def percent(share: float) -> str:
    """A percentage with one digit, rounded down: `100.0%` means all."""
    return f"{math.floor(share * 1000) / 10:.1f}%"
