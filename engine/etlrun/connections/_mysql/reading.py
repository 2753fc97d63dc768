"""Tables as Arrow, in the declared types, a page at a time while the server keeps the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from etlrun.connections._mysql.errors import ServerError
from etlrun.connections._mysql.session import Session
from etlrun.connections._mysql.tables import Definition
from etlrun.connections._mysql.types import Stored
from etlrun.connections._mysql.words import name
from etlrun.failures import RunFailure
from etlrun.language.arrow import arrow_schema
from etlrun.language.columns import Column, Columns


def read_table(session: Session, there: Definition, columns: Columns, failure: Callable[[ServerError], RunFailure]) -> pa.RecordBatchReader:
    """The columns of a table; the session belongs to the reader, which closes it. Raises RunFailure, also while it is read."""
    stored = [_find(there, item) for item in columns]
    query = f"SELECT {', '.join(_selected(column) for column in stored)} FROM {name(there.table)}"

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for page in session.pages(query):
                arrays = [_array(there, item, values) for item, values in zip(columns, page, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(columns))
        except ServerError as error:
            raise failure(error) from error
        finally:
            session.hang_up()

    return pa.RecordBatchReader.from_batches(arrow_schema(columns), batches())


def _find(there: Definition, item: Column) -> Stored:
    found = there.column(item.name)
    if found is None:
        names = ", ".join(column.name for column in there.columns)
        raise RunFailure("source", "missing-column", f"the table `{there.table}` has no column `{item.name}`", f"it has {names}")
    return found


def _selected(column: Stored) -> str:
    """A FLOAT is shown with six digits unless it is part of a sum."""
    return f"{name(column.name)} + 0e0" if column.kind == "float" else name(column.name)


def _array(there: Definition, item: Column, found: pa.BinaryArray) -> pa.Array:
    wanted: Any = arrow_schema(Columns((item,))).field(0).type
    try:
        return found if wanted == pa.binary() else found.cast(pa.string()).cast(wanted)
    except pa.ArrowInvalid as error:
        raise RunFailure("source", "wrong-columns", f"the column `{item.name}` of the table `{there.table}` does not hold {item.type} in every row",
                         "declare the type that the table has") from error  # fmt: skip
