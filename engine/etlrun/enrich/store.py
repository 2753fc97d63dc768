"""The label store keeps every answer of models, so that none is paid twice.

By default it is a SQLite file of the project (`.etlrun/labels.sqlite`); teams share a database of a `mysql` or `postgres` connection. Its tables:

| table | a row is |
|---|---|
| `etlrun_questions` | a question: prompt, source (provider and model), the rules as sent, its outputs |
| `etlrun_answers` | a question and a key: status, answer (JSON by output), reason, the request that brought it |
| `etlrun_requests` | a request: run, keys asked and answered, outcome, tokens, usd, seconds, model version, time |
| `etlrun_leases` | a question and a key that a process is asking at the moment |
| `etlrun_owners` | such a process, and until when it is considered alive |
| `etlrun_jobs` | requests that are submitted to a service as one job: its name there, state, keys, usd reserved and spent, run, time |
| `etlrun_label_store` | the schema version of these tables: an etlrun that does not know it asks no model |

The view `etlrun_labels` joins the first three: one row for each question and key, with its share of the request's tokens and money.
An answer is replaced only by one of the same or a better status: a failure never replaces an answer.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from etlrun.contracts.job_client import JobState
from etlrun.enrich.jobs import Job, JobSheet
from etlrun.enrich.questions import Question
from etlrun.spec.outputs import NotAllowed, Value

if TYPE_CHECKING:
    import pyarrow

Status = Literal["ok", "abstained", "refused", "failed"]
SETTLED: tuple[Status, ...] = ("ok", "abstained", "refused")  # not asked again
NO_LABEL: tuple[Status, ...] = ("abstained", "refused", "failed")  # all but `ok`
WORTH: Mapping[str, int] = {"failed": 0, "abstained": 1, "refused": 1, "ok": 2}


class Result(NamedTuple):
    """The result for a key: its normal form and the spelling that was asked; `answer` is JSON by output, `""` unless `ok`."""

    key: str
    shown: str
    status: Status
    answer: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Sent:
    """A request in the store; a lookup of keys counts as one without cost."""

    batch: str
    keys: int
    answered: int
    outcome: str
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0
    version: str = ""


@dataclass(frozen=True)
class RequestEntry:
    """A request and the results for its keys, committed together."""

    sent: Sent
    results: Sequence[Result]


class StoredAnswer(NamedTuple):
    """The stored answer for a key."""

    status: Status
    answer: str
    reason: str
    source: str

    @property
    def values(self) -> Mapping[str, Value]:
        """The answer by output; empty unless the status is `ok`, and if the stored text is not a valid answer."""
        return _values(self.answer) if self.status == "ok" else {}

    def is_allowed(self, question: Question) -> bool:
        """Whether it is a possible answer to `question`: other programs can write to the store."""
        if self.status != "ok":
            return self.status in WORTH
        try:
            for output in question.prompt.outputs:
                output.read(self.values.get(output.name))
        except NotAllowed:
            return False
        return True


@dataclass(frozen=True)
class Leased:
    """Requested keys in four groups: leased by this process, settled in the meantime, being asked by another process, or in an open job."""

    ours: tuple[str, ...]
    settled: tuple[str, ...]
    others: tuple[str, ...]
    at_work: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cost:
    """What a question has cost so far."""

    question: str
    prompt: str
    source: str
    statuses: Mapping[str, int]
    requests: int
    input_tokens: int
    output_tokens: int
    usd: float
    last_at: str


@dataclass(frozen=True)
class Counted:
    """Totals that a service counted over some requests: keys asked and answered, and tokens."""

    requests: int = 0
    asked: int = 0
    answered: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class Store(ABC):
    """An open label store. Its methods may be called from any thread, and each is one transaction."""

    @abstractmethod
    def add_question(self, question: Question, source: str) -> None:
        """Store a question, unless it is stored already."""

    @abstractmethod
    def known(self, question: str, keys: Sequence[str]) -> dict[str, StoredAnswer]:
        """The stored results of `keys` (normal forms), including failures."""

    def judged(self, questions: Sequence[Question], keys: Sequence[str]) -> dict[str, StoredAnswer]:
        """The stored results of `keys`; answers that a question does not allow count as missing.

        `questions` differ in the model that answers: the best status counts, then the first question.
        """
        return _best(_without(known, _not_allowed(question, known)) for question, known in self._each(questions, keys))

    def sifted(self, questions: Sequence[Question], keys: Sequence[str]) -> dict[str, StoredAnswer]:
        """The same; answers that a question does not allow are also removed, so that their keys are asked again."""
        found = []
        for question, known in self._each(questions, keys):
            wrong = _not_allowed(question, known)
            if wrong:
                self.forget(question.id, list(wrong))
            found.append(_without(known, wrong))
        return _best(found)

    def _each(
        self, questions: Sequence[Question], keys: Sequence[str]
    ) -> Iterator[tuple[Question, dict[str, StoredAnswer]]]:
        return ((question, self.known(question.id, keys)) for question in questions)

    @abstractmethod
    def lease(self, question: str, keys: Sequence[str], also: Sequence[str] = ()) -> Leased:
        """Try to lease keys for this process; `also` are other questions whose answers settle a key."""

    @abstractmethod
    def heartbeat(self) -> None:
        """Report that this process is alive; otherwise its leases expire after a minute."""

    @abstractmethod
    def release(self) -> None:
        """Release all leases of this process."""

    @abstractmethod
    def record(self, question: str, run: str, entries: Sequence[RequestEntry]) -> None:
        """Commit requests and results."""

    @abstractmethod
    def jobs(self, questions: Sequence[str] | None = None) -> list[Job]:
        """The open jobs of some questions, or all jobs if no question is given; the latest first."""

    @abstractmethod
    def intend_job(self, question: str, run: str, sheets: Sequence[JobSheet]) -> Job:
        """Store a job before it is submitted; it takes over this process's leases of its keys."""

    @abstractmethod
    def name_job(self, job: str, name: str) -> None:
        """Store the name of an intended job at the service: it is now at work."""

    @abstractmethod
    def drop_job(self, job: str) -> None:
        """Remove an intended job that the service does not have, and its leases."""

    @abstractmethod
    def is_intended_elsewhere(self, job: Job) -> bool:
        """Whether another living process is just submitting an intended job."""

    @abstractmethod
    def collect_job(
        self, job: str, state: JobState, spent: float, run: str, entries: Mapping[str, Sequence[RequestEntry]]
    ) -> bool:
        """Commit the results of a job, by question, and its end, in one transaction. False if another process was first."""

    @abstractmethod
    def rows(self, question: str) -> Iterator[tuple[str, str, StoredAnswer]]:
        """Every key of a question with its spelling and result, in order of keys."""

    @abstractmethod
    def costs(self) -> list[Cost]:
        """Every question, the latest first."""

    @abstractmethod
    def counted(self, questions: Sequence[str]) -> Counted:
        """Totals over a sample of the requests for some questions, if the service counted."""

    @abstractmethod
    def forget(self, question: str, keys: Sequence[str]) -> int:
        """Remove the answers of keys, so that they are asked again; returns their number."""

    @abstractmethod
    def forget_status(self, question: str, statuses: Sequence[Status]) -> int:
        """Remove the answers of a status, so that their keys are asked again; returns their number."""

    @abstractmethod
    def forget_question(self, question: str) -> int:
        """Remove a question with its answers and requests; returns the number of answers."""

    @abstractmethod
    def holding(self, text: str) -> list[str]:
        """The normal forms of the keys, of any question, that contain `text`."""

    @abstractmethod
    def compact(self) -> None:
        """Rewrite a file, so that nothing of removed data is left in it; a server does this by itself. Raises RunFailure."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""

    def table(self, question: Question) -> pyarrow.Table:
        """The question's answers as a table: key, spelling, one column per output, status, reason, source."""
        import pyarrow

        rows = list(self.rows(question.id))
        types = {"string": pyarrow.string(), "double": pyarrow.float64(), "boolean": pyarrow.bool_()}
        columns: dict[str, pyarrow.Array] = {
            "key": pyarrow.array([key for key, _, _ in rows], pyarrow.string()),
            "shown": pyarrow.array([shown for _, shown, _ in rows], pyarrow.string()),
        }
        for output in question.prompt.outputs:
            values = [stored.values.get(output.name) for _, _, stored in rows]
            columns[output.name] = pyarrow.array(values, types[output.type.name])
        for name in ("status", "reason", "source"):
            columns[name] = pyarrow.array([getattr(stored, name) for _, _, stored in rows], pyarrow.string())
        return pyarrow.table(columns)


def _best(each: Iterable[dict[str, StoredAnswer]]) -> dict[str, StoredAnswer]:
    """The best result for each key."""
    parts = iter(each)
    found = next(parts, {})
    for part in parts:
        for key, stored in part.items():
            if key not in found or WORTH[stored.status] > WORTH[found[key].status]:
                found[key] = stored
    return found


def _without(known: dict[str, StoredAnswer], wrong: set[str]) -> dict[str, StoredAnswer]:
    return {key: stored for key, stored in known.items() if key not in wrong} if wrong else known


def _not_allowed(question: Question, known: Mapping[str, StoredAnswer]) -> set[str]:
    each = {id(stored): stored for stored in known.values()}  # a million keys share a few answers
    wrong = {number for number, stored in each.items() if not stored.is_allowed(question)}
    return {key for key, stored in known.items() if id(stored) in wrong} if wrong else set()


@lru_cache(maxsize=4096)
def _values(answer: str) -> Mapping[str, Value]:
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
