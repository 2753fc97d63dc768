"""The cost of asking: shows the bill, asks the user to confirm it, and ends a run at a limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etlrun.diagnostics import counted
from etlrun.enrich.dollars import dollars
from etlrun.failures import Reason, RunFailure

if TYPE_CHECKING:
    from etlrun.enrich.enrichment import Enrichment
    from etlrun.enrich.estimates import Bill
    from etlrun.enrich.keys import Keys
    from etlrun.enrich.report import Stop
    from etlrun.enrich.terms import Budget

REASONS: Mapping[int, Reason] = {4: "stopped", 2: "usage", 1: "model"}


@dataclass(frozen=True)
class Consent:
    """What asking may cost. Above a threshold the user must agree: by `is_given`, by `max_usd`, or when `decide` asks.

    `spent` are the US dollars that the run has already spent; they count too. `wait` is how many seconds to wait for jobs of models.
    """

    is_given: bool = False
    max_usd: float | None = None
    decide: Callable[[str], bool] | None = None
    may_ask: bool = True  # whether paid models are asked at all
    spent: float = 0.0
    wait: float = 0.0


def agree(enrichment: Enrichment, keys: Keys, budget: Budget, consent: Consent, threshold: float) -> Budget:
    """The part of a budget that may be spent: without the user's consent, the run may spend at most `threshold` US dollars.

    Raises RunFailure if the user has not agreed to the estimated cost.
    """
    budget = replace(budget, wait=consent.wait)
    if consent.max_usd is not None:
        budget = replace(budget, usd=consent.max_usd if budget.usd is None else min(budget.usd, consent.max_usd))
    if consent.is_given or consent.max_usd is not None:
        return budget
    bills = enrichment.bills(keys)
    prices = [bill.usd for bill in bills if bill.requests]
    likely = None if None in prices else sum(price for price in prices if price is not None)
    if budget.usd is not None:
        likely = budget.usd if likely is None else min(likely, budget.usd)
    if not prices or (likely is not None and consent.spent + likely <= threshold):
        return _within(budget, max(0.0, threshold - consent.spent))
    if likely is None:
        enrichment.check_names()
    text = "\n".join(bill_text(bills))
    if consent.decide and consent.decide(text):
        return budget
    cost = "an unknown amount" if likely is None else f"about {dollars(likely)}"
    before = f" after {dollars(consent.spent)} already spent" if consent.spent else ""
    message = f"asking would cost {cost}{before}, and more than {dollars(threshold)} (`confirm_above_usd`) needs a confirmation\n{text}"
    kept = "the answers so far are stored" if consent.spent else "no model was asked"
    raise RunFailure("usage", "not-agreed", message, f"run it with --yes, or with --max-usd USD as a limit; {kept}")


def after_spending(consent: Consent, spent: float) -> Consent:
    """The consent after so many more US dollars are spent."""
    left = None if consent.max_usd is None else max(0.0, consent.max_usd - spent)
    return replace(consent, max_usd=left, spent=consent.spent + spent)


def _within(budget: Budget, usd: float) -> Budget:
    """The budget, limited to `usd` US dollars, the most that may be spent without consent."""
    if budget.usd is not None and budget.usd <= usd:
        return budget
    return replace(
        budget,
        usd=usd,
        fix="run it with --yes, or with --max-usd USD as a limit: more than `confirm_above_usd` needs a confirmation",
    )


def bill_text(bills: Sequence[Bill]) -> list[str]:
    """The bill of a cascade: one line per model, and one for the cost in the other mode."""
    lines = []
    for bill in bills:
        text = f"{bill.source}: {counted(bill.keys, 'key')}, {bill.known - bill.at_work - bill.by_other_steps:,} known, {bill.to_ask:,} to ask"
        if bill.at_work:
            text = text.replace(" known,", f" known, {bill.at_work:,} in running jobs,")
        if bill.by_other_steps:
            text = text.replace(" known,", f" known, {bill.by_other_steps:,} asked by an earlier step,")
        if bill.requests:
            money = "at an unknown price" if bill.usd is None else f"about {dollars(bill.usd)} ({bill.price_from})"
            tokens = f"{bill.input_tokens:,} tokens in, {bill.output_tokens:,} out"
            if bill.assumed_thoughts:
                tokens += f" ({bill.assumed_thoughts:,} of them for thinking: an assumption until the first run)"
            if bill.counted_in:
                tokens += f" (as counted in {counted(bill.counted_in, 'earlier request')})"
            text += f" in {counted(bill.requests, 'request')}: {tokens}, {money}, {_time(bill, bill.mode)}"
            text += f"; {bill.note}" if bill.note else ""
        elif bill.to_ask:
            text += ", looked up here, free"
        lines.append(text)
        if bill.requests and bill.other_usd and bill.other_usd != bill.usd:  # `flex` costs as much as `batch`
            other = "direct" if bill.mode == "batch" else "batch"
            lines.append(f"  with `mode: {other}`: about {dollars(bill.other_usd)}, {_time(bill, other)}")
        if bill.looks_personal:
            lines.append(f"  keys that look personal: {_kinds(bill.looks_personal)}")
        if bill.held_back:
            why = (
                "nothing is left of them after masking"
                if bill.personal == "mask"
                else "`personal: mask` sends the rest"
            )
            lines.append(f"  not asked: {_kinds(bill.held_back)}; {why}")
    return lines


def _kinds(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} ({count:,})" for kind, count in counts.items())


def _time(bill: Bill, mode: str) -> str:
    return "up to a day" if mode == "batch" else f"{max(0.1, bill.minutes):,.1f} minutes"


def stop_failure(stop: Stop) -> RunFailure:
    """The failure of a run for the reason why asking ended early."""
    reason = REASONS[stop.exit_code]
    if reason == "stopped":
        kept = "the answers so far are stored, nothing was published, and the next run continues from there"
        if stop.reason == "another-model":
            kept = "earlier answers are stored, and nothing was published"
        code = stop.reason if stop.reason in ("another-model", "job-at-work") else f"{stop.reason}-reached"
        return RunFailure("stopped", code, f"enrichment stopped: {stop.message}", f"{stop.fix}; {kept}")
    return RunFailure(reason, f"model-{stop.reason}", stop.message, stop.fix)
