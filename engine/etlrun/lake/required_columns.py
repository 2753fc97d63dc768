"""Columns of a lake table that another program declared without nulls."""

from __future__ import annotations

from collections.abc import Iterable

from etlrun.failures import RunFailure
from etlrun.language.columns import Columns


def refuse_nulls(place: str, required: Iterable[str], columns: Columns) -> None:
    """Raises RunFailure if a column of the relation may be null, but is `required` in the table `place`."""
    names = {name.lower() for name in required}
    wrong = next((item.name for item in columns if item.nullable and item.name.lower() in names), None)
    if wrong is not None:
        message = f"the table {place} requires a value in `{wrong}`, but the column of the relation may be null"
        fix = f"make the column of the table nullable, or filter the rows: `filter: {wrong} is not null`"
        raise RunFailure("sink", "table-mismatch", message, fix)
