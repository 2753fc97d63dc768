"""Jobs in the label store: requests that are submitted to a service together, and the data to read their replies.

A job is *intended* before it is submitted with its `id` as label, *at work* after that, and open until its replies are stored.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from etlrun.contracts.job_client import JobState
from etlrun.contracts.model import Request
from etlrun.enrich.keys import Key
from etlrun.enrich.questions import Sheet

State = Literal["intended"] | JobState
OPEN: tuple[State, ...] = ("intended", "at work")
NOT_KEPT = Request("", "", {}, 0)  # not needed to read a reply
FORGOTTEN = Key("", "", 0)


@dataclass(frozen=True)
class JobSheet:
    """A request of a job: its keys in order, earlier tries (see Batch), and its highest cost in US dollars."""

    keys: tuple[Key, ...]
    tries: int
    outages: int
    sheet: Sheet
    usd: float

    def as_object(self) -> dict[str, Any]:
        return {
            "batch": self.sheet.batch,
            "tries": [self.tries, self.outages],
            "keys": [[key.normal, key.shown] for key in self.keys],
            "items": list(self.sheet.items),
            "canaries": {str(place): dict(answer) for place, answer in self.sheet.canaries.items()},
            "usd": self.usd,
        }

    def without(self, forgotten: Collection[str]) -> JobSheet:
        """The same request without forgotten keys, so that replies about them are ignored."""
        return replace(self, keys=tuple(FORGOTTEN if key.normal in forgotten else key for key in self.keys))


def sheet_of(found: Mapping[str, Any]) -> JobSheet:
    """Read the result of `as_object`."""
    keys = tuple(Key(normal, shown, 0) for normal, shown in found["keys"])
    canaries = {int(place): answer for place, answer in found["canaries"].items()}
    tries, outages = found["tries"]
    return JobSheet(
        keys, tries, outages, Sheet(found["batch"], NOT_KEPT, tuple(found["items"]), canaries), found["usd"]
    )


@dataclass(frozen=True)
class Job:
    """A job of the label store. `content` has its sheets until their replies are read; `usd` is reserved, `spent` is its real cost."""

    id: str
    question: str
    prompt: str
    source: str
    name: str
    state: State
    content: str
    requests: int
    keys: int
    usd: float
    spent: float
    run: str
    owner: str  # the process that intended it
    at: float  # seconds since 1970
    ended: float = 0.0

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def sheets(self) -> tuple[JobSheet, ...]:
        return tuple(map(sheet_of, json.loads(self.content))) if self.content else ()

    @property
    def held(self) -> list[str]:
        """The normal forms of the keys that wait for this job."""
        sheets = json.loads(self.content) if self.content else ()
        return [normal for sheet in sheets for normal, _ in sheet["keys"] if normal]


def content_of(sheets: Iterable[JobSheet]) -> str:
    return json.dumps([sheet.as_object() for sheet in sheets], ensure_ascii=False, separators=(",", ":"))


def keys_at_work(jobs: Sequence[Job]) -> set[str]:
    """The normal forms of the keys of jobs."""
    return {key for job in jobs for key in job.held}
