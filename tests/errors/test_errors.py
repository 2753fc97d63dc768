"""Every mistake we explain, as a broken spec (NAME.yaml) and the exact text that a user sees (NAME.txt)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from commanding import etlrun
from golden import compare_with_file

HERE = Path(__file__).parent
SPECS = sorted(HERE.glob("*.yaml"))


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_a_broken_spec_gives_this_text(spec: Path, tmp_path: Path) -> None:
    compare_with_file(HERE / f"{spec.stem}.txt", told_about(spec, tmp_path))


def told_about(spec: Path, folder: Path) -> str:
    """What the command line says about a spec, in a project of its own.

    A first line `# in: FILE` says which file of the project the spec is, and `# $ etlrun ...` which command is run.
    """
    shutil.copytree(HERE / "project", folder, dirs_exist_ok=True)
    first = spec.read_text(encoding="utf-8").split("\n", 1)[0]
    target = first.removeprefix("# in: ") if first.startswith("# in: ") else f"pipelines/{spec.name}"
    shutil.copyfile(spec, folder / target)
    checked = target if target.startswith("pipelines/") else "pipelines/sound.yaml"
    command = first.removeprefix("# $ etlrun ") if first.startswith("# $ etlrun ") else f"check {checked}"
    outcome = etlrun(folder, *command.split())
    return f"$ etlrun {command}\n{outcome.out}{outcome.err}[exit code {outcome.code}]\n"
