"""Opening the label store: the one place that knows which database it is in."""

from __future__ import annotations

from pathlib import Path

from etlrun.contracts.connection import ServerAccess
from etlrun.enrich.store import Store
from etlrun.failures import RunFailure


def open_store(where: Path | ServerAccess) -> Store:
    """Open the label store in a SQLite file, made where it is missing, or in a database on a server. Raises RunFailure."""
    try:
        from etlrun.enrich._sql_store import SqlStore
    except ImportError as error:
        raise RunFailure(
            "usage", "missing-package", f"the label store needs the package {error.name}", "pip install 'etlrun[llm]'"
        ) from error
    return SqlStore(where)
