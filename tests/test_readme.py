"""README.md tells the truth: every command in it is run, in order, and says what the README says it does."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text(encoding="utf-8")
ETLRUN = Path(sys.executable).with_name("etlrun")


def commands(part: str) -> list[tuple[str, str]]:
    """The commands of the console blocks of a part of the README, each with what it says there."""
    blocks = re.findall(r"```console\n(.*?)```", part, re.DOTALL)
    found = [
        re.match(r"\$ etlrun ([^\n]*)\n(.*)", text, re.DOTALL)
        for block in blocks
        for text in re.split(r"(?m)^(?=\$ )", block)
        if text
    ]
    return [(match.group(1), match.group(2)) for match in found if match]


def block_of(form: str) -> str:
    return re.findall(rf"```{form}\n(.*?)```", README, re.DOTALL)[0]


def call(folder: Path, arguments: str, surroundings: Mapping[str, str]) -> str:
    """What a command says, with its time, engine and run taken out."""
    done = subprocess.run(
        [ETLRUN, *shlex.split(arguments)],
        cwd=folder,
        env={**os.environ, **surroundings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return without_chance(done.stdout)


def without_chance(text: str) -> str:
    """Without the time taken, and what a run says of its progress where it takes long."""
    return re.sub(r"done in .*", "done", re.sub(r"^\w+: .*: \d+%\n", "", text, flags=re.MULTILINE))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("pipelines", "mappings"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    shutil.copy(PROJECT / "etlrun.yaml", tmp_path)
    return tmp_path


def test_the_first_example_is_the_pipeline_that_ships() -> None:
    shown = block_of("yaml").removeprefix("# pipelines/interaction.yaml\n")
    shipped = (PROJECT / "pipelines" / "interaction.yaml").read_text(encoding="utf-8")
    assert shown in re.sub(r"  +# .*", "", shipped)


def test_a_run_and_its_rows_and_a_mistake_look_as_shown(project: Path) -> None:
    (run, ran), (show, showed), (check, mistake) = commands(README.split("## Set up")[0])
    call(project, "sample-data data --contracts 20000 --users 0", {})
    assert call(project, run, {"ETLRUN_PROFILE": "fast"}) == without_chance(ran)
    assert call(project, show, {}) == showed
    pipeline = project / "pipelines" / "interaction.yaml"
    pipeline.write_text(
        pipeline.read_text(encoding="utf-8").replace("column: AppName,", "column: AppNam,"), encoding="utf-8"
    )
    assert call(project, check, {}) == mistake


def test_a_pipeline_of_your_own_works_as_told(project: Path) -> None:
    (new, wrote), *others = commands(README.split("## Your own pipeline")[1])
    (project / "data").mkdir()
    (project / "data" / "sales.csv").write_text(block_of("csv"), encoding="utf-8")
    assert call(project, new, {}) == wrote
    pipeline = project / "pipelines" / "sales.yaml"
    steps = re.findall(r"```yaml\n# pipelines/sales.yaml\n(.*?)```", README, re.DOTALL)[0]
    before, _, rest = pipeline.read_text(encoding="utf-8").partition("steps:\n")
    pipeline.write_text(f"{before}{steps}\nsinks:\n{rest.partition('sinks:')[2]}", encoding="utf-8")
    assert len(others) == 4
    for command, detail in others:
        assert call(project, command, {}) == without_chance(detail)


def test_the_two_commands_to_set_up_are_targets_of_the_makefile() -> None:
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    targets = re.findall(r"^make (\w+)", README, re.MULTILINE)
    assert targets == ["demo", "test"]
    assert all(re.search(rf"^make {target} ", listed, re.MULTILINE) for target in targets)
