"""What a service that takes many requests as one job offers: half the price, and answers within a day."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from etlrun.contracts.model import ModelClient, ModelError, ModelReply, Request

JobState = Literal["at work", "done", "partial", "expired", "cancelled", "failed", "lost"]


@dataclass(frozen=True)
class JobRequest:
    """A request of a job, under a name that no other request of the job has."""

    name: str
    request: Request


@dataclass(frozen=True)
class JobReply:
    """What came of the request called `name`: a reply, or why there is none."""

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
    """Whether a service has a job cannot be said before others have ended."""


class JobClient(ModelClient):
    """An open language model that takes jobs. Every method raises ModelError and nothing else that a service can cause."""

    most_bytes: ClassVar[int]  # of the requests of one job

    @abstractmethod
    async def submit(self, label: str, requests: Sequence[JobRequest]) -> str:
        """Hand in a job under a label of ours; gives its name at the service. An error that may be billed leaves open whether it was taken."""

    @abstractmethod
    async def find(self, sought: SoughtJob) -> str | None:
        """The name of the job that was handed in under a label; None where the service has none. Raises Undecided."""

    @abstractmethod
    async def look(self, name: str) -> ServiceJob:
        """How far a job is and, where it has ended, its replies."""

    @abstractmethod
    async def cancel(self, name: str) -> None:
        """Ask the service to end a job, which may take it a while. What it has answered is there all the same, and billed."""
