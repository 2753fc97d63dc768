"""Failures of a run: what happened, where in the spec, and what to do. A wrong spec is a SpecError instead."""

from __future__ import annotations

import re
from typing import Any, Literal

from etlrun.secrets import hide_secrets

Reason = Literal["source", "engine", "sink", "connection", "model", "check", "stopped", "interrupted", "usage"]

EXIT_CODES: dict[Reason, int] = {
    "source": 1,
    "engine": 1,
    "sink": 1,
    "connection": 1,
    "model": 1,
    "usage": 2,
    "check": 3,
    "stopped": 4,
    "interrupted": 130,
}

INTERRUPTED_QUERY = (
    "Query interrupted"  # the RuntimeError that DuckDB puts in the place of what a signal's handler raises
)


_PERSONAL = re.compile(r"[^\s@'\"]+@[^\s@'\"]+\.[^\s@'\"]+|\d{9,}")


def without_personal(text: str) -> str:
    """Text that quotes values of rows, with `***` for e-mail addresses and for numbers of nine digits or more, as telephones have."""
    return _PERSONAL.sub("***", text)


class RunFailure(Exception):
    """A run that cannot go on. Nothing was published that was not whole.

    `code` is stable, `fix` says what to do, and file, line and column point into the spec where it has a say. `record` is the
    record of the run that failed; `is_told` says that it was printed already.
    """

    def __init__(
        self, reason: Reason, code: str, message: str, fix: str = "", *, file: str = "", line: int = 0, column: int = 0
    ) -> None:
        super().__init__(hide_secrets(message))
        self.reason: Reason = reason
        self.code = code
        self.message = hide_secrets(message)
        self.fix = hide_secrets(fix)
        self.file = file
        self.line = line
        self.column = column
        self.record: dict[str, Any] | None = None
        self.is_told = False

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.reason]
