"""Every mistake we explain, as a broken spec (NAME.yaml) and the exact text that a user sees (NAME.txt)."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from commanding import etlrun
from etlrun.codes import SPEC_CODES
from golden import compare_with_file

HERE = Path(__file__).parent
ENGINE = HERE.parent.parent / "engine" / "etlrun"
# Which argument of a call is a code: what makes a diagnostic, and what hands one on.
CODE_ARGUMENT = {
    ".diagnose": 1,
    ".diagnose_key": 1,
    ".diagnose_inside": 3,
    ".at_span": 1,
    ".error": 1,
    ".error_at_key": 1,
    ".complain": 1,
    "Diagnostic": 4,
    "_about_file": 1,
    "Problem": 0,
    "Complaint": 3,
    "report": 1,
}
SPECS = sorted(HERE.glob("*.yaml"))


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_a_broken_spec_gives_this_text(spec: Path, tmp_path: Path) -> None:
    compare_with_file(HERE / f"{spec.stem}.txt", told_about(spec, tmp_path))


def test_every_code_has_a_text_and_every_text_a_code() -> None:
    summary = {
        code
        for spec in SPECS
        for code in re.findall(r"^\S+:\d+:\d+: (?:warning: )?([a-z-]+): ", _text_of(spec), re.MULTILINE)
    }
    in_rows = {"changed-key"}  # tests/runtime/test_llm_commands.py has its text
    assert summary | in_rows == set(SPEC_CODES)


def test_every_code_that_the_engine_speaks_is_listed_and_used() -> None:
    """A code is the text literal that stands where a diagnostic or a problem of an expression takes its code."""
    spoken = {code for file in ENGINE.rglob("*.py") for code in _codes_in(ast.parse(file.read_text(encoding="utf-8")))}
    assert spoken == set(SPEC_CODES)


def _codes_in(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            name = f".{node.func.attr}" if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            position = CODE_ARGUMENT.get(name)
            given = node.args[position] if position is not None and position < len(node.args) else None
            if (
                isinstance(given, ast.Constant)
                and isinstance(given.value, str)
                and re.fullmatch(r"[a-z]+(-[a-z]+)*", given.value)
            ):
                yield given.value


def _text_of(spec: Path) -> str:
    return spec.with_suffix(".txt").read_text(encoding="utf-8")


def told_about(spec: Path, folder: Path) -> str:
    """What the command line says about a spec, in a project of its own.

    A first line `# in: FILE` says which file of the project the spec is, and `# $ etlrun ...` which command is run.
    """
    shutil.copytree(HERE / "project", folder, dirs_exist_ok=True)
    first = spec.read_text(encoding="utf-8").split("\n", 1)[0]
    target = first.removeprefix("# in: ") if first.startswith("# in: ") else f"pipelines/{spec.name}"
    (folder / target).parent.mkdir(exist_ok=True)
    shutil.copyfile(spec, folder / target)
    checked = target if target.startswith(("pipelines/", "dashboards/")) else "pipelines/sound.yaml"
    command = first.removeprefix("# $ etlrun ") if first.startswith("# $ etlrun ") else f"check {checked}"
    outcome = etlrun(folder, *command.split())
    return f"$ etlrun {command}\n{outcome.out}{outcome.err}[exit code {outcome.code}]\n"
