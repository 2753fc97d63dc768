"""Batch mode: half the money, jobs that are handed in once and fetched once, and the same care for every reply."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import posing
import pytest

from etlrun.contracts.model import LanguageModel
from etlrun.enrich.keys import Key
from etlrun.enrich.store import Store
from etlrun.enrich.terms import Budget
from fake_gemini import ALL, FakeServer
from fake_gemini.jobs import Ending
from fake_gemini.wire import Response

Model = Callable[..., LanguageModel]
EACH = pytest.mark.parametrize("model", [posing.gemini, posing.openai, posing.anthropic])
WAIT = 20.0


def answered(served: FakeServer, store: Store, model: LanguageModel, asked: list[Key]) -> dict[str, int]:
    """Keys by status, all of whose labels are right."""
    found = posing.stored(store, model, asked)
    assert posing.wrong_labels(served, found, asked) == []
    return posing.statuses(found)


@EACH
def test_a_job_costs_half_the_money(model: Model, tmp_path: Path) -> None:
    with posing.server() as served, posing.server() as other:
        asked, store = posing.keys(3_500), posing.new_store(tmp_path)
        report = posing.pose_in_jobs(model(served), asked, store, wait=WAIT)
        posing.pose(model(other), asked, posing.new_store(tmp_path / "direct"))
        assert (report.stopped, report.ok, report.pending) == (None, 3_500, 0)
        assert served.billed_usd == pytest.approx(report.usd)
        assert served.billed_usd / other.billed_usd == pytest.approx(0.5, rel=0.02)
        assert answered(served, store, model(served), asked) == {"ok": 3_500}
        assert max(served.calls[key.shown] for key in asked) == 1
        (job,) = store.jobs()
        assert (job.state, job.keys, job.requests, job.content) == ("done", 3_450, 69, "")
        assert 0 < job.spent < job.usd


@EACH
def test_a_job_that_takes_a_day_is_left_to_the_next_run(model: Model, tmp_path: Path) -> None:
    with posing.server(jobs_take=None) as served:
        asked, store = posing.keys(500), posing.new_store(tmp_path)
        for _ in range(3):
            report = posing.pose_in_jobs(model(served), asked, store)
            assert report.stopped is not None
            assert (report.stopped.reason, report.stopped.exit_code, report.pending) == ("job-at-work", 4, 450)
            (job,) = store.jobs()
            assert f"job {job.id} is still running at the service with 450 keys" in report.stopped.message
        served.jobs.finish()
        report = posing.pose_in_jobs(model(served), asked, store)
        assert (report.stopped, report.known, report.ok, report.pending) == (None, 50, 450, 0)
        assert (len(served.jobs.all), len(served.records)) == (1, 10)
        assert answered(served, store, model(served), asked) == {"ok": 500}


@EACH
@pytest.mark.parametrize("ending", ["shuffled", "partial", "expired", "swapped", "twice", "nameless"])
def test_what_came_is_taken_and_the_rest_is_asked_again(ending: Ending, model: Model, tmp_path: Path) -> None:
    with posing.server(endings=[ending]) as served:
        asked, store = posing.keys(600), posing.new_store(tmp_path)
        report = posing.pose_in_jobs(model(served), asked, store, wait=WAIT)
        assert (report.stopped, report.ok, report.pending) == (None, 600, 0)
        assert answered(served, store, model(served), asked) == {"ok": 600}
        assert len(served.jobs.all) == (1 if ending in ("shuffled", "twice") else 2)
        assert served.billed_usd <= report.usd + 1e-9


@pytest.mark.parametrize(
    ("model", "ending"),
    [
        (posing.gemini, "failed"),
        (posing.gemini, "cancelled"),
        (posing.openai, "failed"),
        (posing.openai, "cancelled"),
        (posing.anthropic, "cancelled"),
    ],
)
def test_a_job_that_fails_ends_the_run_with_what_came(ending: Ending, model: Model, tmp_path: Path) -> None:
    with posing.server(endings=[ending]) as served:
        asked, store = posing.keys(350), posing.new_store(tmp_path)
        report = posing.pose_in_jobs(model(served), asked, store, wait=WAIT)
        assert report.stopped is not None
        assert (report.stopped.reason, report.ok) == ("service", 50 if ending == "failed" else 250)
        assert posing.pose_in_jobs(model(served), asked, store, wait=WAIT).pending == 0
        assert answered(served, store, model(served), asked) == {"ok": 350}


@EACH
def test_faults_in_jobs_give_no_wrong_label(model: Model, tmp_path: Path) -> None:
    with posing.server(faults=ALL, seed=5, endings=["partial", "shuffled"]) as served:
        asked, store = posing.keys(1_500, "phim poison", "toxic"), posing.new_store(tmp_path)
        report = posing.pose_in_jobs(model(served), asked, store, posing.terms(batch=20), wait=60)
        assert (report.stopped, report.pending) == (None, 0)
        assert answered(served, store, model(served), asked) == {"ok": 1_500, "refused": 2}
        assert report.usd >= served.billed_usd - 1e-9


def gone() -> Response:
    return Response(drops=True)


@EACH
@pytest.mark.parametrize("moment", ["taking", "taken", "looked at", "fetched"])
def test_a_lost_connection_hands_nothing_in_twice(moment: Any, model: Model, tmp_path: Path) -> None:
    with posing.server(jobs_take=1) as served:
        served.jobs.at[moment] = gone
        asked, store = posing.keys(200), posing.new_store(tmp_path)
        report = posing.pose_in_jobs(model(served), asked, store, wait=WAIT)
        assert (report.stopped, report.ok, len(served.jobs.all)) == (None, 200, 1)
        assert max(served.calls[key.shown] for key in asked) == 1


@pytest.mark.parametrize("usd", [0.004, 0.02, 0.05])
def test_the_cap_is_never_passed_by_jobs(usd: float, tmp_path: Path) -> None:
    with posing.server(jobs_take=None) as served:
        asked, store, model = posing.keys(5_000), posing.new_store(tmp_path), posing.gemini(served)
        how = posing.terms(budget=Budget(usd=usd))
        report = posing.pose_in_jobs(model, asked, store, how)
        assert report.stopped is not None and report.stopped.exit_code == 4
        assert report.usd + sum(job.usd for job in store.jobs()) <= usd
        served.jobs.finish()
        assert served.billed_usd <= usd
        before = served.billed_usd
        report = posing.pose_in_jobs(model, asked, store, how)
        assert report.usd + sum(job.usd for job in store.jobs() if job.is_open) <= usd
        served.jobs.finish()
        assert served.billed_usd - before <= usd


def test_another_model_is_noticed_by_the_first_request_and_no_job_is_handed_in(tmp_path: Path) -> None:
    with posing.server(faults={"rerouted": 1.0}) as served:
        report = posing.pose_in_jobs(posing.gemini(served), posing.keys(500), posing.new_store(tmp_path), wait=WAIT)
        assert report.stopped is not None
        assert (report.stopped.reason, len(served.records), served.jobs.all) == ("another-model", 1, [])


def test_another_model_in_a_job_gives_no_label(tmp_path: Path) -> None:
    with posing.server(jobs_take=None) as served:
        asked, store, model = posing.keys(200), posing.new_store(tmp_path), posing.gemini(served)
        posing.pose_in_jobs(model, asked, store)
        served.version = "gemini-9-flash"
        served.jobs.finish()
        report = posing.pose_in_jobs(model, asked, store)
        assert report.stopped is not None
        assert (report.stopped.reason, report.ok, report.pending) == ("another-model", 0, 150)


def test_few_keys_are_asked_directly_and_so_are_all_once_the_mode_is_direct(tmp_path: Path) -> None:
    with posing.server(jobs_take=None) as served:
        store, model = posing.new_store(tmp_path), posing.gemini(served)
        assert posing.pose_in_jobs(model, posing.keys(50), store).ok == 50
        assert served.jobs.all == []
        posing.pose_in_jobs(model, posing.keys(200), store)
        report = posing.pose_in_jobs(model, posing.keys(600), store, hands_in=False)
        assert report.stopped is not None
        assert (report.stopped.reason, report.ok, len(served.jobs.all)) == ("job-at-work", 400, 1)
        assert posing.pose(model, posing.keys(600), store).stopped.reason == "job-at-work"  # type: ignore[union-attr]
        served.jobs.finish()
        assert posing.pose_in_jobs(model, posing.keys(600), store, hands_in=False).pending == 0


def test_keys_of_an_open_job_are_forgotten_with_what_it_says_of_them(tmp_path: Path) -> None:
    with posing.server(jobs_take=None) as served:
        asked, store, model = posing.keys(200), posing.new_store(tmp_path), posing.gemini(served)
        posing.pose_in_jobs(model, asked, store)
        assert store.holding("khoá 77") == ["từ khoá 77"]
        store.forget(posing.question(model).id, ["từ khoá 77"])
        store.compact()
        assert "khoá 77".encode() not in (tmp_path / "labels.sqlite").read_bytes()
        served.jobs.finish()
        posing.pose_in_jobs(model, [key for key in asked if key.normal != "từ khoá 77"], store)
        assert "từ khoá 77" not in posing.stored(store, model, asked)
        assert answered(served, store, model, asked) == {"ok": 199}


def start(model: LanguageModel, asked: list[Key], store: Path) -> int:
    """Ask in a copy of this process; gives its number."""
    number = os.fork()
    if number == 0:
        try:
            posing.pose_in_jobs(model, asked, posing.new_store(store), wait=WAIT)
        finally:
            os._exit(0)
    return number


def keys_in_jobs(served: FakeServer) -> Counter[str]:
    """How often each key was handed in."""
    asked = (job.dialect.asked(call) for job in served.jobs.all for _, call in job.requests)
    items = (item for request in asked if request for item in json.loads(request.user)["items"])
    return Counter(item["q"] for item in items if item["q"] not in posing.CANARIES)


@EACH
@pytest.mark.parametrize("moment", ["taking", "taken", "looked at", "fetched"])
def test_after_a_kill_at_each_moment_of_a_job_nothing_is_handed_in_twice(
    moment: Any, model: Model, tmp_path: Path
) -> None:
    asked = posing.keys(300)
    with posing.server(jobs_take=1) as served:
        known = threading.Event()

        def kill() -> Response:
            known.wait()
            os.kill(number, signal.SIGKILL)
            return gone()

        served.jobs.at[moment] = kill
        number = start(model(served), asked, tmp_path)
        known.set()
        assert os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) == -signal.SIGKILL
        store = posing.new_store(tmp_path)
        report = posing.pose_in_jobs(model(served), asked, store, wait=WAIT)
        assert (report.stopped, report.pending) == (None, 0)
        assert answered(served, store, model(served), asked) == {"ok": 300}
        assert len(served.jobs.all) == 1
        assert max(keys_in_jobs(served).values()) == 1


def killed_while_handing_in(served: FakeServer, asked: list[Key], folder: Path) -> None:
    """Kill a process when the service has taken its job, and has not told it so."""
    known = threading.Event()

    def kill() -> Response:
        known.wait()
        os.kill(number, signal.SIGKILL)
        return gone()

    served.jobs.at["taken"] = kill
    number = start(posing.anthropic(served), asked, folder)
    known.set()
    assert os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) == -signal.SIGKILL


def test_a_job_without_a_label_is_waited_for_until_its_results_name_it(tmp_path: Path) -> None:
    asked = posing.keys(300)
    with posing.server(jobs_take=None) as served:
        killed_while_handing_in(served, asked, tmp_path)
        store, model = posing.new_store(tmp_path), posing.anthropic(served)
        for _ in range(2):
            report = posing.pose_in_jobs(model, asked, store)
            assert report.stopped is not None
            assert (report.stopped.reason, report.pending, len(served.jobs.all)) == ("job-at-work", 250, 1)
            assert [job.state for job in store.jobs()] == ["intended"]
        served.jobs.finish()
        assert posing.pose_in_jobs(model, asked, store, wait=WAIT).pending == 0
        assert answered(served, store, model, asked) == {"ok": 300}
        assert (len(served.jobs.all), max(keys_in_jobs(served).values())) == (1, 1)


def test_a_job_of_somebody_else_is_not_taken_for_one_without_a_label(tmp_path: Path) -> None:
    asked = posing.keys(300)
    with posing.server(jobs_take=None) as served:
        model, other = posing.anthropic(served), posing.new_store(tmp_path / "other")
        posing.pose_in_jobs(model, asked, other)  # as many requests as the job that never arrives
        served.jobs.at["taking"] = gone
        store = posing.new_store(tmp_path)
        report = posing.pose_in_jobs(model, asked, store)
        assert report.stopped is not None and report.stopped.reason == "job-at-work"
        assert ([job.state for job in store.jobs()], len(served.jobs.all)) == (["intended"], 1)
        served.jobs.finish()
        assert (
            posing.pose_in_jobs(model, asked, store).pending == 200
        )  # the first request of a run that hands in goes directly
        assert ([job.name for job in store.jobs()], len(served.jobs.all)) == (["msgbatch_2"], 2)
        served.jobs.finish()
        assert posing.pose_in_jobs(model, asked, store).pending == 0
        assert answered(served, store, model, asked) == {"ok": 300}


@pytest.mark.parametrize("open_model", [posing.gemini, posing.anthropic])
def test_after_twenty_kills_at_any_moment_nothing_is_handed_in_twice(open_model: Model, tmp_path: Path) -> None:
    asked, chance = posing.keys(300), random.Random(3)
    with posing.server(jobs_take=40) as served:
        model = open_model(served)
        for _ in range(20):
            number = start(model, asked, tmp_path)
            threading.Event().wait(chance.uniform(0.02, 0.3))
            os.kill(number, signal.SIGKILL)
            os.waitpid(number, 0)
        store = posing.new_store(tmp_path)
        assert posing.pose_in_jobs(model, asked, store, wait=WAIT).pending == 0
        assert answered(served, store, model, asked) == {"ok": 300}
        assert max(keys_in_jobs(served).values()) == 1


def test_a_store_without_jobs_gets_their_table(tmp_path: Path) -> None:
    posing.new_store(tmp_path).close()
    with sqlite3.connect(tmp_path / "labels.sqlite") as connection:
        connection.execute("drop table etlrun_jobs")
        connection.execute("update etlrun_label_store set form = 1")
    connection.close()
    assert posing.new_store(tmp_path).jobs() == []
    with sqlite3.connect(tmp_path / "labels.sqlite") as connection:
        assert connection.execute("select form from etlrun_label_store").fetchall() == [(2,)]
    connection.close()
