"""Both pages of the project in a real browser: what axe-core finds, what the keyboard reaches, and what the console says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from browser import Browser, Page

from projects import Project

ROOT = Path(__file__).parents[2]
FOCUS = "document.activeElement.dataset.mark"
CHIPS = "document.querySelectorAll('.chip').length"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the pages of the project's own dashboards, over small sample logs."""
    project = Project(tmp_path_factory.mktemp("pages"))
    for folder in ("pipelines", "mappings", "prompts", "dashboards"):
        shutil.copytree(ROOT / folder, project.folder / folder)
    shutil.copy(ROOT / "etlrun.yaml", project.folder)
    assert project.run("sample-data", "data", "--contracts", "300", "--users", "200").code == 0
    for name in ("interaction", "behavior"):
        result = project.run(f"pipelines/{name}.yaml", "--profile", "fast")
        assert result.code == 0, result.err
    result = project.run("dashboard", "build", "--profile", "fast")
    assert result.code == 0, result.err
    return project.folder / "build" / "dashboards"


@pytest.mark.parametrize("name", ["interaction", "behavior"])
def test_everybody_can_use_the_page(pages: Path, browser: Browser, name: str) -> None:
    page = browser.page()
    page("setViewport", {"width": 1280, "height": 900})
    page.open(pages / f"{name}.html")
    marks = page.ask("[...document.querySelectorAll('button[data-mark]')].map(mark => mark.dataset.mark)")
    assert reached(page) - {""} == set(marks) and len(marks) > 20

    page("focus", ".bars button[data-mark]")
    before = page.ask(FOCUS)
    page("keyboard.press", "Enter")
    assert (page.ask(FOCUS), page.ask(CHIPS)) == (before, 1)
    page("keyboard.press", "Escape")
    assert page.ask(CHIPS) == 0
    page("hover", ".bars button")

    page.ask("D.cubes.forEach(cube => cube.parts.n = cube.parts.n.map(n => 1234 * n)); redraw()")  # shown shortened
    page.ask(
        "[...document.querySelectorAll('.rows tbody tr')].slice(20).forEach(row => row.remove())"
    )  # alike, and slow
    for scheme in ("light", "dark"):
        page("emulateMediaFeatures", [{"name": "prefers-color-scheme", "value": scheme}])
        assert page("axe") == []
    assert page("messages") == []


def reached(page: Page) -> set[str]:
    """The marks that Tab reaches from the top of the page to its end."""
    found = set()
    for _ in range(1000):
        page("keyboard.press", "Tab")
        mark = page.ask(f"document.activeElement === document.body ? null : {FOCUS} || ''")
        if mark is None:
            return found
        found.add(mark)
    raise AssertionError("Tab never leaves the page")
