"""Opens the label store of a profile: a file or a database."""

from __future__ import annotations

import os
from pathlib import Path

from etlrun.contracts.connection import ServerAccess
from etlrun.enrich.network_files import network_file_system
from etlrun.enrich.store import Store
from etlrun.failures import RunFailure
from etlrun.spec.packages import needing_packages
from etlrun.spec.paths import path_inside
from etlrun.spec.project import Profile, Project
from etlrun.spec.project_file import wrong_labels
from etlrun.warehouse.opening import filled

NETWORK_FIX = "set `labels` of the profile to a file on a local disk, or to a connection to a database"


def open_labels(project: Project, profile: Profile) -> Store:
    """Open the label store in the connection that `labels` names, or in a file of the project. Raises RunFailure."""
    text = filled(profile.labels)
    wrong = wrong_labels(text, profile.connections)
    if wrong:
        raise RunFailure("usage", *wrong)
    named = profile.connections.get(text)
    if named is None:
        return open_store(_file(project.data_folder, text))
    with needing_packages(named.kind, f"the label store in the connection `{text}`"):
        lines = named.value.lines(text, project.data_folder, filled)
    return open_store(lines)


def store_on_network(project: Project, profile: Profile) -> str:
    """The problem of a label store on a network file system; `""` for another file system, or a server."""
    text = filled(profile.labels)
    if text in profile.connections or wrong_labels(text, profile.connections):
        return ""
    kind = network_file_system((project.data_folder / text).parent)
    if not kind:
        return ""
    return f"the label store {text} is on a network file system ({kind}), where SQLite may lose or mix up answers of runs on several machines"


def _file(root: Path, text: str) -> Path:
    """The file of a store, which may be anywhere. Raises RunFailure if a link inside the project leads out of it."""
    path = root / text
    if "\0" not in text and Path(os.path.abspath(path)).is_relative_to(root) and path_inside(root, path) is None:
        fix = "write the path of the file itself in `labels` of the profile, or remove the link"
        raise RunFailure(
            "usage", "path-outside", f"the label store {text} is a link that leads out of the project's folder", fix
        )
    return path


def open_store(where: Path | ServerAccess) -> Store:
    """Open the label store in a SQLite file, which is created if missing, or in a database on a server. Raises RunFailure."""
    from etlrun.enrich._sql_store import SqlStore

    return SqlStore(where)
