"""The report of asking: counts, cost, and the reason if it stopped early."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

StopReason = Literal[
    "budget", "quota", "job-at-work", "another-model", "access", "model", "setup", "service", "unusable"
]

EXIT_CODES: Mapping[StopReason, int] = {
    "budget": 4,
    "quota": 4,
    "job-at-work": 4,
    "another-model": 4,
    "access": 2,
    "model": 2,
    "setup": 2,
    "service": 1,
    "unusable": 1,
}


@dataclass(frozen=True)
class Stop:
    """The reason why asking ended before every key was asked, and what to do. Answers are kept."""

    reason: StopReason
    message: str
    fix: str = ""

    @property
    def exit_code(self) -> int:
        """4 if a later run continues by itself, 2 if the spec or the environment is wrong, 1 if the service failed."""
        return EXIT_CODES[self.reason]


@dataclass(frozen=True)
class AskingReport:
    """The results for the keys of one question.

    `known` keys were answered before, `by_others` by another process in the meantime; `ok`, `abstained`, `refused` and `failed` were
    settled here, and `pending` were not. `outcomes` counts requests by how they ended, `details` the problems inside replies.
    `usd` includes requests that may have been billed, at their highest possible cost.
    """

    question: str
    source: str
    keys: int
    known: int = 0
    by_others: int = 0
    ok: int = 0
    abstained: int = 0
    refused: int = 0
    failed: int = 0
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, int] = field(default_factory=dict)
    stopped: Stop | None = None

    @property
    def asked(self) -> int:
        """Keys settled by this run's own requests."""
        return self.ok + self.abstained + self.refused + self.failed

    @property
    def pending(self) -> int:
        return self.keys - self.known - self.by_others - self.asked

    @property
    def waits_for_jobs(self) -> bool:
        """Whether it stopped only because jobs are at work."""
        return self.stopped is not None and self.stopped.reason == "job-at-work"

    def as_object(self) -> dict[str, Any]:
        """The report for `--json` and the run record."""
        names = (
            "source",
            "keys",
            "known",
            "by_others",
            "asked",
            "ok",
            "abstained",
            "refused",
            "failed",
            "pending",
            "requests",
            "input_tokens",
            "output_tokens",
        )
        found: dict[str, Any] = {name: getattr(self, name) for name in names}
        found |= {"usd": round(self.usd, 6), "seconds": round(self.seconds, 3), "outcomes": dict(self.outcomes)}
        if self.stopped:
            found["stopped"] = {"reason": self.stopped.reason, "message": self.stopped.message, "fix": self.stopped.fix}
        return found


def continued(first: AskingReport, later: AskingReport) -> AskingReport:
    """Add the later results of jobs to a report that ended with jobs at work."""
    found = added_up(first, [later])
    return replace(
        found,
        by_others=first.by_others + later.by_others,
        abstained=first.abstained + later.abstained,
        seconds=first.seconds + later.seconds,
        stopped=later.stopped,
    )


def added_up(first: AskingReport, others: Sequence[AskingReport]) -> AskingReport:
    """The first report plus the results, requests and costs of the others."""
    outcomes, details = Counter(first.outcomes), Counter(first.details)
    for report in others:
        outcomes.update(report.outcomes)
        details.update(report.details)
    reports = (first, *others)
    return replace(
        first,
        ok=sum(report.ok for report in reports),
        refused=sum(report.refused for report in reports),
        failed=sum(report.failed for report in reports),
        requests=sum(report.requests for report in reports),
        input_tokens=sum(report.input_tokens for report in reports),
        output_tokens=sum(report.output_tokens for report in reports),
        usd=sum(report.usd for report in reports),
        outcomes=dict(outcomes),
        details=dict(details),
    )
