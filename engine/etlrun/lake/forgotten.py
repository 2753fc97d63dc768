"""Folders that killed runs left below a table and that nobody resumed: they go after a week, as the stages of runs do."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zlib import crc32

from etlrun.contracts.newer_runs import started
from etlrun.lake.adoption import FOLDER
from etlrun.lake.commits import runs_in_log
from etlrun.lake.snapshot import files_of, open_delta
from etlrun.lake.table_folder import TableFolder

WEEK = timedelta(days=7)  # for which `etlrun resume` may still publish
NAME = re.compile(rf"{FOLDER}(.+)-([0-9a-f]{{8}})-[0-9a-f]{{8}}")


def remove_forgotten(folder: TableFolder) -> None:
    """Remove the folders that no version of the table ever named, once they are a week old.

    A folder of a run that the log knows belongs to the versions of the table, and VACUUM removes it; so does one of a time of which the log
    says nothing any more.
    """
    oldest = datetime.now(UTC) - WEEK
    found = [match for name in folder.names() if (match := NAME.fullmatch(name))]
    old = [match for match in found if "" < started(match[1]) < format(oldest, "%Y%m%dT%H%M%SZ")]
    table = open_delta(folder) if old else None
    if table is None:
        return
    current = {file.path.split("/")[0] for file in files_of(table)}
    known, since = runs_in_log(table)
    ours = {(run, f"{crc32(application.encode()):08x}") for run, application in known}
    for match in old:
        is_known = match[0] in current or match.groups() in ours or started(match[1]) < since
        if not is_known and folder.written(match[0]) < oldest.timestamp():
            folder.remove(match[0])
