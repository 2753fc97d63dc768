"""Optional packages: if a kind needs one that is missing, the message has the command that installs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from etlrun.failures import RunFailure


@contextmanager
def needing_packages(extra: str, user: str, otherwise: str = "") -> Iterator[None]:
    """In this block, a missing package is a RunFailure: `user` needs it, `etlrun[extra]` installs it, and `otherwise` is another fix."""
    try:
        yield
    except ImportError as error:
        raise RunFailure(
            "usage",
            "missing-package",
            f"{user} needs the package {error.name}, which is not installed",
            f"pip install 'etlrun[{extra}]'{otherwise}",
        ) from error
