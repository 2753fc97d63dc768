"""kill -9 of etlrun, of the server and of the line, at some moments each, from the command line; then the same command again."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from projects import Project, Result

from .loads import Place
from .proxy import Fault, Proxy, Trigger
from .server import Server
from .test_pipelines import PROJECT, SPEC

MOMENTS = int(os.environ.get("ETLRUN_TEST_MOMENTS", "3"))  # `make sweep` tries more
SHOPS = 300
STATE = "SELECT COUNT(*), COUNT(DISTINCT shop), MIN(units), MAX(units) FROM totals"
DURABLE = ["--innodb-flush-log-at-trx-commit=1"]


class Shop:
    """A pipeline that publishes SHOPS rows of one number, through a line; `number` is what the table holds."""

    def __init__(self, project: Project, place: Place, line: Proxy) -> None:
        self.project = project
        self.place = place
        self.line = line
        self.url = f"mysql://root@127.0.0.1:{line.port}/{place.database}"
        self.spec = project.pipeline(SPEC)
        self.number = 0
        self.publish()

    def stock(self) -> None:
        """Let the next run publish another number."""
        self.number += 1
        rows = "".join(f"2022-04,Tiệm {shop},{self.number}\n" for shop in range(SHOPS))
        self.project.write("sales.csv", "month,shop,units\n" + rows)

    def publish(self) -> None:
        self.stock()
        self.again()

    def again(self) -> None:
        """The command ends well, and the table and the ledger have its rows once."""
        done = self.project.run(self.spec, "-q", WAREHOUSE_URL=self.url)
        assert done.code == 0, done.err
        assert self.state() == self.rows_of(self.number)
        assert self.ledger() == (1, SHOPS)

    def state(self) -> tuple[Any, ...]:
        return self.place.run(STATE)[0]

    def ledger(self) -> tuple[Any, ...]:
        return self.place.run("SELECT COUNT(*), MAX(row_count) FROM _etlrun_loads")[0]

    def rows_of(self, number: int) -> tuple[int, int, int, int]:
        return (SHOPS, SHOPS, number, number)

    def moments(self) -> Iterator[int]:
        """Some numbers of bytes on their way to the server, spread over all that a run sends."""
        self.line.arm(None)
        self.publish()
        whole = self.line.bytes["up"]
        for moment in range(MOMENTS):
            yield whole * (2 * moment + 1) // (2 * MOMENTS)

    def check_after(self, code: int) -> None:
        """Whatever the code: the old rows or the new ones, and the new ones after the same command."""
        assert self.state() in (self.rows_of(self.number - 1), self.rows_of(self.number))
        if code != 0:
            self.again()
        assert self.state() == self.rows_of(self.number)
        assert self.ledger() == (1, SHOPS)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("etlrun.yaml", PROJECT)
    return project


def test_etlrun_is_killed(project: Project, place: Place, stack: ExitStack) -> None:
    line = stack.enter_context(Trigger(place.port))
    shop = Shop(project, place, line)
    killed = 0
    for moment in shop.moments():
        shop.stock()
        started: list[subprocess.Popen[str]] = []
        line.set(moment, lambda started=started: started[0].kill())  # type: ignore[misc]
        started.append(project.start(shop.spec, "-q", WAREHOUSE_URL=shop.url))
        started[0].communicate(timeout=60)
        killed += started[0].returncode == -9
        shop.check_after(started[0].returncode)
    assert killed == MOMENTS


def test_the_server_is_killed_and_comes_back(project: Project, spare: Callable[..., Server], stack: ExitStack) -> None:
    server = spare(DURABLE)
    server.run("CREATE DATABASE w")
    place = Place(server, "w", server.port)
    line = stack.enter_context(Trigger(server.port))
    shop = Shop(project, place, line)
    for moment in shop.moments():
        shop.stock()
        line.set(moment, server.kill)
        done: list[Result] = []
        runs = threading.Thread(
            target=lambda done=done: done.append(project.run(shop.spec, "-q", WAREHOUSE_URL=shop.url))
        )  # type: ignore[misc]
        runs.start()
        assert line.has_acted.wait(60)
        assert server.process is not None
        server.process.wait(60)
        server.start()
        runs.join()
        shop.check_after(done[0].code)


@pytest.mark.parametrize("kind", ["cut", "lost-commit", "lost-reply"])
def test_the_line_is_cut(project: Project, place: Place, kind: Any, stack: ExitStack) -> None:
    line = stack.enter_context(Proxy(place.port))
    shop = Shop(project, place, line)
    for moment in [*shop.moments()] if kind == "cut" else [0]:
        shop.stock()
        line.arm(Fault(kind, "up", moment))
        done = project.run(shop.spec, "-q", WAREHOUSE_URL=shop.url)
        assert line.has_struck
        shop.check_after(done.code)
