"""Writes the requests of a job: open keys in batches, as many as the budget and the service allow."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from etlrun.enrich.answerers import Answerers
from etlrun.enrich.batches import Batch
from etlrun.enrich.jobs import JobSheet
from etlrun.enrich.keys import Key
from etlrun.enrich.questions import Question, write_sheet
from etlrun.enrich.terms import Budget


def batches_of(rest: Sequence[Key], again: Sequence[Batch], size: int) -> list[Batch]:
    """Open keys in batches: first those `again` that jobs left open, then the others."""
    by_name = {key.normal: key for key in rest}
    found = []
    for batch in again:
        keys = tuple(by_name.pop(key.normal) for key in batch.keys if key.normal in by_name)
        found += [replace(batch, keys=keys)] if keys else []
    fresh = list(by_name.values())
    return found + [Batch(tuple(fresh[start : start + size])) for start in range(0, len(fresh), size)]


def of_these(batches: Sequence[Batch], names: set[str]) -> list[Batch]:
    """Batches reduced to the keys in `names`."""
    kept = (replace(batch, keys=tuple(key for key in batch.keys if key.normal in names)) for batch in batches)
    return [batch for batch in kept if batch.keys]


class SheetWriter:
    """Writes the requests of jobs for one question."""

    def __init__(self, question: Question, answerers: Answerers, thoughts: int, chance: random.Random) -> None:
        self.question = question
        self.answerers = answerers
        self.thoughts = thoughts
        self.chance = chance

    def sheets(self, batches: Sequence[Batch], left: Budget, most_bytes: int) -> list[JobSheet]:
        """The requests of the next job: for the first batches, as many as `left` and the service allow."""
        found: list[JobSheet] = []
        names: set[str] = set()
        worst = size = 0.0
        for batch in batches[: left.requests]:
            asked = self.sheet(batch, names)
            worst, size = worst + asked.usd, size + asked.sheet.request.most_input
            if (left.usd is not None and worst > left.usd) or (found and size > most_bytes):
                break
            names.add(asked.sheet.batch)
            found.append(asked)
        return found

    def sheet(self, batch: Batch, names: set[str]) -> JobSheet:
        """The request for a batch, with a name that is not in `names`."""
        while True:
            sheet = write_sheet(self.question, batch.keys, self.chance, self.thoughts)
            if sheet.batch not in names:
                return JobSheet(batch.keys, batch.tries, batch.outages, sheet, self.answerers.worst(sheet.request))
