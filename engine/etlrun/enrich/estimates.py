"""Estimates the cost before asking: the keys for each model, and the requests, tokens, dollars and minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from etlrun.contracts.model import LanguageModel, LocalModel
from etlrun.enrich.finders import look_ahead
from etlrun.enrich.jobs import keys_at_work
from etlrun.enrich.keys import Key
from etlrun.enrich.prices import Tariff
from etlrun.enrich.questions import CANARIES, Question
from etlrun.enrich.store import SETTLED, Counted, Store
from etlrun.enrich.tiers import Tier, rounds
from etlrun.models._known_models import note_on
from etlrun.models._rerouted_names import rerouted_name
from etlrun.spec.outputs import LabelOutput, LabelsOutput, Value
from etlrun.spec.personal_kinds import Policy

TOKENS_PER_CHARACTER = 0.35  # of Vietnamese and English text, until a service has counted tokens
ANSWER_TOKENS = 12  # of one item of an answer, without its value
SECONDS_A_REQUEST = 4.0
ENOUGH = 50  # the fewest keys answered by two models from which their agreement is measured
DOUBT = 0.2  # the assumed share on which they do not agree, until then


@dataclass(frozen=True)
class Bill:
    """The estimated cost of asking a model. `usd` is None if no price is known; `minutes` assumes the account's limits and direct requests.
    `looks_personal` counts keys by the kind of personal data that they seem to contain, `held_back` spellings that are not asked because
    of it. `at_work` of the known keys are in jobs that are already paid, and `by_other_steps` are asked by an earlier step; `other_usd` is
    the price in the other mode. Tokens are based on `counted_in` earlier requests about the question, if there are any.
    """

    source: str
    keys: int
    known: int
    to_ask: int
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = 0.0
    price_from: str = ""
    minutes: float = 0.0
    note: str = ""
    mode: str = "direct"
    at_work: int = 0
    by_other_steps: int = 0
    other_usd: float | None = None
    looks_personal: Mapping[str, int] = field(default_factory=dict)
    held_back: Mapping[str, int] = field(default_factory=dict)
    personal: Policy = "refuse"
    counted_in: int = 0
    assumed_thoughts: int = 0  # of the output tokens


def estimate(
    keys: Sequence[Key],
    tiers: Sequence[Tier],
    store: Store | None,
    overrides: Mapping[str, Mapping[str, Value]],
    root: Path,
    counted: dict[str, set[str]] | None = None,
) -> list[Bill]:
    """The bill of each model of a cascade, without calling a service; models that look up keys are really asked, because that is free.

    `store` is None if it does not exist yet. `counted` are the keys, by question, in the bills of other steps, since a key is asked once; the
    keys of these bills are added to it. Raises SpecError for mistakes in the files of a model.
    """
    bills: list[Bill] = []
    still_open = [key for key in keys if key.normal not in overrides]
    for together in rounds(tiers):
        settled: set[str] | None = None
        for tier in together:
            bill, solved = _bill_and_solved(tier, still_open, store, root, counted)
            bills.append(bill)
            settled = solved if settled is None else settled & solved
        if len(together) > 1:
            settled = _agreed_on(together, still_open, settled or set(), store)
        still_open = [key for key in still_open if key.normal not in (settled or set())]
    return bills


def _bill_and_solved(
    tier: Tier, keys: Sequence[Key], store: Store | None, root: Path, counted: dict[str, set[str]] | None
) -> tuple[Bill, set[str]]:
    """The bill of a model for keys, and the keys that it is expected to answer."""
    known = store.judged(tier.questions, [key.normal for key in keys]) if store else {}
    at_work = keys_at_work(store.jobs([question.id for question in tier.questions])) if store else set()
    missing = [key for key in keys if key.normal not in known or known[key.normal].status not in SETTLED]
    waiting = [key for key in missing if key.normal not in at_work]
    others = counted.setdefault(tier.question.id, set()) if counted is not None else set()
    fresh = [key for key in waiting if key.normal not in others]
    others.update(key.normal for key in fresh)
    earlier = store.counted([question.id for question in tier.questions]) if store else Counted()
    bill = _bill(tier, len(keys), fresh, earlier)
    solved = {key for key, stored in known.items() if stored.status == "ok"}
    if isinstance(tier.model, LocalModel):
        solved |= look_ahead(tier.model.open(root, tier.question.prompt.outputs), keys, known)
    else:
        solved |= {key.normal for key in missing}  # it is expected to answer them all
    return replace(bill, at_work=len(missing) - len(waiting), by_other_steps=len(waiting) - len(fresh)), solved


def _agreed_on(together: tuple[Tier, ...], keys: Sequence[Key], answered: set[str], store: Store | None) -> set[str]:
    """The keys on which two models agree, or will probably agree if one has not been asked: by the share among keys that both have answered."""
    names = [key.normal for key in keys if key.normal in answered]
    first, second = (store.judged(tier.questions, names) if store else {} for tier in together)
    both = [name for name in names if name in first and name in second]
    agreed = {name for name in both if first[name].values == second[name].values}
    share = 1 - len(agreed) / len(both) if len(both) >= ENOUGH else DOUBT
    asked = set(both)
    open_yet = [name for name in names if name not in asked]
    left = {name for number, name in enumerate(open_yet) if int((number + 1) * share) > int(number * share)}
    return agreed | {name for name in open_yet if name not in left}


def _bill(tier: Tier, keys: int, fresh: Sequence[Key], earlier: Counted) -> Bill:
    if isinstance(tier.model, LocalModel) or not fresh:
        return Bill(tier.source, keys, keys - len(fresh), len(fresh))
    model = tier.model
    letters = sum(len(key.shown) for key in fresh) / len(fresh)
    asked, requests = _with_what_is_asked_again(len(fresh), model.batch, earlier)
    taken, given = _tokens(tier, model, requests, asked, letters)
    if earlier.output_tokens:
        usual = _tokens(tier, model, earlier.requests, earlier.asked, letters)
        taken *= earlier.input_tokens / usual[0]
        given *= earlier.output_tokens / usual[1]
    usd = tier.expected_tariff.of(taken, given) if tier.expected_tariff.price else None
    other = tier.tariff if model.mode == "batch" else tier.job_tariff if model.takes_jobs else Tariff(None, "")
    return Bill(
        tier.source,
        keys,
        keys - len(fresh),
        len(fresh),
        requests,
        int(taken),
        int(given),
        usd,
        tier.expected_tariff.origin,
        _minutes(model, requests, int(taken)),
        _note(tier, model),
        model.mode,
        other_usd=other.of(taken, given) if other.price else None,
        counted_in=earlier.requests,
        assumed_thoughts=0 if earlier.output_tokens else int(requests * _thoughts(tier, model)),
    )


def _note(tier: Tier, model: LanguageModel) -> str:
    """A note for the user about the name of a model before it is asked."""
    if rerouted := rerouted_name(tier.name, model.accept):
        return f"{rerouted.message}: {rerouted.fix}"
    return "" if model.price else note_on(tier.name)


def _with_what_is_asked_again(keys: int, batch: int, earlier: Counted) -> tuple[int, int]:
    """The number of questions and requests, including repeats, if as many keys come back without an answer as in earlier requests."""
    asked, requests = keys, -(-keys // batch)
    if not earlier.answered:
        return asked, requests
    left = earlier.asked - earlier.answered
    more = min(left, max(0, earlier.requests - -(-earlier.answered // batch)))
    return asked + keys * left // earlier.answered, requests + keys * more // earlier.answered


def _tokens(tier: Tier, model: LanguageModel, requests: int, keys: int, letters: float) -> tuple[float, float]:
    """Input and output tokens of so many requests about so many keys with `letters` each, if no service has counted them."""
    question = tier.question
    items = keys + requests * min(CANARIES, len(question.prompt.canaries))
    taken = (requests * (len(question.system) + 30) + letters * keys + 18 * items) * TOKENS_PER_CHARACTER
    return taken, items * (ANSWER_TOKENS + _value_tokens(question)) + requests * (12 + _thoughts(tier, model))


def _thoughts(tier: Tier, model: LanguageModel) -> float:
    """Thinking tokens per request, until a service has counted them: a quarter of the reserved tokens."""
    return model.thought_tokens(tier.name) / 4


def _value_tokens(question: Question) -> float:
    """Tokens of the values in one answer: a label's letters divided by three (two labels if several are allowed), half the longest of other values."""
    total = 0.0
    for output in question.prompt.outputs:
        lengths = [len(label) for label in output.labels] if isinstance(output, LabelOutput) else [output.longest / 2]
        total += sum(lengths) / len(lengths) / 3 * (2 if isinstance(output, LabelsOutput) else 1)
    return total


def _minutes(model: LanguageModel, requests: int, tokens: int) -> float:
    found = requests * SECONDS_A_REQUEST / model.concurrency / 60
    if model.requests_per_minute:
        found = max(found, requests / model.requests_per_minute)
    if model.tokens_per_minute:
        found = max(found, tokens / model.tokens_per_minute)
    return found
