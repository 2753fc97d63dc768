"""What the environment of a scheduler installs: what its user names, the project's requirements, or etlrun with the extras of its profile."""

from __future__ import annotations

import shlex
from importlib.metadata import metadata
from pathlib import Path

from etlrun.spec.project import Profile

REQUIREMENTS = "requirements.txt"
_FILES = (".whl", ".txt", ".tar.gz")
_JAVA = {"spark": ("java",)}  # what an extra needs beside it on a machine where nobody has prepared anything


class MissingInstallError(Exception):
    """A file that is to be installed is not in the project; the text names it."""


def install_words(text: str, root: Path, profile: Profile) -> tuple[str, ...]:
    """The words after `pip install`: those of `text`, or what the project says. Raises MissingInstallError, and ValueError for open quotes."""
    words = tuple(shlex.split(text))
    for word in words:
        path = word.partition("[")[0]
        if path.endswith(_FILES) and "://" not in path and not (root / path).is_file():
            raise MissingInstallError(path)
    if words:
        return words
    return ("-r", REQUIREMENTS) if (root / REQUIREMENTS).is_file() else (_with_extras(profile),)


def _with_extras(profile: Profile) -> str:
    known = metadata("etlrun").get_all("Provides-Extra") or []
    uses = (profile.engine, *profile.connections.values(), *(use for tier in profile.models.values() for use in tier))
    kinds = {use.kind for use in uses if use.kind in known}
    extras = sorted(kinds.union(*(_JAVA.get(kind, ()) for kind in kinds)))
    return f"etlrun[{','.join(extras)}]" if extras else "etlrun"
