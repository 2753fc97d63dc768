"""Reads from the log of a lake table whether rows are published already, and whether a newer run has published."""

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

MOST_COMMITS = 1_000  # the most commits of a log that are read; older ones are recognized by the number of their run


@dataclass(frozen=True)
class Write:
    """How rows are written to a table. `owned` are the values of the partitions that a `replace_where` replaces, `key` are the columns that
    identify a row for `merge`."""

    mode: Literal["replace", "replace_where", "append", "merge"]
    partition_by: tuple[str, ...] = ()
    owned: Mapping[str, str] | None = None
    key: tuple[str, ...] = ()

    @property
    def replaces_foreign_rows(self) -> bool:
        """Whether rows that another program adds during a publish would be replaced, although nobody has seen them."""
        return self.mode in ("replace", "replace_where")

    @property
    def period(self) -> str:
        """The condition of the rows that are replaced; empty for the whole table."""
        return " and ".join(f"{name} = '{value}'" for name, value in sorted((self.owned or {}).items()))

    def application(self, publication: Publication) -> str:
        """The name of the publisher of these rows in the log."""
        return "/".join(["etlrun", publication.pipeline, publication.sink, *([self.period] if self.period else [])])

    def may_touch(self, other: Commit, application: str) -> bool:
        """Whether another run may have written rows that this write replaces, or would add a second time."""
        if self.mode == "append" and other.mode == "append":
            return other.application == application
        ours, theirs = self.owned or {}, other.owned
        return all(theirs.get(name, value) == value for name, value in ours.items())


@dataclass(frozen=True)
class Committed:
    """The result of a publish: the version with the rows, notices for the user, and the table's folder if the sink does not name it.

    `earlier` is a run that has already appended equal rows, so that they were not appended again.
    """

    version: int
    notices: tuple[str, ...] = ()
    place: str = ""
    earlier: str = ""


@dataclass(frozen=True)
class Commit:
    """One entry of the log, about a run."""

    version: int
    run: str
    application: str
    checksum: str
    mode: str
    owned: Mapping[str, str]


def facts(publication: Publication, write: Write) -> dict[str, str]:
    """The data about its run that a commit stores, for `published` of later runs."""
    return {
        "etlrun.run": publication.run_id,
        "etlrun.application": write.application(publication),
        "etlrun.checksum": publication.checksum,
        "etlrun.write": write.mode,
        "etlrun.owned": json.dumps(dict(write.owned or {}), sort_keys=True),
    }


def run_number(run_id: str) -> int:
    """A number that increases with the start of runs, and differs between runs of the same second."""
    at = datetime.strptime(started(run_id), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return int(at.timestamp()) * 1_000_000 + crc32(run_id.encode()) % 1_000_000


def foreign_version(table: DeltaTable, seen: int) -> int | None:
    """A version after `seen` that no run of etlrun wrote."""
    entries = table.history(MOST_COMMITS)
    return next((int(it["version"]) for it in entries if int(it["version"]) > seen and "etlrun.run" not in it), None)


@dataclass(frozen=True)
class RunLog:
    """The commits of runs in the log of a table, latest first, and its `version`. Messages name the table by `place`.

    `latest` is the number of this publisher's last run, if the table stores it outside the log.
    """

    place: str
    version: int
    commits: tuple[Commit, ...]
    latest: int | None = None


def delta_runs(table: DeltaTable, publication: Publication, write: Write) -> RunLog:
    """The runs in the log of a Delta table."""
    latest = table.transaction_version(write.application(publication))
    return RunLog(str(table.table_uri), int(table.version()), tuple(_commits(table.history(MOST_COMMITS))), latest)


def published(log: RunLog, publication: Publication, write: Write) -> Committed | None:
    """The commit that published these rows: by this run, or appended by the last run with equal rows.

    Raises RunFailure if a run that started later wrote rows that this one would replace.
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
    """The runs in the log, each with its publisher, and the time (as in run ids) since when the log is complete."""
    entries = table.history(MOST_COMMITS)
    oldest = min(entries, key=lambda entry: int(entry["version"]))
    at = datetime.fromtimestamp(int(oldest["timestamp"]) / 1000, UTC)
    since = "" if int(oldest["version"]) == 0 else format(at, "%Y%m%dT%H%M%SZ")
    return {(commit.run, commit.application) for commit in _commits(entries)}, since


_TEXTS = ("run", "application", "checksum", "write")


def commit_of(version: int, facts: Mapping[str, Any]) -> Commit:
    """The commit of a run, read from its `facts`."""
    run, application, checksum, mode = (str(facts.get(f"etlrun.{name}", "")) for name in _TEXTS)
    return Commit(version, run, application, checksum, mode, json.loads(facts.get("etlrun.owned") or "{}"))


def _commits(entries: list[dict[str, Any]]) -> Iterator[Commit]:
    for entry in entries:
        if "etlrun.run" in entry:
            yield commit_of(int(entry["version"]), entry)
