"""What asking may cost: the bill, a person's consent to it, and how a stop ends a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from etlrun.enrich.asking import Budget
from etlrun.enrich.estimates import Bill
from etlrun.enrich.keys import Keys
from etlrun.enrich.report import Stop
from etlrun.failures import Reason, RunFailure
from etlrun.runtime.enrichment import Enrichment

REASONS: Mapping[int, Reason] = {4: "stopped", 2: "usage", 1: "model"}


@dataclass(frozen=True)
class Consent:
    """What asking may cost. Above `threshold` US dollars a person must have agreed: by `is_given`, by `max_usd`, or by saying so to `decide`."""

    is_given: bool = False
    max_usd: float | None = None
    decide: Callable[[str], bool] | None = None
    may_ask: bool = True  # whether models that cost money are asked at all


def agree(enrichment: Enrichment, keys: Keys, budget: Budget, consent: Consent, threshold: float) -> Budget:
    """What may be spent of a budget. Raises RunFailure where a person has not agreed to what it would probably be."""
    if consent.max_usd is not None:
        budget = replace(budget, usd=consent.max_usd if budget.usd is None else min(budget.usd, consent.max_usd))
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


def after_spending(consent: Consent, spent: float) -> Consent:
    """The consent after so many US dollars are spent."""
    return consent if consent.max_usd is None else replace(consent, max_usd=max(0.0, consent.max_usd - spent))


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


def stop_failure(stop: Stop) -> RunFailure:
    """Why asking ended early, as the failure of a run."""
    reason = REASONS[stop.exit_code]
    if reason == "stopped":
        kept = "what was answered is kept, nothing was published, and the next run goes on from there"
        return RunFailure("stopped", f"{stop.reason}-reached", f"enrichment stopped: {stop.message}", f"{stop.fix}; {kept}")
    return RunFailure(reason, f"model-{stop.reason}", stop.message, stop.fix)
