"""Several processes: one that is killed loses at most what was under way, and two at once buy nothing twice."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import posing
import pytest

from etlrun.enrich.asking import WRITERS
from etlrun.enrich.labels import open_store
from fake_gemini import FakeServer

PROGRAM = Path(__file__).with_name("asking_process.py")


def start(served: FakeServer, store: Path, first: int, count: int, batch: int = 50) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAM), served.url, str(store), *map(str, (first, count, batch))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_after_a_kill_at_any_moment_the_next_run_answers_every_key(seed: int, tmp_path: Path) -> None:
    chance, where, batch = random.Random(seed), tmp_path / "labels.sqlite", 20
    with posing.server(latency=0.03, seed=seed) as served:
        process = start(served, where, 0, 3_000, batch)
        until = chance.randint(5, 120)  # requests
        while len(served.records) < until and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        asked, model = posing.keys(3_000), posing.gemini(served)
        before = dict(posing.stored(open_store(where), model, asked))
        report = finish(start(served, where, 0, 3_000, batch))
        found = posing.stored(open_store(where), model, asked)
        assert posing.statuses(found) == {"ok": 3_000}
        assert posing.wrong_labels(served, found, asked) == []
        assert (report["known"], report["pending"]) == (len(before), 0)
        twice = [key.shown for key in asked if served.calls[key.shown] > 1]
        workers = posing.QUICK.concurrency + posing.QUICK.concurrency // WRITERS
        assert len(twice) <= workers * batch
        assert max(served.calls[key.shown] for key in asked) <= 2


def test_two_processes_at_once_buy_no_key_twice(tmp_path: Path) -> None:
    where = tmp_path / "labels.sqlite"
    with posing.server(latency=0.02) as served:
        both = [start(served, where, 0, 3_000), start(served, where, 1_000, 3_000)]
        reports = [finish(process) for process in both]
        asked, model = posing.keys(4_000), posing.gemini(served)
        assert posing.statuses(posing.stored(open_store(where), model, asked)) == {"ok": 4_000}
        assert {served.calls[key.shown] for key in asked} == {1}
        assert [report["pending"] for report in reports] == [0, 0]
        assert sum(report["ok"] for report in reports) == 4_000
        assert all(report["known"] + report["by_others"] + report["ok"] == 3_000 for report in reports)


def test_what_a_killed_process_had_leased_is_asked_by_one_that_runs_beside_it(tmp_path: Path) -> None:
    where = tmp_path / "labels.sqlite"
    with posing.server(latency=0.2) as served:
        first = start(served, where, 0, 2_000)
        while len(served.records) < 10:
            time.sleep(0.005)
        second = start(served, where, 0, 2_000)
        time.sleep(0.3)
        first.send_signal(signal.SIGKILL)
        first.communicate()
        report = finish(second)
        assert report["pending"] == 0
        assert posing.statuses(posing.stored(open_store(where), posing.gemini(served), posing.keys(2_000))) == {
            "ok": 2_000
        }


def test_an_interrupt_leaves_no_lease_behind(tmp_path: Path) -> None:
    where = tmp_path / "labels.sqlite"
    with posing.server(latency=0.1) as served:
        process = start(served, where, 0, 3_000)
        while len(served.records) < 20:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        store = open_store(where)
        names = [key.normal for key in posing.keys(3_000)]
        leased = store.lease(posing.question(posing.gemini(served)).id, names)
        assert leased.others == ()
        assert len(leased.ours) + len(leased.settled) == 3_000
