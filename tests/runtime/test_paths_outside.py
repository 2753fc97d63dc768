"""What stands outside a project is neither shown nor written, however its files lead there."""

from __future__ import annotations

from pathlib import Path

import pytest

from asked import FILE, PROJECT, asking_project, enrich
from projects import PROJECT as SIMPLE
from projects import Project

PLANTED = "root:planted-line\nbin: planted-line\n"


@pytest.fixture
def reading(tmp_path: Path) -> Project:
    """A project in `inside`, and data beside it in `logs`."""
    for folder in ("inside", "logs/day"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("logs/a.csv", "logs/day/b.csv"):
        (tmp_path / file).write_text("k\n1\n")
    return Project(tmp_path / "inside")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside.txt"
    path.write_text(PLANTED)
    return path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "inside").mkdir()
    return asking_project(tmp_path / "inside")


def summary(project: Project, *arguments: str) -> str:
    done = project.run(*arguments)
    assert done.code == 2, done.err
    return done.out + done.err


@pytest.mark.parametrize("golden", ["OUTSIDE", "../outside.txt", "linked.csv"])
def test_a_golden_file_outside_is_refused(golden: str, project: Project, outside: Path) -> None:
    (project.folder / "linked.csv").symlink_to(outside)
    enrich(project, "titles", f"eval: {{golden: {golden.replace('OUTSIDE', str(outside))}, min_accuracy: 1%}}")
    detail = summary(project, "check", FILE)
    assert "file-unreadable: the path leads out of the project's folder" in detail and "planted" not in detail


@pytest.mark.parametrize("titles", ["../outside.txt", "linked.csv"])
def test_titles_outside_are_refused(titles: str, project: Project, outside: Path) -> None:
    (project.folder / "linked.csv").symlink_to(outside)
    project.write("etlrun.yaml", PROJECT.replace("titles.csv", titles))
    enrich(project, "titles")
    detail = summary(project, "check", FILE)
    assert "path-outside: the path leads out of the project's folder" in detail and "planted" not in detail
    assert detail.startswith("etlrun.yaml:")


@pytest.mark.parametrize("link", ["prompts/kind.md", "overrides/kind.csv", "mappings/bands.yaml"])
def test_a_link_that_leads_out_is_not_read(link: str, project: Project, outside: Path) -> None:
    enrich(project, "titles")
    if link.startswith("mappings"):
        text = (project.folder / FILE).read_text()
        project.write(
            FILE,
            text.replace(
                "    - enrich", "    - lookup: {column: keyword, map: bands, as: band, unmatched: drop}\n    - enrich"
            ),
        )
    path = project.folder / link
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(outside)
    detail = summary(project, FILE)
    assert f"{link}:1:1: file-unreadable: the path leads out" in detail and "planted" not in detail


def test_the_label_store_is_not_made_through_a_link(project: Project, tmp_path: Path) -> None:
    enrich(project, "titles")
    (project.folder / ".etlrun").mkdir()
    (project.folder / ".etlrun/labels.sqlite").symlink_to(tmp_path / "elsewhere.sqlite")
    assert "path-outside: the label store .etlrun/labels.sqlite is a link" in summary(project, FILE)
    assert not (tmp_path / "elsewhere.sqlite").exists()


@pytest.mark.parametrize("labels", ["../shared/labels.sqlite", "SHARED/labels.sqlite"])
def test_a_label_store_that_the_profile_puts_outside_is_made_there(
    labels: str, project: Project, tmp_path: Path
) -> None:
    named = labels.replace("SHARED", str(tmp_path / "shared"))
    project.write("etlrun.yaml", PROJECT.replace("    models:\n", f"    labels: {named}\n    models:\n", 1))
    enrich(project, "titles")
    assert project.run(FILE).code == 0
    assert (tmp_path / "shared/labels.sqlite").is_file()


def sources(*paths: str) -> str:
    """A pipeline with one source for each path, whose rows are published together."""
    many = "".join(
        f"  r{index}:\n    csv: {{path: {path}, columns: {{k: int}}{', dates: 2022-04' if 'date:' in path else ''}}}\n"
        for index, path in enumerate(paths)
    )
    names = ", ".join(f"r{index}" for index in range(len(paths)))
    chain = f"steps:\n  all:\n    - from: [{names}]\n    - select: [k]\n"
    return f"sources:\n{many}{chain}sinks:\n  t:\n    table: {{from: all, connection: warehouse, write: replace}}\n"


def test_sources_outside_are_refused_before_anything_is_looked_at(reading: Project, tmp_path: Path) -> None:
    day = f'"{tmp_path}/logs/{{date:yyyyMMdd}}"'
    outside = ["../logs/a.csv", f"{tmp_path}/logs", "../logs/*.csv", "data/../../logs", "/etc/passwd", day]
    upwards = ['"data/*/../../../logs"', '"data/{date:yyyyMMdd}/../../logs"']
    detail = summary(reading, "check", reading.pipeline(sources(*outside, *upwards)))
    assert detail.count("path-outside: the path leads out of the project's folder and its `roots`") == len(outside)
    assert detail.count("allow their folder in etlrun.yaml: `roots: [") == len(outside)
    assert detail.count("path-outside: `..` is not allowed after a `*` or a day") == len(upwards)


def test_the_fix_of_a_source_outside_works(reading: Project) -> None:
    file = reading.pipeline(sources("../logs"))
    fix = summary(reading, "check", file).split("allow their folder in etlrun.yaml: `")[1].split("`")[0]
    reading.write("etlrun.yaml", f"{fix}\n{SIMPLE}")
    assert reading.run(file).code == 0
    assert reading.table("t") == [(1,), (1,)]


def test_files_below_a_root_are_read_and_data_is_one(reading: Project, tmp_path: Path) -> None:
    reading.write("etlrun.yaml", f"roots: [../logs, {tmp_path}/other/, /nowhere]\n{SIMPLE}")
    for folder in ("other", "third"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "c.csv").write_text("k\n2\n")
    paths = ['"../logs/*.csv"', f"{tmp_path}/logs/day", "../other", '"$data/*.csv"']
    done = reading.run(reading.pipeline(sources(*paths)), "--set", f"data={tmp_path}/third")
    assert done.code == 0, done.err
    assert sorted(reading.table("t")) == [(1,), (1,), (2,), (2,)]


def test_links_out_of_the_project_are_not_followed(reading: Project, tmp_path: Path) -> None:
    (reading.folder / "data").mkdir()
    (reading.folder / "data/a.csv").symlink_to(tmp_path / "logs/a.csv")
    (reading.folder / "data/day").symlink_to(tmp_path / "logs/day")
    at_once = ["data/a.csv", "data/day", "data/day/b.csv", '"data/day/*"']
    detail = summary(reading, "check", reading.pipeline(sources(*at_once)))
    assert detail.count("path-outside") == len(at_once)
    at_the_read = ["data", '"data/*"', '"data/*.csv"', '"data/*/b.csv"']
    done = reading.run(reading.pipeline(sources(*at_the_read)))
    assert done.code == 2
    for index in range(len(at_the_read)):
        assert f"`r{index}`: the path leads out of the project's folder and its `roots`" in done.err


def test_links_within_the_project_are_read_and_those_in_a_circle_are_not(reading: Project) -> None:
    reading.write("elsewhere/a.csv", "k\n1\n")
    (reading.folder / "data").symlink_to(reading.folder / "elsewhere")
    for name, target in (("again", "."), ("self.csv", "self.csv"), ("gone.csv", "nowhere.csv")):
        (reading.folder / "elsewhere" / name).symlink_to(target)
    done = reading.run(reading.pipeline(sources("data")))
    assert done.code == 1 and "unreadable-file: `r0`: " in done.err
    assert "the link leads back to a folder above it" in done.err and "the link leads nowhere" in done.err
    assert "Too many levels of symbolic links" in done.err
