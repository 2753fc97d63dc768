"""Opening the label store: the one place that knows which database it is in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from etlrun.enrich.store import Store
from etlrun.failures import RunFailure
from etlrun.spec.project import MissingVariable
from etlrun.spec.secrets import Secret


def open_labels(where: str, root: Path, environment: Callable[[str], str]) -> Store:
    """Open the label store that a profile names: a file of the project, or a database URL with `${NAME}` for its password."""
    try:
        text = environment(where)
    except MissingVariable as missing:
        message, fix = f"`labels` refers to `{missing}`, which is not set", f"set it: export {missing}=..."
        raise RunFailure("usage", "missing-variable", message, fix) from None
    return open_store(Secret(text) if "://" in text else root / text)


def open_store(where: Path | Secret) -> Store:
    """Open the label store in a SQLite file, made where it is missing, or at a database URL. Raises RunFailure."""
    try:
        from etlrun.enrich._sql_store import SqlStore
    except ImportError as error:
        raise RunFailure("usage", "missing-package", f"the label store needs the package {error.name}", "pip install 'etlrun[llm]'") from error
    return SqlStore(where)
