"""Batch mode in a project: a run hands a job in and ends with exit code 4, and another one, a day later, goes on."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from asked import FILE, PROJECT, asking_project, many, run, searches, service
from etlrun.enrich._sql_store import SqlStore
from etlrun.enrich.dollars import dollars
from etlrun.enrich.jobs import keys_at_work
from projects import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = asking_project(tmp_path)
    found.write("etlrun.yaml", PROJECT.replace("batch: 10, timeout: 5", "batch: 10, mode: batch"))
    searches(found, *many(40))
    return found


def test_a_run_ends_with_4_while_a_job_is_at_work_and_the_next_one_goes_on(project: Project) -> None:
    assert project.run("llm", "jobs").out == "there are no jobs yet\n"
    with service(jobs_take=None) as served:
        first = run(project, served)
        (job,) = project.run("llm", "jobs", "--json").json
        assert (first.code, first.json["error"]["code"]) == (4, "job-at-work")
        assert f"job {job['job']} is still running at the service with 30 keys" in first.json["error"]["message"]
        assert "nothing was published, and the next run continues" in first.json["error"]["fix"]
        assert (job["state"], job["keys"], job["requests"], job["spent"]) == ("at work", 30, 3, 0.0)
        assert job["reserved"] > 0
        assert first.json["sinks"] == {}
        plan = run(project, served, "plan", FILE)
        assert "40 keys, 10 known, 30 in running jobs, 0 to ask" in plan.out
        assert run(project, served).code == 4
        served.jobs.finish()
        last = run(project, served)
        assert (last.code, len(served.jobs.all)) == (0, 1), last.err
        assert {served.calls[key] for key in many(40)} == {1}
        (summary,) = last.json["models"].values()
        assert (summary["statuses"]["ok"], summary["requests"]) == (40, 3)
    assert len(project.table("labelled")) == 40
    listed = project.run("llm", "jobs").out
    assert all(part in listed for part in (job["job"], "done", "batches/1", "kind"))


def test_prune_names_the_job_that_goes_on_at_the_service(project: Project) -> None:
    with service(jobs_take=None) as served:
        assert run(project, served).code == 4
        (job,) = project.run("llm", "jobs", "--json").json
        prompt = (project.folder / "prompts/kind.md").read_text()
        project.write("prompts/kind.md", prompt.replace("Keywords are", "A team is Sport. Keywords are"))
        listed = run(project, served, "llm", "prune").out
        assert f"still works on job {job['job']} ({job['name']}): removing it here does not stop it" in listed
        assert (
            f"it may cost up to {dollars(job['reserved'])}; to stop it, first run `etlrun llm jobs --cancel {job['job']}`"
            in listed
        )
        with closing(SqlStore(project.folder / ".etlrun/labels.sqlite")) as store:
            in_job = sorted(keys_at_work(store.jobs()))[0]
        forgotten = project.run("llm", "forget", in_job).out
        assert forgotten.startswith(
            "removed from open batch jobs: 1 key; the replies about it are not stored\nnot searched"
        )
        assert "removed: 1 question" in run(project, served, "llm", "prune", "--yes").out


@pytest.mark.parametrize("kind", ["gemini", "openai", "anthropic"])
def test_a_job_is_cancelled_and_what_it_answered_is_kept(kind: str, project: Project) -> None:
    settings = (project.folder / "etlrun.yaml").read_text()
    url = "${SERVICE}/v1" if kind == "openai" else "${SERVICE}"
    settings = settings.replace("kinds: {gemini:", f"kinds: {{{kind}:", 1).replace(
        'url: "${SERVICE}"', f'url: "{url}"', 1
    )
    project.write("etlrun.yaml", settings)
    with service(jobs_take=None) as served:
        assert run(project, served, FILE, "--json", "--yes").code == 4
        (job,) = project.run("llm", "jobs", "--json").json
        refused = run(project, served, "llm", "jobs", "--cancel", "another")
        assert (refused.code, "the job `another` was not cancelled: no such job is running" in refused.err) == (2, True)
        cancelled = run(project, served, "llm", "jobs", "--cancel", job["job"])
        assert (cancelled.code, "was asked to cancel the job" in cancelled.out) == (0, True), cancelled.err
        assert run(project, served, FILE, "--json", "--yes").code == 1
        (ended,) = project.run("llm", "jobs", "--json").json
        assert ended["state"] == "cancelled" and ended["spent"] > 0
        assert run(project, served, "llm", "jobs", "--cancel", job["job"]).code == 2


def test_a_run_waits_for_a_job(project: Project) -> None:
    with service() as served:
        result = run(project, served, FILE, "--json", "--wait", "1m")
        assert (result.code, len(served.jobs.all)) == (0, 1), result.err
    assert len(project.table("labelled")) == 40


def test_the_plan_tells_price_and_time_of_both_modes(project: Project) -> None:
    searches(project, *many(3_000))
    in_jobs = project.run("plan", FILE, SERVICE="http://127.0.0.1:9", SERVICE_KEY="a-key").out
    project.write("etlrun.yaml", PROJECT)
    direct = project.run("plan", FILE, SERVICE="http://127.0.0.1:9", SERVICE_KEY="a-key").out
    prices = [
        line.partition("about $")[2].partition(" ")[0].rstrip(",") for line in in_jobs.splitlines() if "about $" in line
    ]
    assert float(prices[0]) == pytest.approx(float(prices[1]) / 2, abs=0.01)
    assert ", up to a day" in in_jobs.split("`mode: direct`")[0]
    assert f"with `mode: direct`: about ${prices[1]}, " in in_jobs
    assert f"with `mode: batch`: about ${prices[0]}, up to a day" in direct
