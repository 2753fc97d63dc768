"""The interface of batch jobs: a service answers many requests within a day, at half the price."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from etlrun.contracts.model import ModelClient, ModelError, ModelReply, Request

JobState = Literal["at work", "done", "partial", "expired", "cancelled", "failed", "lost"]


@dataclass(frozen=True)
class JobRequest:
    """A request of a job, with a name that is unique in the job."""

    name: str
    request: Request


@dataclass(frozen=True)
class JobReply:
    """The result of the request `name`: a reply, or the reason why there is none."""

    name: str
    reply: ModelReply | None = None
    error: ModelError | None = None


@dataclass(frozen=True)
class ServiceJob:
    """A job as the service shows it.

    `replies` are in any order, and some may be missing. In a job that is `done` what is missing may have been billed; in one that is `partial`,
    `expired`, `cancelled` or `failed` it was not answered. A job that the service does not know any more is `lost`.
    `message` is the service's word for what went wrong.
    """

    name: str
    state: JobState
    message: str = ""
    replies: Sequence[JobReply] = ()


@dataclass(frozen=True)
class SoughtJob:
    """A job that was perhaps handed in: our label, its number of requests, and when it was about to be, in seconds since 1970.

    `others` are the names of jobs that are known to be others.
    """

    label: str
    requests: int
    at: float
    others: frozenset[str] = frozenset()


class Undecided(Exception):
    """It is not known whether the service has a job until other jobs have ended."""


class JobClient(ModelClient):
    """A client of a language model with batch jobs. Every problem of the service is raised as ModelError."""

    most_bytes: ClassVar[int]  # of the requests of one job

    @abstractmethod
    async def submit(self, label: str, requests: Sequence[JobRequest]) -> str:
        """Submit a job with our label; returns its id at the service. An error that may be billed leaves open whether it was taken."""

    @abstractmethod
    async def find(self, sought: SoughtJob) -> str | None:
        """The id of the job that was submitted with a label; None if the service has none. Raises Undecided."""

    @abstractmethod
    async def look(self, name: str) -> ServiceJob:
        """The state of a job and, if it has ended, its replies."""

    @abstractmethod
    async def cancel(self, name: str) -> None:
        """Ask the service to cancel a job, which may take some time. Answers that are ready are kept and billed."""
