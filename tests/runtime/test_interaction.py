"""The interaction pipeline on logs written by hand: what one row per contract must say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from projects import Project

HERE = Path(__file__).parent.parent.parent
DAYS = [f"202204{day:02d}" for day in range(1, 31)]


def view(contract: object, app: str, seconds: object) -> str:
    return json.dumps(
        {
            "_index": "history",
            "_score": 0,
            "_source": {"Contract": contract, "Mac": "x", "TotalDuration": seconds, "AppName": app},
        }
    )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The project itself, with thirty days in which nobody but contract `Z` watched."""
    project = Project(tmp_path)
    for name in ("pipelines/interaction.yaml", "mappings/app_content.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(HERE / name, tmp_path / name)
    for day in DAYS:
        project.write(f"data/log_content/{day}.json", view("Z", "CHILD", 1) + "\n")
    return project


def add(project: Project, day: int, *lines: str) -> None:
    path = project.folder / f"data/log_content/{DAYS[day - 1]}.json"
    path.write_text(path.read_text() + "\n".join(lines) + "\n")


def rows(project: Project, profile: str = "fast") -> dict[str, tuple[object, ...]]:
    result = project.run("pipelines/interaction.yaml", "--profile", profile, "--json")
    assert result.code == 0, result.err
    return {str(row[0]): row[1:] for row in project.table("interaction_data")}


def test_watch_time_is_added_up_by_type_and_the_columns_are_all_there(project: Project) -> None:
    add(project, 1, view("A", "KPLUS", 10), view("A", "VOD", 5))
    add(project, 2, view("A", "CHANNEL", 1))
    assert rows(project)["A"] == (0, 5, 0, 0, 11, 2, "Truyen Hinh", "Phim Truyen-Truyen Hinh", "Low", 30)


def test_a_tie_goes_to_the_type_that_the_mapping_names_first(project: Project) -> None:
    add(project, 1, view("A", "RELAX", 7), view("A", "VOD", 7), view("B", "SPORT", 3), view("B", "CHILD", 3))
    found = rows(project)
    assert found["A"][6] == "Phim Truyen"
    assert found["B"][6] == "Thieu Nhi"


def test_contract_zero_and_unknown_apps_are_left_out(project: Project) -> None:
    add(project, 1, view("0", "VOD", 7), view("A", "UNKNOWN", 7), view("B", "VOD", 1))
    assert set(rows(project)) == {"Z", "B"}


@pytest.mark.parametrize(("days", "level"), [(21, "High"), (20, "Medium"), (10, "Medium"), (9, "Low")])
def test_activity_levels(project: Project, days: int, level: str) -> None:
    for day in range(1, days + 1):
        add(project, day, view("A", "VOD", 1), view("A", "VOD", 1))
    found = rows(project)["A"]
    assert (found[5], found[8]) == (days, level)


def test_both_engines_publish_the_same_bytes_and_a_second_run_changes_nothing(project: Project) -> None:
    for day in range(1, 31):
        add(
            project,
            day,
            *(view(f"C{number}", ("VOD", "KPLUS", "RELAX", "X")[number % 4], number * day) for number in range(day)),
        )
        add(
            project,
            day,
            "",
            "not json",
            view("C1", "VOD", "12"),
            view(579912, "VOD", 3),
            view("3.5", "VOD", 2),
            view(None, "VOD", 2),
        )
    settings = project.folder / "etlrun.yaml"
    settings.write_text(settings.read_text().replace("memory: 1g", "memory: 1g, read: tasks"))
    spec = project.folder / "pipelines/interaction.yaml"
    spec.write_text(spec.read_text().replace("bad_rows: quarantine", "max_bad_rows: 20%\n      bad_rows: quarantine"))
    first = project.run("pipelines/interaction.yaml", "--json", "--set", "data=data")
    again = project.run("pipelines/interaction.yaml", "--json")
    table = project.table("interaction_data")
    spark = project.run("pipelines/interaction.yaml", "--json", "--profile", "local")
    assert (first.code, again.code, spark.code) == (0, 0, 0), spark.err
    assert project.table("interaction_data") == table
    assert first.json["sinks"] == again.json["sinks"] == spark.json["sinks"]
    assert first.json["sources"] == spark.json["sources"]
    assert first.json["sources"]["views"]["bad_rows"] == 60
    assert [check["detail"] for check in first.json["checks"]] == [check["detail"] for check in spark.json["checks"]]
    quarantines = [
        sorted(path.read_text().splitlines())
        for path in sorted(project.folder.glob(".etlrun/runs/*/quarantine/views.jsonl"))
    ]
    assert len(quarantines) == 3
    assert quarantines[0] == quarantines[1] == quarantines[2]
