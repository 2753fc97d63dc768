"""Both pages of the project in a real browser: what axe-core finds, what the keyboard reaches, and what the console says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from browser import find_browser

from projects import Project

ROOT = Path(__file__).parents[2]
NODE_MODULES = ROOT / ".venv" / "node" / "node_modules"
LOOK = Path(__file__).parent / "node" / "look.cjs"


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
def test_everybody_can_use_the_page(pages: Path, name: str) -> None:
    found = look(pages / f"{name}.html")
    assert found["faults"] == {"light": [], "dark": []}
    assert found["reached"] == found["marks"] > 20
    before, after = found["focus"]
    assert before == after
    assert (found["chips"], found["chipsAfterEscape"]) == (1, 0)
    assert found["said"] == []


def look(page: Path) -> Any:
    assert NODE_MODULES.is_dir(), "the tests need the npm packages of tests/dashboards/node: make .venv/node.stamp"
    done = subprocess.run(
        ["node", str(LOOK), find_browser(), str(page)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "NODE_MODULES": str(NODE_MODULES)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
