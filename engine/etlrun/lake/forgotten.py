"""Removes folders that killed runs left below a table and that were not resumed, after a week, like the stages of runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zlib import crc32

from etlrun.contracts.newer_runs import started
from etlrun.lake.adoption import FOLDER
from etlrun.lake.table_folder import TableFolder

WEEK = timedelta(days=7)  # in this time `etlrun resume` may still publish
NAME = re.compile(rf"{FOLDER}(.+)-([0-9a-f]{{8}})-[0-9a-f]{{8}}")


@dataclass(frozen=True)
class Known:
    """The folders that the current version of a table names, the runs in its log, each with its publisher, and the time (as in run
    ids) since when the log is complete."""

    current: set[str]
    runs: set[tuple[str, str]]
    since: str


def remove_forgotten(folder: TableFolder, ask: Callable[[], Known | None]) -> None:
    """Remove folders that no version of the table has ever named and that are a week old.

    A folder of a run in the log belongs to versions of the table, and VACUUM removes it. The same is assumed for folders from before the
    first entry of the log.
    """
    oldest = datetime.now(UTC) - WEEK
    found = [match for name in folder.names() if (match := NAME.fullmatch(name))]
    old = [match for match in found if "" < started(match[1]) < format(oldest, "%Y%m%dT%H%M%SZ")]
    known = ask() if old else None
    if known is None:
        return
    ours = {(run, f"{crc32(application.encode()):08x}") for run, application in known.runs}
    for match in old:
        is_known = match[0] in known.current or match.groups() in ours or started(match[1]) < known.since
        if not is_known and folder.written(match[0]) < oldest.timestamp():
            folder.remove(match[0])
