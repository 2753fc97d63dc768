"""Where the executors of a profile write rows: in the store of runs, or on a disk that they share with this machine."""

from __future__ import annotations

from etlrun.compiler.check import Checked
from etlrun.storage.staging_area import StagingArea
from etlrun.storage.stores import open_stores
from etlrun.warehouse.opening import filled


def staging_area(checked: Checked) -> StagingArea | None:
    """The staging area in the store of runs; None if executors write on a disk. Raises RunFailure."""
    project, url = checked.project, checked.project.runs_url
    if url is None or not checked.profile.engine.value.stages_in_store(filled):
        return None
    return StagingArea(project.runs_path.resolve(), url, open_stores(project, checked.profile, filled).uses, filled)
