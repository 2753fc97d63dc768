"""Reads the result of a `python` step's function, and describes its failure.

It needs only pyarrow and Python, so that executors can run it without etlrun.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

MOST_LINES = 4  # of the functions on the way to the line that failed
LONGEST = 2_000  # characters of an exception's text


class WrongResultError(Exception):
    """A function returned what the step does not declare."""


def results_of(function: Callable[[Any], Any], batches: Iterator[pa.RecordBatch]) -> Iterator[Any]:
    """What a function with `mode: batches` yields. Raises WrongResultError if it does not yield."""
    found = function(batches)
    if not hasattr(found, "__iter__"):
        raise WrongResultError(f"it returned {type(found).__name__}, but it must yield batches")
    yield from found


def fitting(part: Any, declared: pa.Schema) -> pa.Table:
    """Rows of a function in the declared columns and types. Raises WrongResultError, or ArrowException for a value that does not fit."""
    table = pa.Table.from_batches([part]) if isinstance(part, pa.RecordBatch) else part
    if not isinstance(table, pa.Table):
        raise WrongResultError(f"it returned {type(part).__name__}, but a pyarrow.Table or RecordBatch is expected")
    missing = [name for name in declared.names if name not in table.column_names]
    if missing:
        raise WrongResultError(f"its result has no column {', '.join(f'`{name}`' for name in missing)}")
    return table.select(declared.names).cast(declared)


def failure_report(error: BaseException, place: Callable[[str], str]) -> dict[str, Any]:
    """Describes what a function raised, as JSON values. `place` gives the path of a file in the project, or an empty text for other files."""
    lines = _lines(error, place)
    is_wrong = isinstance(error, WrongResultError) or (isinstance(error, pa.ArrowException) and not lines)
    if is_wrong:
        return {"wrong-result": " ".join(str(error).split())[:LONGEST], "lines": lines}
    text = " ".join(traceback.format_exception_only(error)[-1].split())  # `ValueError: no such shop`
    return {"error": text[:LONGEST], "lines": lines}


def _lines(error: BaseException, place: Callable[[str], str]) -> list[str]:
    """The lines of the project that the exception went through, the last one first: `clean.py:3 in initials`."""
    frames = [(place(frame.filename), frame) for frame in reversed(traceback.extract_tb(error.__traceback__))]
    return [f"{file}:{frame.lineno} in {frame.name}" for file, frame in frames if file][:MOST_LINES]
