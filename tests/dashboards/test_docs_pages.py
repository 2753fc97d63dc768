"""The documentation site in a real browser, from disk: the search, the keyboard, what axe-core finds and what the console says."""

from __future__ import annotations

from pathlib import Path

from browser import Browser

from commanding import etlrun

PROJECT = Path(__file__).parents[2]


def test_the_site_opens_from_disk_and_can_be_used_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    assert etlrun(PROJECT, "docs", "build", "--output", str(folder)).code == 0
    page = browser.page()
    page.open(folder / "index.html")
    page("keyboard.press", "/")
    for letter in "taste":
        page("keyboard.press", letter)
    assert page.ask("document.getElementById('count').textContent") == "1 column"
    assert page.ask("document.querySelector('#results a').textContent") == "interaction.interaction_data.Taste"
    page("keyboard.press", "Tab")
    assert page.ask("document.activeElement.textContent") == "interaction.interaction_data.Taste"
    assert page("axe") == []
    for scheme in ("light", "dark"):
        page("emulateMediaFeatures", [{"name": "prefers-color-scheme", "value": scheme}])
        for shown in (folder / "pipelines" / "interaction.html", *_one_of_each(folder)):
            page("goto", shown.as_uri())
            assert page("axe") == []
    page.open(folder / "index.html")
    for key in "/taste":
        page("keyboard.press", key)
    page("keyboard.press", "Enter")
    page("waitForSelector", "p.dim a[href$='interaction.html#interaction_data']")
    assert page.ask("document.querySelector('h1').textContent") == "interaction.interaction_data.Taste"
    assert page("messages") == []
    page.close()


def _one_of_each(folder: Path) -> tuple[Path, Path]:
    """A page of a column, and one of a test."""
    return next(iter(sorted((folder / "columns").rglob("*.html")))), next(
        iter(sorted((folder / "tests").rglob("*.html")))
    )
