"""Rows that the server does not take: which they are, and why, in the words of the table."""

from __future__ import annotations

import re

from etlrun.connections._mysql.errors import DUPLICATE, ServerError, explanation, masked
from etlrun.connections._mysql.inspect import equal_rows, nearly_equal_texts
from etlrun.connections._mysql.loaders import LoadRefused
from etlrun.connections._mysql.stage import Stage
from etlrun.connections._mysql.tables import Definition, Unique
from etlrun.connections._mysql.types import CHARSET, COLLATION, WITH_SPACES, Stored
from etlrun.connections._mysql.words import name
from etlrun.failures import RunFailure

REFUSED = frozenset((1048, 1264, 1265, 1292, 1366, 1406, 1452, 1526, 3819, 4025, *DUPLICATE))


def refusal(stage: Stage, there: Definition, error: ServerError | LoadRefused) -> RunFailure | None:
    """The failure that tells of rows which the table does not take; None for an error that is not about rows."""
    if isinstance(error, ServerError) and error.code not in REFUSED:
        return None
    named = f"the table `{stage.load.table}` was not published"
    twins = equal_rows(stage, stage.load.key) if stage.load.key else ""
    if twins:
        return RunFailure(
            "sink", "key-not-unique", f"{named}: {twins}", "make them one first, with `top`, `dedupe` or `aggregate`"
        )
    said = error.said if isinstance(error, ServerError) else str(error)
    if error.code in DUPLICATE:
        return _duplicate(stage, there, named, _unique_key(there, said))
    what, fix = explanation(error.code) or ("", "look at the types and constraints of the table")
    said = masked(said)
    return RunFailure("sink", "rows-refused", f"{named}: {f'{what}: {said}' if what else said}", fix)


def _unique_key(there: Definition, said: str) -> Unique | None:
    """The unique key that an error names, as `v` or `profile.v`; None for the primary key."""
    found = re.search(r"for key '(?:.*\.)?([^'.]*)'", said)
    return next((key for key in there.unique if found and key.name.lower() == found[1].lower()), None)


def _duplicate(stage: Stage, there: Definition, named: str, key: Unique | None) -> RunFailure:
    if key is None:
        return RunFailure(
            "sink",
            "key-exists",
            f"{named}: a key of the new rows is there already, in a row that is not replaced",
            "look at the keys of the table, or publish with `merge`",
        )
    shown = f"the unique key `{key.name}` ({', '.join(key.columns)}) of the table"
    is_loaded = all(column in stage.load.columns for column in key.columns)
    twins = equal_rows(stage, key.columns) if is_loaded else ""
    if twins:
        fix = f"make them one first, or ALTER TABLE {name(there.table)} DROP INDEX {name(key.name)}"
        return RunFailure("sink", "key-not-unique", f"{named}: {twins}, and {shown} allows one", fix)
    loose = [column for column in key.columns if (found := there.column(column)) and _is_loose(found)]
    pair = nearly_equal_texts(stage, key.columns) if is_loaded and loose else ""
    if pair:
        return RunFailure(
            "sink",
            "key-not-unique",
            f"{named}: two of the new rows are equal in {shown}: {pair}; {_collations(there, loose)}",
            f"make them one first, or {_exactly(there, loose)}",
        )
    why = f"; {_collations(there, loose)}" if loose else ""
    return RunFailure(
        "sink",
        "key-exists",
        f"{named}: a new row is equal in {shown} to another new row, or to a row that is not replaced{why}",
        "look for that row in the table; a unique key that should not hold goes by "
        f"ALTER TABLE {name(there.table)} DROP INDEX {name(key.name)}",
    )


def _is_loose(column: Stored) -> bool:
    """Whether the column takes different texts for equal."""
    return bool(column.collation) and column.collation not in WITH_SPACES


def _collations(there: Definition, columns: list[str]) -> str:
    found = [column for wanted in columns if (column := there.column(wanted))]
    return "; ".join(
        f"to `{column.name}` ({column.collation}) "
        + ("a blank at the end does" if column.collation == COLLATION else "case, accents or blanks at the end may")
        + " not count"
        for column in found
    )


def _exactly(there: Definition, columns: list[str]) -> str:
    """The statement after which texts that differ in case are different, or one that drops blanks."""
    found = [column for wanted in columns if (column := there.column(wanted)) and column.collation != COLLATION]
    changes = ", ".join(
        f"MODIFY COLUMN {name(column.name)} {column.written} CHARACTER SET {CHARSET} COLLATE {COLLATION}"
        + ("" if column.is_nullable else " NOT NULL")
        for column in found
    )
    return f"ALTER TABLE {name(there.table)} {changes}" if changes else "`trim` the texts"
