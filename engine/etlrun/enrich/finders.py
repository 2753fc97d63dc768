"""Looks keys up with a finder: free, immediate, and stored like any other answer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence

from etlrun.contracts.model import Finder
from etlrun.enrich.keys import Key, stored_spelling
from etlrun.enrich.questions import Question
from etlrun.enrich.report import AskingReport
from etlrun.enrich.store import SETTLED, RequestEntry, Result, Sent, Store
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
) -> AskingReport:
    """Look up those `keys` that the store does not know yet; a key that the finder does not know is `abstained`."""
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
    seconds = time.monotonic() - began
    return AskingReport(
        question.id, source, len(keys), len(known), ok=found, abstained=len(wanted) - found, seconds=seconds
    )


def _results(keys: Sequence[Key], finder: Finder) -> Iterator[Result]:
    for key in keys:
        finding = finder.find(key.shown.split(PART)[0])
        if finding is None:
            yield Result(key.normal, stored_spelling(key), "abstained", reason="not in the catalogue")
        else:
            yield Result(
                key.normal,
                stored_spelling(key),
                "ok",
                json.dumps(dict(finding.answer), ensure_ascii=False),
                finding.reason,
            )
