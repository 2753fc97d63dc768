"""Reads the replies of an ended job, with the same checks as for direct requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etlrun.contracts.job_client import JobReply, ServiceJob
from etlrun.contracts.model import ModelError, ModelReply, Usage
from etlrun.enrich.answerers import Answerers
from etlrun.enrich.batches import Batch, FollowUp, after_error, after_verdict
from etlrun.enrich.jobs import Job, JobSheet
from etlrun.enrich.outcomes import RequestOutcome
from etlrun.enrich.questions import Question
from etlrun.enrich.replies import judge
from etlrun.enrich.report import Stop
from etlrun.enrich.store import RequestEntry


@dataclass(frozen=True)
class JobVerdict:
    """The result of each request of a job, and the reason to stop if a different model answered."""

    outcomes: Sequence[RequestOutcome]
    stop: Stop | None = None

    @property
    def usd(self) -> float:
        return sum(outcome.usd for outcome in self.outcomes)

    @property
    def usage(self) -> Usage:
        used = [outcome.usage for outcome in self.outcomes]
        return Usage(sum(one.input for one in used), sum(one.output for one in used))

    @property
    def details(self) -> Counter[str]:
        """The number of problems inside the replies, by kind."""
        found: Counter[str] = Counter()
        for outcome in self.outcomes:
            found.update(outcome.verdict.details if outcome.verdict else ())
        return found

    def entries(self, question: Question, seconds: float) -> Mapping[str, list[RequestEntry]]:
        """The entries for the store, by question, without keys that were forgotten in the meantime. The job took `seconds`."""
        found: dict[str, list[RequestEntry]] = {}
        for outcome in self.outcomes:
            asked = outcome.answerer.question if outcome.answerer else question
            results = [result for result in outcome.results() if result.key]
            found.setdefault(asked.id, []).append(RequestEntry(outcome.sent(outcome.entered + seconds), results))
        return found


def read_replies(question: Question, job: Job, found: ServiceJob, answerers: Answerers) -> JobVerdict:
    """Check each reply of a job against the sheet with its name. A request without a reply is asked again."""
    replies: dict[str, JobReply] = {}
    for reply in found.replies:
        replies.setdefault(reply.name, reply)  # a second reply of the same name is ignored
    has_strays = bool(replies.keys() - {sheet.sheet.batch for sheet in job.sheets})
    may_be_billed = has_strays or found.state in ("done", "lost")
    missing = ModelError(
        "service", f"the job ended ({found.state}) without a reply to this request", may_be_billed=may_be_billed
    )
    outcomes = [
        _outcome(question, sheet, replies.get(sheet.sheet.batch, JobReply("", error=missing)), answerers)
        for sheet in job.sheets
    ]
    stranger = next((outcome.reply for outcome in outcomes if outcome.name == "another-model"), None)
    return JobVerdict(outcomes, answerers.refusal(stranger) if stranger else None)


def _outcome(question: Question, asked: JobSheet, answer: JobReply, answerers: Answerers) -> RequestOutcome:
    batch = Batch(asked.keys, asked.tries, asked.outages)
    if answer.reply:
        return _answered(question, batch, asked, answer.reply, answerers)
    error = answer.error or ModelError("unreadable", "the reply contains no answer", may_be_billed=True)
    follow_up = after_error(batch, error, was_answered_before=True)
    usd = asked.usd if error.may_be_billed else 0.0
    return RequestOutcome(batch, asked.sheet, 0.0, error.cause if answer.name else "missing", usd, follow_up)


def _answered(
    question: Question, batch: Batch, asked: JobSheet, reply: ModelReply, answerers: Answerers
) -> RequestOutcome:
    usd, answerer = answerers.cost(reply, asked.usd), answerers.of(reply)
    if answerer is None:
        return RequestOutcome(batch, asked.sheet, 0.0, "another-model", usd, FollowUp(), reply=reply)
    verdict = judge(question, asked.sheet, reply)
    follow_up = after_verdict(batch, verdict)
    name = verdict.fault or "complete"
    return RequestOutcome(batch, asked.sheet, 0.0, name, usd, follow_up, verdict, reply, answerer)
