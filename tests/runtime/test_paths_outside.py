"""What stands outside a project is neither shown nor written, however its files lead there."""

from __future__ import annotations

from pathlib import Path

import pytest

from asked import FILE, PROJECT, asking_project, enrich
from projects import Project

PLANTED = "root:planted-line\nbin: planted-line\n"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside.txt"
    path.write_text(PLANTED)
    return path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "inside").mkdir()
    return asking_project(tmp_path / "inside")


def told(project: Project, *arguments: str) -> str:
    done = project.run(*arguments)
    assert done.code == 2, done.err
    return done.out + done.err


@pytest.mark.parametrize("golden", ["OUTSIDE", "../outside.txt", "linked.csv"])
def test_a_golden_file_outside_is_refused(golden: str, project: Project, outside: Path) -> None:
    (project.folder / "linked.csv").symlink_to(outside)
    enrich(project, "titles", f"eval: {{golden: {golden.replace('OUTSIDE', str(outside))}, min_accuracy: 1%}}")
    said = told(project, "check", FILE)
    assert "file-unreadable: the path leads out of the project's folder" in said and "planted" not in said


def test_titles_outside_are_refused(project: Project) -> None:
    project.write("etlrun.yaml", PROJECT.replace("titles.csv", "../outside.txt"))
    enrich(project, "titles")
    said = told(project, FILE)
    assert "outside.txt:1:1: file-unreadable: the path leads out" in said and "planted" not in said


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
    said = told(project, FILE)
    assert f"{link}:1:1: file-unreadable: the path leads out" in said and "planted" not in said


def test_the_label_store_is_not_made_through_a_link(project: Project, tmp_path: Path) -> None:
    enrich(project, "titles")
    (project.folder / ".etlrun").mkdir()
    (project.folder / ".etlrun/labels.sqlite").symlink_to(tmp_path / "elsewhere.sqlite")
    assert "path-outside: the label store .etlrun/labels.sqlite is a link" in told(project, FILE)
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
