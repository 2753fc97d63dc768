"""Write the specification of a git revision into a folder, to run it with today's data and connections."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

from etlrun.compiler.check import Checked
from etlrun.compiler.producers import ProjectPipelines
from etlrun.diagnostics import SpecError
from etlrun.failures import RunFailure
from etlrun.spec.project import Project
from etlrun.spec.project_file import find_project

SHOWN = 10  # characters of a commit's id
_FILTERS = {"GIT_LFS_SKIP_SMUDGE": "1"}  # large files are data, and those are read from the project as it is now


def pipeline_at(revision: str, path: Path, now: Checked, settings: dict[str, str], folder: Path) -> Checked:
    """The pipeline at `path` as `revision` has it, with the data and the connections of `now`; the files are written into `folder`.

    Raises RunFailure for a revision or a file that git does not have, and SpecError for its mistakes.
    """
    root = now.project.root.resolve()
    commit = _commit(root, revision)
    _write(root, commit, folder)
    file = folder / path.resolve().relative_to(root)
    if not file.is_file():
        message = f"{now.project.shown(path)} is not in the revision `{revision}`"
        raise RunFailure("usage", "missing-file", message, "name a revision that has the file")
    project = replace(_project(file, revision, folder), data_root=root)
    try:
        then = ProjectPipelines(project, now.profile.name, settings).check(file)
    except SpecError as error:
        raise _named(error, revision, folder) from None
    connections = {**then.profile.connections, **now.profile.connections}
    return replace(then, profile=replace(now.profile, connections=connections, models=then.profile.models))


def _project(file: Path, revision: str, folder: Path) -> Project:
    try:
        return find_project(file)
    except SpecError as error:
        raise _named(error, revision, folder) from None


def _named(error: SpecError, revision: str, folder: Path) -> SpecError:
    """The mistakes, each at `REVISION:FILE`, as git names a file of a revision."""
    start = os.path.relpath(folder) + os.sep
    found = (replace(one, file=f"{revision}:{one.file.removeprefix(start)}") for one in error.diagnostics)
    return SpecError(replace(one, message=one.message.replace(start, f"{revision}:")) for one in found)


def _commit(root: Path, revision: str) -> str:
    """The id of the commit that `revision` names. Raises RunFailure."""
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode == 0:
        return found.stdout.strip()
    if _git(root, "rev-parse", "--git-dir").returncode:
        message = f"the project's folder is not in a git repository ({root.name})"
        raise RunFailure(
            "usage", "unknown-revision", message, "compare with a run or a Parquet file instead of --against"
        )
    message = f"git knows no revision `{revision}`"
    fix = "name a commit, a branch or a tag, such as HEAD~1 or origin/main; `git fetch` brings those that are elsewhere"
    raise RunFailure("usage", "unknown-revision", message, fix)


def _write(root: Path, commit: str, folder: Path) -> None:
    """Write the files of the project's folder as in the commit, using a separate git index."""
    prefix = _git(root, "rev-parse", "--show-prefix").stdout.strip().rstrip("/")
    index = {"GIT_INDEX_FILE": str(folder.with_suffix(".index")), **_FILTERS}
    tree = f"{commit}:{prefix}" if prefix else commit
    steps = (("read-tree", tree), ("checkout-index", "--all", "--quiet", f"--prefix={folder}/"))
    folder.mkdir()
    for step in steps:
        done = _git(root, *step, **index)
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:]
            message = f"git could not read the files of {commit[:SHOWN]}: {''.join(last)}"
            raise RunFailure("usage", "unknown-revision", message, f"run `git ls-tree {tree[:SHOWN]}` to see the cause")


def _git(root: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", "-C", str(root), *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        message = "--against reads the specification of a revision from git, but the program `git` was not found"
        raise RunFailure("usage", "unknown-revision", message, "install git, or put it on the PATH") from None
