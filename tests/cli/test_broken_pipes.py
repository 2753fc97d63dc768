"""Whoever reads what a command says may stop: the work goes on, and the exit code tells of the work."""

from __future__ import annotations

from pathlib import Path

from projects import Project

SPEC = """
sources:
  sales: {csv: {path: sales.csv, columns: {shop: string}}}
sinks:
  sales: {files: {from: sales, path: out.csv}}
"""


def small(tmp_path: Path) -> tuple[Project, str]:
    project = Project(tmp_path)
    project.write("etlrun.yaml", "profile: dev\nprofiles:\n  dev: {engine: {duckdb: {}}}\n")
    project.write("sales.csv", "shop\nA\n")
    return project, project.pipeline(SPEC)


def test_a_run_publishes_though_nobody_reads_its_news_any_more(tmp_path: Path) -> None:
    project, pipeline = small(tmp_path)
    process = project.start(pipeline)
    assert process.stderr is not None and process.stdout is not None
    process.stderr.readline()
    process.stderr.close()
    process.stdout.close()
    assert process.wait(60) == 0
    assert (project.folder / "out.csv").read_text() == "shop\nA\n"
    (run,) = project.run("runs", "--json").json["runs"]
    assert run["status"] == "done"


def test_a_full_disk_behind_the_output_is_one_line(tmp_path: Path) -> None:
    project, pipeline = small(tmp_path)
    for words in (("runs",), ("show", pipeline, "sales")):
        with Path("/dev/full").open("w") as full:
            process = project.start(*words, output=full)
            _, detail = process.communicate(timeout=60)
        assert process.returncode == 1
        assert detail.splitlines()[-1] == "disk-full: there is not enough disk space for the output of this command"
        assert "Traceback" not in detail
