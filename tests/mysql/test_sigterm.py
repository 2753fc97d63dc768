"""SIGTERM in each phase of a publish: old rows or new ones, the table free for the next run, which publishes what was checked."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from projects import Project, wait_for

from .loads import Place
from .proxy import Direction, Proxy
from .server import Server
from .test_kills import Trigger
from .test_pipelines import PROJECT, SPEC

OLD, NEW = [(1, 40)], [(2, 60_000)]


class Watched:
    """A pipeline that published 40 rows of 1, and now is about to publish 60,000 of 2 through the port of a line."""

    def __init__(self, project: Project, place: Place) -> None:
        self.project = project
        self.place = place
        self.spec = project.pipeline(SPEC)
        self.sell(40, 1)
        self.run(place.port)
        self.sell(60_000, 2)

    def sell(self, count: int, units: int) -> None:
        rows = "".join(f"2022-04,Tiệm {number},{units}\n" for number in range(count))
        self.project.write("sales.csv", "month,shop,units\n" + rows)

    def url(self, port: int) -> str:
        return f"mysql://root@127.0.0.1:{port}/{self.place.database}"

    def run(self, port: int) -> None:
        done = self.project.run(self.spec, "-q", WAREHOUSE_URL=self.url(port))
        assert done.code == 0, done.err

    def start(self, port: int) -> subprocess.Popen[str]:
        return self.project.start(self.spec, "-q", WAREHOUSE_URL=self.url(port))

    def units(self) -> list[tuple[Any, ...]]:
        return self.place.run("SELECT units, COUNT(*) FROM totals GROUP BY units ORDER BY units")

    def terminate(self, process: subprocess.Popen[str]) -> None:
        """The process ends as one that was asked to, and says so in one line."""
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 143, err
        assert err.strip() == "terminated: nothing more was published"

    def is_free(self) -> bool:
        locks = self.place.run("SELECT lock_name FROM _etlrun_writers")
        return all(self.place.run(f"SELECT IS_USED_LOCK('{lock}')") == [(None,)] for (lock,) in locks)

    def resume(self) -> None:
        """The rows that were checked are still there; the files are not needed any more."""
        (self.project.folder / "sales.csv").unlink()
        latest = self.project.run("runs", "--json", WAREHOUSE_URL=self.url(self.place.port)).json["runs"][0]
        assert latest["status"] == "interrupted"
        done = self.project.run("resume", latest["run_id"], WAREHOUSE_URL=self.url(self.place.port))
        assert done.code == 0, done.err
        assert self.units() == NEW
        assert self.place.run("SELECT run_id, row_count FROM _etlrun_loads") == [(latest["run_id"], 60_000)]


@pytest.fixture
def watched(tmp_path: Path, place: Place) -> Watched:
    return Watched(project_in(tmp_path), place)


def project_in(folder: Path) -> Project:
    project = Project(folder)
    project.write("etlrun.yaml", PROJECT)
    return project


@pytest.mark.parametrize("share", [1, 5, 9])
def test_while_rows_travel(watched: Watched, share: int, stack: ExitStack) -> None:
    line = stack.enter_context(Trigger(watched.place.port))
    reached: list[subprocess.Popen[str]] = []

    def terminate() -> None:
        wait_for(lambda: bool(reached))
        reached[0].send_signal(signal.SIGTERM)
        time.sleep(0.2)  # what is on the way waits here

    line.set(150_000 * share, terminate)
    reached.append(watched.start(line.port))
    _, err = reached[0].communicate(timeout=60)
    assert (reached[0].returncode, err.strip()) == (143, "terminated: nothing more was published")
    wait_for(watched.is_free)
    assert watched.units() == OLD
    watched.resume()


def test_while_somebody_holds_the_rows(watched: Watched) -> None:
    holder = watched.place.server.connect(watched.place.database, autocommit=False)
    holder.cursor().execute("UPDATE totals SET units = 9")
    process = watched.start(watched.place.port)
    wait_for(lambda: statements(watched.place, "DELETE FROM `totals`%") == 1, 60)
    watched.terminate(process)
    holder.rollback()
    holder.close()
    wait_for(watched.is_free, 60)
    assert watched.units() == OLD
    watched.resume()


def test_between_two_tries(tmp_path: Path, spare: Callable[..., Server], stack: ExitStack) -> None:
    server = spare(["--innodb-flush-log-at-trx-commit=1"])
    server.run("CREATE DATABASE w")
    watched = Watched(project_in(tmp_path), Place(server, "w", server.port))
    line = stack.enter_context(Trigger(server.port))
    line.set(200_000, server.kill)
    process = watched.start(line.port)
    assert line.has_acted.wait(60)
    time.sleep(0.3)
    watched.terminate(process)
    server.start()
    assert watched.units() == OLD
    watched.resume()


class BeforeCommit(Proxy):
    """A line on which COMMIT waits until `act` is done."""

    act: Callable[[], None]

    def _passes(self, data: bytes, direction: Direction) -> int | None:
        if direction == "up" and b"\x03COMMIT" in data:
            self.act()
        return super()._passes(data, direction)


def test_while_the_server_commits(watched: Watched, stack: ExitStack) -> None:
    line = stack.enter_context(BeforeCommit(watched.place.port))
    with closing(watched.place.server.connect()) as other:
        line.act = lambda: other.cursor().execute("FLUSH TABLES WITH READ LOCK")
        process = watched.start(line.port)
        wait_for(lambda: statements(watched.place, "COMMIT") == 1, 60)
        watched.terminate(process)
        assert watched.units() == OLD
    wait_for(watched.is_free, 60)
    assert watched.units() in (OLD, NEW)
    watched.resume()


def statements(place: Place, like: str) -> int:
    """How many sessions on the database are at work on such a statement."""
    here = f"db = '{place.database}' AND info LIKE '{like}'"
    ((count,),) = place.server.run(f"SELECT COUNT(*) FROM information_schema.processlist WHERE {here}")
    return int(count)
