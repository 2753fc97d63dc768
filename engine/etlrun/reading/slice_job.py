"""Describes how a text source is read in tasks on other machines: what a task needs, which files each reads, and what it returns.

A job is sent to the machines pickled, and contains no secret: settings of stores are as in the project file, with `${NAME}` for values that
each machine reads from its own environment. An answer comes back as JSON.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from etlrun.contracts.engine import ParquetFiles
from etlrun.contracts.row_aggregation import RowAggregation
from etlrun.contracts.source import FileAccount, InputFile, Trouble
from etlrun.failures import RunFailure
from etlrun.language.columns import Columns
from etlrun.reading.account import account_of
from etlrun.reading.fingerprint import library_versions, reader_fingerprint
from etlrun.reading.neighbours import neighbours
from etlrun.reading.source import TextSource
from etlrun.reading.task_folder import TaskFolder
from etlrun.spec.project import Use
from etlrun.spec.urls import Url

Group = tuple[InputFile, ...]
TOO = "executors need it too: set it where they start"


@dataclass(frozen=True)
class SliceJob:
    """Everything that tasks need to read a source. Task N reads the files, or the slice of a file, in `groups[N]`.

    Rows and broken records go into a new folder for each attempt below `folder`. `storages` and `environment` open the stores of URLs. With an
    `aggregation`, partial aggregates go there, and rows only if parts are kept. Of a file with a `part`, the rows in it are aggregated.
    """

    name: str
    source: TextSource
    columns: Columns
    groups: tuple[Group, ...]
    files: int  # of the whole source
    folder: TaskFolder
    keeps_broken: bool
    keeps_parts: bool  # then each group is one file
    aggregation: RowAggregation | None
    memory: str
    storages: Mapping[Url, Use]
    environment: Callable[[str], str]

    def fingerprint(self) -> str:
        return reader_fingerprint(type(self.source))


@dataclass(frozen=True)
class SliceAnswer:
    """The result of one task.

    It has read its files, or found `troubles` in them, or failed, perhaps before it `began` to read; or its machine has a different reader:
    `mismatch` is the difference. `broken` is the file of its broken records, `digests` are those of downloaded objects, and
    `header` are the names in its only file, if the driver keeps a part of it. `partial` are the partial aggregates of its rows, None if the
    job wants none, or if they cannot be computed. `statement` is the condition, detail and source of a statement that failed, and `left` a
    file that is no part of a source.
    """

    host: str
    files: tuple[ParquetFiles, ...] = ()
    partial: tuple[ParquetFiles, ...] | None = None
    accounts: tuple[FileAccount, ...] = ()
    broken: str = ""
    header: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    troubles: tuple[Trouble, ...] = ()
    failure: tuple[str, str, str] | None = None  # its code, message and fix
    statement: tuple[str, str, str] | None = None
    began: bool = False
    mismatch: str = ""
    left: str = ""

    def as_json(self) -> str:
        return json.dumps(asdict(self), default=sorted)  # sets are lists in JSON


class TaskJob(Protocol):
    """What tasks do on other machines, apart from reading slices of files."""

    def fingerprint(self) -> str:
        """The digest of the code that affects the rows."""

    def run(self, number: int, host: str) -> SliceAnswer:
        """Run one task on the machine `host`. Raises RunFailure."""


def payload_of(job: TaskJob | SliceJob) -> bytes:
    """The pickled job. The fingerprint of its reader comes first, and can be read without loading the kind of its source."""
    return pickle.dumps((this_reader(), job.fingerprint(), pickle.dumps(job)))


def this_reader() -> dict[str, str]:
    """The fingerprint and the library versions of this machine's reader, by name. Raises ImportError if a package is missing."""
    return {**library_versions(), "etlrun": reader_fingerprint(object)}


def difference(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    """The first difference between another machine's reader and the `expected` one."""
    wrong = next((name for name, version in expected.items() if found.get(name) != version), "")
    if wrong == "etlrun":
        return "etlrun has another version there"
    return f"{wrong} is {found.get(wrong)} there, and {expected[wrong]} here" if wrong else ""


def answer_of(text: str) -> SliceAnswer:
    """Read an answer from JSON."""
    found: dict[str, Any] = json.loads(text)
    partial = found.get("partial")
    read = {
        "files": _files_of(found.get("files", ())),
        "partial": None if partial is None else _files_of(partial),
        "accounts": tuple(map(account_of, found.get("accounts", ()))),
        "header": tuple(found.get("header", ())),
        "troubles": tuple(Trouble(*each.values()) for each in found.get("troubles", ())),
        **{name: tuple(found[name]) for name in ("failure", "statement") if found.get(name)},
    }
    return SliceAnswer(**{**found, **read})


def _files_of(found: Iterable[dict[str, Any]]) -> tuple[ParquetFiles, ...]:
    return tuple(
        ParquetFiles(tuple(each["paths"]), each["marker"], frozenset(each["lacking"]), tuple(each["digests"]))
        for each in found
    )


def groups_of(pieces: Iterable[InputFile], size: int) -> tuple[Group, ...]:
    """Group neighbouring files up to about `size` bytes, so that many small files need few tasks. A slice of a file is a group by itself."""
    return tuple(neighbours(pieces, lambda piece: piece.size if piece.end is None else size + 1, size))


def worker_mismatch(host: str, difference: str) -> RunFailure:
    """The failure of a machine whose reader differs from the one here."""
    fix = "install the same versions of etlrun and its packages there, or set `packages:` to an archive from `etlrun pack`"
    if difference.startswith("Python ") or "PYSPARK_PYTHON" in difference:  # which no archive brings
        fix = "install Python there in the same minor version as on this machine, and set PYSPARK_PYTHON to its path"
    return RunFailure("engine", "worker-mismatch", f"{host} cannot read files like this machine: {difference}", fix)


def unseen_there(path: str, host: str) -> RunFailure:
    """The failure of a file that exists here, but not on another machine."""
    fix = "put it on a disk that all machines share, at the same path; or set `read: driver` in the profile's engine"
    return RunFailure("engine", "not-shared", f"{path} does not exist on {host}, where a task reads it", fix)


def first_failure(answers: Sequence[SliceAnswer]) -> RunFailure | None:
    """The failure that reading all files in order would raise: problems seen before reading come first."""
    failed = [answer for answer in answers if answer.failure is not None]
    if not failed:
        return None
    first = min(failed, key=lambda answer: answer.began)
    assert first.failure is not None
    code, message, fix = first.failure
    return RunFailure("source", code, message, fix)
