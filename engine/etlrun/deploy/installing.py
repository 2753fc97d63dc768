"""What to install in the environment of a scheduler: the given packages, the project's requirements, or etlrun with the extras of the profile."""

from __future__ import annotations

import shlex
from importlib.metadata import metadata
from pathlib import Path

from etlrun.spec.project import Profile

REQUIREMENTS = "requirements.txt"
_FILES = (".whl", ".txt", ".tar.gz")
_JAVA = {"spark": ("java",)}  # packages that an extra also needs on a new machine


class MissingInstallError(Exception):
    """A file to install does not exist in the project; the text names it."""


def install_words(text: str, root: Path, profile: Profile) -> tuple[str, ...]:
    """The arguments of `pip install`: those in `text`, or the project's. Raises MissingInstallError, and ValueError for unclosed quotes."""
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
