"""Reading a text source in tasks on other machines: what a task needs, the groups of files that each reads, and what it gives back.

A job travels to the machines pickled, and holds no secret: settings of stores are as the project file has them, with `${NAME}` for what
each machine fills in from its own environment. An answer comes back as JSON.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from etlrun.contracts.engine import ParquetFiles
from etlrun.contracts.source import FileAccount, InputFile, Trouble
from etlrun.failures import RunFailure
from etlrun.language.columns import Columns
from etlrun.reading.account import account_of
from etlrun.reading.fingerprint import library_versions, reader_fingerprint
from etlrun.reading.source import TextSource
from etlrun.spec.project import Use
from etlrun.spec.urls import Url

Group = tuple[InputFile, ...]


@dataclass(frozen=True)
class SliceJob:
    """All that tasks need to read a source: task N reads the files, or the slice of a file, in `groups[N]`.

    Rows and broken records go into a new folder for each attempt below `folder`. `storages` and `environment` open the stores of URLs.
    """

    name: str
    source: TextSource
    columns: Columns
    groups: tuple[Group, ...]
    files: int  # of the whole source
    folder: str
    keeps_broken: bool
    keeps_parts: bool  # each group is one file then
    memory: str
    storages: Mapping[Url, Use]
    environment: Callable[[str], str]

    def payload(self) -> bytes:
        """The job for its way to a machine: what tells its reader stands before it, and can be read without the kind of its source."""
        return pickle.dumps((this_reader(), reader_fingerprint(type(self.source)), pickle.dumps(self)))


@dataclass(frozen=True)
class SliceAnswer:
    """What became of one task.

    It has read its files, or found `troubles` in them, or it failed, perhaps before it `began` to read; or its machine has another reader:
    `mismatch` says in which way. `broken` is the file of its broken records, `digests` are those of objects that it fetched, and `header`
    are the names in its only file, where the driver keeps a part of it.
    """

    host: str
    files: tuple[ParquetFiles, ...] = ()
    accounts: tuple[FileAccount, ...] = ()
    broken: str = ""
    header: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    troubles: tuple[Trouble, ...] = ()
    failure: tuple[str, str, str] | None = None  # its code, message and fix
    began: bool = False
    mismatch: str = ""

    def as_json(self) -> str:
        return json.dumps(asdict(self), default=sorted)  # sets are lists in JSON


def probe() -> bytes:
    """A payload whose tasks read nothing, and tell whether their machines could."""
    return pickle.dumps((this_reader(), "", b""))


def this_reader() -> dict[str, str]:
    """What tells this machine's reader from another's, by the name of what may differ. Raises ImportError where a package is missing."""
    return {**library_versions(), "etlrun": reader_fingerprint(object)}


def difference(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    """The first thing in which another machine's reader is not as `expected`."""
    wrong = next((name for name, version in expected.items() if found.get(name) != version), "")
    if wrong == "etlrun":
        return "etlrun has another version there"
    return f"{wrong} is {found.get(wrong)} there, and {expected[wrong]} here" if wrong else ""


def answer_of(text: str) -> SliceAnswer:
    """An answer from its JSON."""
    found: dict[str, Any] = json.loads(text)
    files = found.get("files", ())
    read = {
        "files": tuple(ParquetFiles(tuple(f["paths"]), f["marker"], frozenset(f["lacking"])) for f in files),
        "accounts": tuple(map(account_of, found.get("accounts", ()))),
        "header": tuple(found.get("header", ())),
        "troubles": tuple(Trouble(*each.values()) for each in found.get("troubles", ())),
        "failure": tuple(found["failure"]) if found.get("failure") else None,
    }
    return SliceAnswer(**{**found, **read})


def groups_of(pieces: Iterable[InputFile], size: int) -> tuple[Group, ...]:
    """Neighbours together, up to about `size` bytes, so that many small files are few tasks; a slice of a file stays alone."""
    return tuple(_groups_of(pieces, size))


def _groups_of(pieces: Iterable[InputFile], size: int) -> Iterator[Group]:
    group: list[InputFile] = []
    for piece in pieces:
        is_slice = piece.end is not None
        if group and (is_slice or sum(file.size for file in group) + piece.size > size):
            yield tuple(group)
            group = []
        if is_slice:
            yield (piece,)
        else:
            group.append(piece)
    if group:
        yield tuple(group)


def worker_mismatch(host: str, difference: str) -> RunFailure:
    """The failure of a machine on which a source would not be read as it is here."""
    fix = (
        "install the same versions of etlrun and its packages there, or set `packages:` to an archive from `etlrun pack`; "
        "or set `read: driver` in the profile's engine"
    )
    return RunFailure("engine", "worker-mismatch", f"{host} cannot read files like this machine: {difference}", fix)


def not_shared(message: str) -> RunFailure:
    """The failure of a path that one machine sees and another does not."""
    fix = "put sources and `runs:` on a disk that all machines of the cluster share; or set `read: driver` in the profile's engine"
    return RunFailure("engine", "not-shared", message, fix)


def first_failure(answers: Sequence[SliceAnswer]) -> RunFailure | None:
    """The failure that reading all files in order raises: what is seen before any file is read comes first."""
    failed = [answer for answer in answers if answer.failure is not None]
    if not failed:
        return None
    first = min(failed, key=lambda answer: answer.began)
    assert first.failure is not None
    code, message, fix = first.failure
    return RunFailure("source", code, message, fix)
