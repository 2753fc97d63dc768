"""Build the Power BI project of a dashboard: decides where Power BI reads the rows, and writes the folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from etlrun.dashboards.checked import CheckedDashboard
from etlrun.dashboards.powerbi.pbip import project_files
from etlrun.dashboards.powerbi.power_query import RowSource, from_mysql, from_parquet
from etlrun.failures import RunFailure
from etlrun.runtime.dashboards import Built
from etlrun.runtime.generated_folder import replace_generated, write_generated
from etlrun.sinks.files import Files
from etlrun.warehouse.opening import filled


def build_project(dashboard: CheckedDashboard, folder: Path, *, force: bool) -> Built:
    """Build the project into a new folder in `folder`. Raises RunFailure.

    With `force` the folder is replaced even if somebody has edited it.
    """
    source, notice = _source(dashboard)
    target = folder / f"{dashboard.name}-powerbi"
    write = replace_generated if force else write_generated
    files = project_files(dashboard, source)
    write(target, files)
    return Built(target / f"{dashboard.name}.pbip", f"{dashboard.name}: a project of {len(files)} files", (notice,))


def _source(dashboard: CheckedDashboard) -> tuple[RowSource, str]:
    sink, checked = dashboard.sink, dashboard.checked
    if isinstance(sink, Files):
        return _parquet(sink)
    connection = checked.profile.connections[sink.connection].value
    server = connection.mysql_server(sink.connection, checked.project.root, filled)
    if server:
        host, database = server
        notice = f"it reads {dashboard.table} from {host}, database {database}; Power BI will ask for the account"
        return from_mysql(dashboard.table, host, database), notice
    found = (use.value for use in checked.pipeline.sinks.values() if isinstance(use.value, Files))
    file = next((item for item in found if item.from_ == sink.from_ and item.is_parquet_file), None)
    if file is None:
        message = f"Power BI reads MySQL or a Parquet file, and `{dashboard.spec.sink}` is in neither"
        fix = f"add a sink to the pipeline: {dashboard.spec.sink}_file: {{files: {{from: {sink.from_}, path: out/{dashboard.table}.parquet}}}}"
        raise RunFailure("usage", "missing-table", message, fix)
    return _parquet(file)


def _parquet(sink: Files) -> tuple[RowSource, str]:
    path = PurePosixPath(sink.path)
    notice = f"set its parameter Folder to the folder of {path.name}, with a `\\` at the end"
    return from_parquet(path.name), notice
