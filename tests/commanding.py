"""The command line as a user meets it: arguments in, text and exit code out, in a folder of the test's own."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from etlrun.cli.command_line import run_command


@dataclass(frozen=True)
class Outcome:
    """What a command wrote, and the code it ended with."""

    out: str
    err: str
    code: int


def etlrun(folder: Path, *arguments: str) -> Outcome:
    """Run `etlrun ARGUMENTS` in `folder`, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with _standing_in(folder, ["etlrun", *arguments]), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = run_command()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    return Outcome(out.getvalue(), err.getvalue(), code)


@contextlib.contextmanager
def _standing_in(folder: Path, arguments: list[str]) -> Iterator[None]:
    before, spoken = Path.cwd(), sys.argv
    os.chdir(folder)
    sys.argv = arguments
    try:
        yield
    finally:
        os.chdir(before)
        sys.argv = spoken
