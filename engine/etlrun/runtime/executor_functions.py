"""What executors get to call the function of a `python` step, and the rows or the failure that they leave."""

from __future__ import annotations

import json
from pathlib import Path

from etlrun.contracts.engine import FAILED, ParquetFiles, SentFunction, WrittenFiles
from etlrun.contracts.step import Apply
from etlrun.language.columns import Columns
from etlrun.runtime.functions import refuse_failed, variables_of
from etlrun.spec.function_modules import modules_of
from etlrun.spec.project import Project

NO_PACKAGE = (
    "install the package on the executors, or add it to their archive: `etlrun pack OUT.tar.gz --with PACKAGE`; "
    "or set `where: driver` in the step"
)


def sent_function(apply: Apply, given: Columns, project: Project) -> SentFunction:
    """Everything that an executor needs to call a function with rows of the columns `given`."""
    modules = modules_of(apply.function, project.root)
    return SentFunction(apply.function, modules, given, apply.columns, variables_of(project))


def executor_rows(folder: Path, function: str, project: Project, written: WrittenFiles | None = None) -> ParquetFiles:
    """The rows that executors wrote into `folder`, or into the staging area. Raises RunFailure if the function failed on one of them."""
    first = _first_report(folder) if written is None else written.report
    if first:
        report = json.loads(first)
        is_import = report.get("error", "").startswith("ModuleNotFoundError:")
        refuse_failed(function, report, project, NO_PACKAGE if is_import else "fix the function")
    if written is not None:
        return ParquetFiles(tuple(file.path for file in written.files))
    return ParquetFiles(tuple(map(str, sorted(folder.glob("*.parquet")))))


def _first_report(folder: Path) -> str:
    """The smallest report of a failure; empty if there is none."""
    import pyarrow.dataset as ds

    failed = ds.field(FAILED).is_valid()
    reports = ds.dataset(folder, format="parquet").to_table([FAILED], failed)[FAILED].to_pylist()
    return min(reports, default="")
