"""What the log of a table of a lake says of runs: whether rows are published, and whether a newer run has been there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from zlib import crc32

from etlrun.contracts.newer_runs import refuse_newer_runs, started
from etlrun.contracts.sink import Publication

if TYPE_CHECKING:
    from deltalake import DeltaTable

MOST_COMMITS = 1_000  # of a table's log that are read; older ones are known by the number of their run


@dataclass(frozen=True)
class Write:
    """How rows get into a table: `owned` are the values of the partitions that a `replace_where` replaces."""

    mode: Literal["replace", "replace_where", "append"]
    partition_by: tuple[str, ...] = ()
    owned: Mapping[str, str] | None = None

    @property
    def period(self) -> str:
        """The part that is replaced, as a condition; empty for the whole table."""
        return " and ".join(f"{name} = '{value}'" for name, value in sorted((self.owned or {}).items()))

    def application(self, publication: Publication) -> str:
        """The name under which the log knows the publisher of these rows."""
        return "/".join(["etlrun", publication.pipeline, publication.sink, *([self.period] if self.period else [])])

    def may_touch(self, other: Commit, application: str) -> bool:
        """Whether what another run wrote may be rows that this write replaces, or that it would add a second time."""
        if self.mode == "append" and other.mode == "append":
            return other.application == application
        ours, theirs = self.owned or {}, other.owned
        return all(theirs.get(name, value) == value for name, value in ours.items())


@dataclass(frozen=True)
class Committed:
    """What a publish did: the version that holds the rows, what a person should know, and the table's folder where the sink does not say it.

    `earlier` is the run that had appended equal rows, which were not appended again.
    """

    version: int
    notices: tuple[str, ...] = ()
    place: str = ""
    earlier: str = ""


@dataclass(frozen=True)
class Commit:
    """What one entry of the log says of a run."""

    version: int
    run: str
    application: str
    checksum: str
    mode: str
    owned: Mapping[str, str]


def facts(publication: Publication, write: Write) -> dict[str, str]:
    """What a commit says of its run, for `published` of later ones."""
    return {
        "etlrun.run": publication.run_id,
        "etlrun.application": write.application(publication),
        "etlrun.checksum": publication.checksum,
        "etlrun.write": write.mode,
        "etlrun.owned": json.dumps(dict(write.owned or {}), sort_keys=True),
    }


def run_number(run_id: str) -> int:
    """A number that grows with the start of runs, and differs for runs of one second."""
    at = datetime.strptime(started(run_id), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return int(at.timestamp()) * 1_000_000 + crc32(run_id.encode()) % 1_000_000


def foreign_version(table: DeltaTable, seen: int) -> int | None:
    """A version after `seen` that no run of etlrun wrote."""
    entries = table.history(MOST_COMMITS)
    return next((int(it["version"]) for it in entries if int(it["version"]) > seen and "etlrun.run" not in it), None)


@dataclass(frozen=True)
class RunLog:
    """The commits of runs in the log of a table, latest first, which messages call `place`, and its `version`.

    `latest` is the number of the last run of the publisher that asks, where the table keeps it beside the log.
    """

    place: str
    version: int
    commits: tuple[Commit, ...]
    latest: int | None = None


def delta_runs(table: DeltaTable, publication: Publication, write: Write) -> RunLog:
    """What the log of a Delta table says of runs."""
    latest = table.transaction_version(write.application(publication))
    return RunLog(str(table.table_uri), int(table.version()), tuple(_commits(table.history(MOST_COMMITS))), latest)


def published(log: RunLog, publication: Publication, write: Write) -> Committed | None:
    """The commit by which the log has these rows: by this run, or appended by the last run with equal rows.

    Raises RunFailure where a run that started later wrote rows that this one would replace.
    """
    application = write.application(publication)
    ours = [commit for commit in log.commits if commit.application == application]
    for commit in ours:
        if commit.run == publication.run_id:
            return Committed(commit.version)
    if log.latest == run_number(publication.run_id):
        return Committed(log.version)
    if write.mode == "append" and ours and ours[0].checksum == publication.checksum:
        return Committed(ours[0].version, earlier=ours[0].run)
    others = [commit.run for commit in log.commits if write.may_touch(commit, application)]
    refuse_newer_runs(log.place, publication.run_id, others)
    return None


def runs_in_log(table: DeltaTable) -> tuple[set[tuple[str, str]], str]:
    """The runs in the log, each with its publisher, and the time, as ids of runs spell it, since when the log has every entry."""
    entries = table.history(MOST_COMMITS)
    oldest = min(entries, key=lambda entry: int(entry["version"]))
    at = datetime.fromtimestamp(int(oldest["timestamp"]) / 1000, UTC)
    since = "" if int(oldest["version"]) == 0 else format(at, "%Y%m%dT%H%M%SZ")
    return {(commit.run, commit.application) for commit in _commits(entries)}, since


_TEXTS = ("run", "application", "checksum", "write")


def commit_of(version: int, facts: Mapping[str, Any]) -> Commit:
    """The commit of a run, as `facts` of it were written."""
    run, application, checksum, mode = (str(facts.get(f"etlrun.{name}", "")) for name in _TEXTS)
    return Commit(version, run, application, checksum, mode, json.loads(facts.get("etlrun.owned") or "{}"))


def _commits(entries: list[dict[str, Any]]) -> Iterator[Commit]:
    for entry in entries:
        if "etlrun.run" in entry:
            yield commit_of(int(entry["version"]), entry)
