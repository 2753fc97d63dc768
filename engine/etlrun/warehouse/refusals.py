"""Rows that a server rejects: which rows, and why."""

from __future__ import annotations

from etlrun.failures import RunFailure
from etlrun.warehouse.inspection import equal_rows
from etlrun.warehouse.server import LoadRefused, ServerError
from etlrun.warehouse.stage import Stage

REFERRED = (  # to rows that a publish would delete
    "rows of another table refer to rows that would be replaced",
    "drop the foreign key of that table, or delete its rows first: a publish deletes rows before it adds the new ones",
)
CHANGE_ROWS = "leave such rows out or change them in the pipeline, or change the type or constraint of the table"
NO_PARENT = ("a new row refers to a row of another table that does not exist", "publish that table first")
CHECK_VIOLATED = ("a CHECK constraint of the table is violated", CHANGE_ROWS)


def is_about_rows(error: ServerError | LoadRefused) -> bool:
    """Whether the error is about rejected rows; other errors are about the server or the connection."""
    return isinstance(error, LoadRefused) or error.kind in ("duplicate", "refused")


def is_duplicate(error: ServerError | LoadRefused) -> bool:
    return error.is_duplicate if isinstance(error, LoadRefused) else error.kind == "duplicate"


def not_published(stage: Stage) -> str:
    return f"the table `{stage.load.table}` was not published"


def equal_keys(stage: Stage) -> RunFailure | None:
    """The failure of rows of the stage with the same key; None if there are none."""
    found = equal_rows(stage, stage.load.key) if stage.load.key else ""
    fix = "reduce them to one row first, with `top`, `dedupe` or `aggregate`"
    return RunFailure("sink", "key-not-unique", f"{not_published(stage)}: {found}", fix) if found else None


def refused_rows(
    stage: Stage, error: ServerError | LoadRefused, detail: str, known: tuple[str, str] = ("", CHANGE_ROWS)
) -> RunFailure:
    """The failure of rejected rows: `detail` is the text of the server without values, `known` its meaning and the fix."""
    what, fix = known
    if is_duplicate(error):
        return RunFailure(
            "sink",
            "key-exists",
            f"{not_published(stage)}: a key of the new rows is already in the table, in a row that is not replaced",
            "check the keys in the table, or use `write: merge`",
        )
    shown = f"{what}: {detail}" if what else detail
    return RunFailure("sink", "rows-refused", f"{not_published(stage)}: {shown}", fix)
