"""A publish that failed goes on later, from the rows that were staged and checked."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from asked import FEW, FILE, asking_project, many, run, searches, service
from fake_gemini.server import ANOTHER
from projects import Project

SPEC = """
sources:
  sales: {csv: {path: sales.csv, columns: {shop: string not null, units: int}}}
steps:
  totals:
    - from: sales
    - aggregate: {by: [shop], columns: {units: sum(units)}}
sinks:
  first:
    files: {from: totals, path: out/totals.csv}
  totals:
    table: {from: totals, connection: warehouse, key: [shop], write: append}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A run whose table could not be published, since its key was there already."""
    project = Project(tmp_path)
    project.write("sales.csv", "shop,units\nA,1\nB,2\n")
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("CREATE TABLE totals (shop VARCHAR, units BIGINT)")
        connection.execute("INSERT INTO totals VALUES ('A', 100)")
    assert project.run(project.pipeline(SPEC)).code == 1
    return project


def run_id(project: Project) -> str:
    return str(project.run("runs", "--json").json["runs"][0]["run_id"])


def mend(project: Project) -> None:
    with duckdb.connect(str(project.folder / "warehouse.duckdb")) as connection:
        connection.execute("DELETE FROM totals")


def test_a_publish_that_is_refused_says_what_was_published_before(project: Project) -> None:
    with duckdb.connect(str(project.folder / "warehouse.duckdb")) as connection:
        connection.execute("DROP TABLE totals")
        connection.execute("CREATE TABLE totals (shop VARCHAR, units BIGINT, CHECK (units < 2))")
    result = project.run(project.pipeline(SPEC))
    assert result.code == 1
    assert "rows-refused" in result.err and "; published before: first" in result.err
    assert "= leave such rows out or change them in the pipeline, or change the type or constraint" in result.err


def test_resume_publishes_the_staged_rows_without_reading_again(project: Project) -> None:
    mend(project)
    (project.folder / "sales.csv").unlink()
    written = (project.folder / "out/totals.csv").stat().st_mtime_ns
    result = project.run("resume", run_id(project), "--json")
    assert result.code == 0, result.err
    assert project.table("totals") == [("A", 1), ("B", 2)]
    assert (project.folder / "out/totals.csv").stat().st_mtime_ns == written
    assert result.json["status"] == "done"
    assert list(project.folder.glob(".etlrun/runs/*/stage")) == []


def test_resume_twice_publishes_once(project: Project) -> None:
    mend(project)
    assert project.run("resume", run_id(project)).code == 0
    again = project.run("resume", run_id(project))
    assert again.code == 2
    assert "nothing-staged" in again.err and "is done\n    = nothing is left to publish" in again.err
    assert len(project.table("totals")) == 2


def test_resume_that_fails_again_can_be_resumed(project: Project) -> None:
    watched = {"ETLRUN_METRICS_DIR": str(project.folder)}
    assert project.run("resume", run_id(project), **watched).code == 1
    assert 'etlrun_run_done{pipeline="p"} 0' in (project.folder / "etlrun_p.prom").read_text()
    mend(project)
    assert project.run("resume", run_id(project)[:12], **watched).code == 0
    assert 'etlrun_run_done{pipeline="p"} 1' in (project.folder / "etlrun_p.prom").read_text()


def test_a_changed_pipeline_is_not_mixed_with_old_rows(project: Project) -> None:
    mend(project)
    project.pipeline(SPEC.replace("sum(units)", "max(units)"))
    result = project.run("resume", run_id(project))
    assert result.code == 2
    assert "spec-changed" in result.err


@pytest.mark.parametrize("spoil", ["remove", "flip"])
def test_a_damaged_stage_is_refused(project: Project, spoil: str) -> None:
    mend(project)
    (part, *_) = project.folder.glob(".etlrun/runs/*/stage/totals/*.parquet")
    if spoil == "remove":
        shutil.move(part, project.folder / "elsewhere")
    else:
        content = bytearray(part.read_bytes())
        content[20] ^= 1
        part.write_bytes(content)
    result = project.run("resume", run_id(project))
    assert result.code == 1
    assert "stage-damaged" in result.err
    assert project.table("totals") == []


def test_an_unknown_run_is_named(project: Project) -> None:
    result = project.run("resume", "2000")
    assert result.code == 2
    assert "there is no run `2000`" in result.err


def answered_by(project: Project) -> set[str]:
    """The models that the published rows name."""
    return {str(row[-1]) for row in project.table("labelled")}


def test_resume_asks_nothing_where_another_model_answers_by_now(tmp_path: Path) -> None:
    project = asking_project(tmp_path)
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE labelled (user VARCHAR CHECK (user = ''), keyword VARCHAR, kind VARCHAR, how VARCHAR, \"by\" VARCHAR)"
        )
    with service() as served:
        refused = run(project, served, FILE)
        assert refused.code == 1 and served.records, refused.err
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("DROP TABLE labelled")
    with service(version=ANOTHER) as rerouted:
        resumed = run(project, rerouted, "resume", run_id(project))
        assert resumed.code == 0, resumed.err
        assert not rerouted.records
    assert len(project.table("labelled")) == len(FEW) and answered_by(project) == {"gemini gemini-2.5-flash"}


def test_a_run_that_stopped_at_another_model_has_nothing_to_resume_and_stops_again(tmp_path: Path) -> None:
    project = asking_project(tmp_path)
    searches(project, *many(40))
    with service(script=[None, None], faults={"rerouted": 1.0}) as served:
        assert run(project, served, FILE).code == 4
    with service(version=ANOTHER) as rerouted:
        for arguments, code, requests in ((("resume", run_id(project)), 2, 0), ((FILE,), 4, 1)):
            assert run(project, rerouted, *arguments).code == code
            assert len(rerouted.records) == requests
    with service() as served:
        assert run(project, served, FILE).code == 0
        rest = len(served.records)
    assert 0 < rest <= 3 and len(project.table("labelled")) == 40
    assert answered_by(project) == {"gemini gemini-2.5-flash"}
