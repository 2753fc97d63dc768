"""`etlrun check` warns of a model whose name a service answers with another model, and says what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from asked import PROJECT, asking_project
from projects import Project

RETIRED = "gemini: {model: gemini-2.5-flash,"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return asking_project(tmp_path)


def name(project: Project, model: str) -> None:
    project.write("etlrun.yaml", PROJECT.replace('gemini: {model: "${MODEL:-gemini-2.5-flash}",', model, 1))


def test_a_rerouted_name_is_a_warning_at_its_place_with_the_name_to_write(project: Project) -> None:
    name(project, RETIRED)
    found = project.run("check")
    line = PROJECT[: PROJECT.index("kinds: {gemini")].count("\n") + 1
    assert found.code == 0
    assert f"etlrun.yaml:{line}:" in found.out
    assert (
        "warning: rerouted-model: from 2026-12-01 on, the service answers requests for `gemini-2.5-flash`" in found.out
    )
    assert "set `model: gemini-3.5-flash-lite`, or add `accept: [gemini-3.5-flash-lite]` to the model" in found.out


@pytest.mark.parametrize(
    "model",
    [
        RETIRED.replace("gemini-2.5-flash", "gemini-3.5-flash-lite"),
        f"{RETIRED} accept: [gemini-3.5-flash-lite],",
        'gemini: {model: "${NOT_SET_HERE}",',
    ],
    ids=["the new name", "accepted", "not known here"],
)
def test_what_the_fix_says_ends_the_warning(project: Project, model: str) -> None:
    name(project, model)
    found = project.run("check")
    assert (found.code, "rerouted-model" in found.out) == (0, False)


def test_a_model_that_no_step_asks_is_not_reported(project: Project) -> None:
    project.write("etlrun.yaml", PROJECT)
    project.pipeline((project.folder / "pipelines/p.yaml").read_text().replace("model: kinds", "model: titles"))
    assert "rerouted-model" not in project.run("check").out
