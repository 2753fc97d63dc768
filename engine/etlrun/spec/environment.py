"""Replace `${NAME}` in the texts of a project file by variables of the environment."""

from __future__ import annotations

import os
import re

from etlrun.spec.secrecy import ENVIRONMENT


class MissingVariable(Exception):
    """An environment variable that the project file refers to and that is not set; `str()` is its name."""


def from_environment(text: str) -> str:
    """Fill `${NAME}` and `${NAME:-default}` from the environment. Raises MissingVariable."""

    def value(found: re.Match[str]) -> str:
        given = os.environ.get(found.group(1)) or found.group(2)
        if given is None:
            raise MissingVariable(found.group(1))
        return given

    return ENVIRONMENT.sub(value, text)
