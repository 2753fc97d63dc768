"""Compares the answers of models with a golden set: keys with known right answers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from etlrun.contracts.step import Ask
from etlrun.enrich.consent import Consent, agree, stop_failure
from etlrun.enrich.enrichment import Enrichment
from etlrun.enrich.keys import distinct_keys
from etlrun.enrich.scores import Score, score
from etlrun.enrich.terms import Budget, Progress
from etlrun.failures import RunFailure
from etlrun.spec.answer_files import read_answers
from etlrun.spec.normal_form import normal_form
from etlrun.working import Reporter


@dataclass(frozen=True)
class Evaluation:
    """The score of every output, and the report of asking."""

    scores: Mapping[str, Score]
    requests: int
    usd: float
    asked: int  # keys


NOTHING_EVALUATED = Evaluation({}, 0, 0.0, 0)


def budget_of(ask: Ask) -> Budget:
    """The budget of the step for a run."""
    return Budget(ask.usd, ask.keys, requests=ask.requests)


def evaluate(
    enrichment: Enrichment,
    golden: Path,
    consent: Consent,
    budget: Budget,
    threshold: float,
    run: str,
    progress: Progress,
) -> Evaluation:
    """Ask the golden keys without a stored answer, and score all answers; overrides are ignored. Raises RunFailure, and SpecError for the file."""
    answered = read_answers(golden, os.path.relpath(golden), enrichment.prompt.outputs, enrichment.prompt.keys)
    if not answered:
        raise RunFailure(
            "usage",
            "golden-empty",
            f"{os.path.relpath(golden)} has no keys",
            "add lines: a key, and its right answer",
        )
    alone = replace(enrichment, overrides={})
    keys = distinct_keys(((entry.key, 1) for entry in answered), enrichment.characters, enrichment.personal)
    allowed = agree(alone, keys, budget, consent, threshold)
    answers = alone.ask(keys, allowed, run, progress)
    if answers.stopped:
        raise stop_failure(answers.stopped)
    found = {normal_form(text): answer.values for text, _, answer in answers.each()}
    scores = {
        output.name: score(
            output,
            ((entry.answer[output.name], found[normal_form(entry.key)].get(output.name)) for entry in answered),
        )
        for output in enrichment.prompt.outputs
    }
    reports = answers.reports
    asked = sum(report.asked for report in reports if report.requests)
    return Evaluation(scores, sum(report.requests for report in reports), sum(report.usd for report in reports), asked)


def check_accuracy(
    enrichment: Enrichment, ask: Ask, consent: Consent, threshold: float, run: str, reporter: Reporter
) -> Evaluation:
    """Evaluate before anything else is asked; returns the report. Raises RunFailure if a score is below the required accuracy."""
    golden = enrichment.project.path(ask.golden)
    found = evaluate(enrichment, golden, consent, budget_of(ask), threshold, run, reporter.progress)
    for name, scored in found.scores.items():
        low, high = scored.interval
        summary = f"`{name}` is correct for {scored.right:,} of {scored.keys:,} golden keys ({scored.accuracy:.1%}, likely {low:.1%} to {high:.1%})"
        if scored.accuracy < ask.min_accuracy:
            fix = f"`etlrun llm eval` shows which answers of {ask.golden} are wrong; nothing was published"
            raise RunFailure(
                "check", "accuracy-too-low", f"{summary}, but `min_accuracy` is {ask.min_accuracy:.1%}", fix
            )
        reporter.say(summary)
    return found
