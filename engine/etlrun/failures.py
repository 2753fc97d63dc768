"""Failures of a run: a diagnostic that ends it. A wrong spec is a SpecError instead."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import replace
from typing import Any, Literal

from etlrun.codes import CODES
from etlrun.diagnostics import Diagnostic
from etlrun.secrets import hide_secrets

Reason = Literal["source", "engine", "sink", "connection", "model", "check", "stopped", "interrupted", "usage"]

NO_ROOM = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))  # how systems say it

_PERSONAL = re.compile(r"[^\s@'\"]+@[^\s@'\"]+\.[^\s@'\"]+|\d{9,}")


def without_personal(text: str) -> str:
    """Text that quotes values of rows, with `***` for e-mail addresses and for numbers of nine digits or more, as telephones have."""
    return _PERSONAL.sub("***", text)


class RunFailure(Exception):
    """A run that cannot go on. Nothing was published that was not whole.

    Its `diagnostic` is what the user reads; its code is one of `etlrun.codes`. `record` is the record of the run that failed,
    `subject` the table that it is about, of several; `is_printed` says that the record was printed already.
    """

    def __init__(self, reason: Reason, code: str, message: str, fix: str = "") -> None:
        super().__init__(hide_secrets(message))
        self.diagnostic = Diagnostic("", 0, 0, 0, code, hide_secrets(message), hide_secrets(fix))
        self.exit_code = CODES[code].exit_code
        self.record: dict[str, Any] | None = None
        self.subject = ""
        self.is_printed = False

    @property
    def code(self) -> str:
        return self.diagnostic.code

    @property
    def message(self) -> str:
        return self.diagnostic.message

    @property
    def fix(self) -> str:
        return self.diagnostic.fix

    def at(self, place: Diagnostic) -> RunFailure:
        """The failure at the place of `place` in the specification, unless it has a place already."""
        if not self.diagnostic.file:
            self.diagnostic = replace(place, code=self.code, message=self.message, fix=self.fix)
        return self

    def add(self, *, message: str = "", fix: str = "") -> None:
        """Go on with what the message and the fix say."""
        self.diagnostic = replace(self.diagnostic, message=self.message + message, fix=self.fix + fix)
