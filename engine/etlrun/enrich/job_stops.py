"""Reasons to stop asking because of jobs: they are at work, they ended badly, or their service failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from etlrun.contracts.job_client import ServiceJob
from etlrun.contracts.model import ModelError
from etlrun.diagnostics import counted
from etlrun.enrich.jobs import Job
from etlrun.enrich.report import Stop, StopReason

REASONS: Mapping[str, StopReason] = {
    "rate": "quota",
    "day": "quota",
    "unreadable": "service",
    "refused": "unusable",
    "access": "access",
    "model": "model",
    "setup": "setup",
    "service": "service",
}
ENDED = {"failed": "failed", "cancelled": "was cancelled at the service"}


def keys_in_a_job(count: int) -> Stop:
    """Keys of this process are in a job of the store."""
    message = f"{counted(count, 'key')} {'is' if count == 1 else 'are'} in a running job"
    return Stop("job-at-work", message, "run again later")


def jobs_at_work(jobs: Sequence[Job]) -> Stop:
    """There is no more time to wait for jobs."""
    keys = sum(job.keys for job in jobs)
    named = ", ".join(job.id for job in jobs[:3])
    which = f"job {named} is" if len(jobs) == 1 else f"jobs {named}{' ...' if len(jobs) > 3 else ''} are"
    message = f"{which} still running at the service with {counted(keys, 'key')}; a job takes up to a day"
    return Stop("job-at-work", message, "run again later, or wait for it: `--wait 4h`; `etlrun llm jobs` lists it")


def ended_badly(job: Job, found: ServiceJob) -> Stop | None:
    """A job failed or was cancelled; None if it ended in another way."""
    if found.state not in ENDED:
        return None
    message = f"the job {job.id} ({found.name}) {ENDED[found.state]}: {found.message or 'no reason given'}"
    return Stop("service", message, "the answers so far are stored: run again to ask about the rest")


def service_failed(error: ModelError) -> Stop:
    """A call about jobs failed."""
    return Stop(REASONS[error.cause], error.message, error.fix or "run again later")
