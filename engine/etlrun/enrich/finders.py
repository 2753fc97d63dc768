"""Looks keys up with a finder: free, immediate, and stored like any other answer."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence

from etlrun.contracts.model import Finder, LookupResult, Searched
from etlrun.enrich.keys import Key, stored_spelling
from etlrun.enrich.questions import Question
from etlrun.enrich.report import AskingReport
from etlrun.enrich.store import SETTLED, RequestEntry, Result, Sent, Store, StoredAnswer
from etlrun.enrich.terms import Progress, no_progress
from etlrun.spec.normal_form import PART
from etlrun.stopping import safe_point

AT_ONCE = 5_000


def look_up(
    question: Question,
    keys: Sequence[Key],
    finder: Finder,
    store: Store,
    source: str,
    run: str = "",
    progress: Progress = no_progress,
    *,
    elsewhere: Collection[str] = (),
) -> AskingReport:
    """Look up those `keys` that the store does not know yet; a key that the finder does not know is `abstained`.

    `elsewhere` are keys that another model of the step has answered: what follows from other keys does not replace that.
    """
    began = time.monotonic()
    store.add_question(question, source)
    known = {
        key
        for key, stored in store.sifted([question], [key.normal for key in keys]).items()
        if stored.status in SETTLED
    }
    wanted = [key for key in keys if key.normal not in known]
    found = 0
    for start in range(0, len(wanted), AT_ONCE):
        safe_point()
        results = list(_results(wanted[start : start + AT_ONCE], finder))
        known_now = sum(result.status == "ok" for result in results)
        store.record(question.id, run, [RequestEntry(Sent("", len(results), known_now, "looked up"), results)])
        found += known_now
        progress(f"ask {source}", start + len(results), len(wanted))
    among = _record_among(question, keys, finder, store, run, elsewhere) if finder.compares_keys else set()
    settled, ok = len(known - among), found + len(among)
    abstained, seconds = len(keys) - settled - ok, time.monotonic() - began
    return AskingReport(question.id, source, len(keys), settled, ok=ok, abstained=abstained, seconds=seconds)


def look_ahead(finder: Finder, keys: Sequence[Key], known: Mapping[str, StoredAnswer]) -> set[str]:
    """The keys that `look_up` will answer, by their `known` results; nothing is stored."""
    fresh = {key.normal: key for key in keys if key.normal not in known or known[key.normal].status not in SETTLED}
    results = {result.key: result for result in _results(list(fresh.values()), finder) if result.status == "ok"}
    found = set(results)
    if finder.compares_keys:
        stored = {name: StoredAnswer("ok", result.answer, result.reason, "") for name, result in results.items()}
        found |= _found_among(finder, keys, {**known, **stored}).keys()
    return found


def _found_among(finder: Finder, keys: Sequence[Key], known: Mapping[str, StoredAnswer]) -> Mapping[str, LookupResult]:
    """The answers for keys that follow from the other `keys` of a run and their `known` results."""
    none = StoredAnswer("abstained", "", "", "")
    answers = ((key, known.get(key.normal, none)) for key in keys)
    return finder.find_among(
        [Searched(key.normal, _text(key), key.rows, stored.answer, stored.reason) for key, stored in answers]
    )


def _record_among(
    question: Question, keys: Sequence[Key], finder: Finder, store: Store, run: str, elsewhere: Collection[str]
) -> set[str]:
    """Store the answers that follow from the other keys, and return their keys."""
    found = _found_among(finder, keys, store.judged([question], [key.normal for key in keys]))
    results = [_result(key, found[key.normal]) for key in keys if key.normal in found and key.normal not in elsewhere]
    for start in range(0, len(results), AT_ONCE):
        safe_point()
        part = results[start : start + AT_ONCE]
        store.record(question.id, run, [RequestEntry(Sent("", len(part), len(part), "looked up"), part)])
    return {result.key for result in results}


def _results(keys: Sequence[Key], finder: Finder) -> Iterator[Result]:
    for key in keys:
        finding = finder.find(_text(key))
        if finding is None:
            yield Result(key.normal, stored_spelling(key), "abstained", reason="not in the catalogue")
        else:
            yield _result(key, finding)


def _result(key: Key, finding: LookupResult) -> Result:
    answer = json.dumps(dict(finding.answer), ensure_ascii=False)
    return Result(key.normal, stored_spelling(key), "ok", answer, finding.reason)


def _text(key: Key) -> str:
    """The text that is looked up: the first column of a key."""
    return key.shown.split(PART)[0]
