"""Run a `python` step: rows go in and come out as Arrow, and the result must be what was declared."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etlrun.failures import RunFailure
from etlrun.language.arrow import arrow_schema
from etlrun.language.columns import Columns
from etlrun.spec.kinds import Apply

if TYPE_CHECKING:
    import pyarrow


def apply_function(apply: Apply, given: list[str], columns: Columns, root: Path, folder: Path) -> Path:
    """Run the function over the Parquet files in `given`, whose columns are `columns`; its rows go to a file below `folder`.

    Raises RunFailure where it fails or returns something else than it declares.
    """
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    rows = ds.dataset(given, schema=arrow_schema(columns), format="parquet")
    folder.mkdir(parents=True)
    path = folder / "rows.parquet"
    with pq.ParquetWriter(path, arrow_schema(apply.columns)) as writer:
        for part in _parts(apply, rows, root):
            writer.write_table(part)
    return path


def apply_to_rows(apply: Apply, rows: pyarrow.Table, root: Path) -> pyarrow.Table:
    """The rows that the function makes of these. Raises RunFailure as `apply_function` does."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    return pa.concat_tables([arrow_schema(apply.columns).empty_table(), *_parts(apply, ds.dataset(rows), root)])


def _parts(apply: Apply, rows: Any, root: Path) -> Iterator[pyarrow.Table]:
    """What the function returns, in the declared columns."""
    import pyarrow as pa

    function = _load(apply.function, root)
    wanted = arrow_schema(apply.columns)
    try:
        for part in _results(function, rows, batches=apply.batches):
            yield _fitting(part, wanted, apply.function)
    except RunFailure:
        raise
    except pa.ArrowException as error:
        raise _failure(apply.function, f"its result does not fit the declared columns ({error})") from error
    except Exception as error:
        raise _failure(apply.function, f"{type(error).__name__}: {error} ({_line_of(error, function)})") from error


def _results(function: Callable[[Any], Any], rows: Any, *, batches: bool) -> Iterator[Any]:
    if batches:
        yield from function(iter(rows.to_batches()))
    else:
        yield function(rows.to_table())


def _fitting(part: Any, wanted: pyarrow.Schema, function: str) -> pyarrow.Table:
    import pyarrow as pa

    table = pa.Table.from_batches([part]) if isinstance(part, pa.RecordBatch) else part
    if not isinstance(table, pa.Table):
        raise _failure(function, f"it returned {type(part).__name__}, and a pyarrow.Table or RecordBatch is wanted")
    missing = [name for name in wanted.names if name not in table.column_names]
    if missing:
        raise _failure(function, f"its result has no column {', '.join(f'`{name}`' for name in missing)}")
    return table.select(wanted.names).cast(wanted)


def _load(function: str, root: Path) -> Callable[[Any], Any]:
    module, _, name = function.partition(":")
    folder = str(root.resolve())
    sys.path.insert(0, folder)
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise _failure(function, f"it cannot be imported ({type(error).__name__}: {error})") from error
    finally:
        sys.path.remove(folder)
    function_found: Callable[[Any], Any] = found
    return function_found


def _failure(function: str, message: str) -> RunFailure:
    return RunFailure("engine", "python-failed", f"the function `{function}` failed: {message}", "mend the function")


def _line_of(error: BaseException, function: Callable[[Any], Any]) -> str:
    """The last line of the function's own file that the error went through."""
    file = function.__code__.co_filename if hasattr(function, "__code__") else ""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f"{Path(file).name}:{lines[-1]}" if lines else "outside its file"
