"""The label store of a profile, wherever it is."""

from __future__ import annotations

from etlrun.enrich.opening import open_store
from etlrun.enrich.store import Store
from etlrun.failures import RunFailure
from etlrun.runtime.connections import filled, needing_packages
from etlrun.spec.project import Profile, Project, wrong_labels


def open_labels(project: Project, profile: Profile) -> Store:
    """Open the label store in the connection that `labels` names, or in a file of the project. Raises RunFailure."""
    text = filled(profile.labels)
    wrong = wrong_labels(text, profile.connections)
    if wrong:
        raise RunFailure("usage", *wrong)
    named = profile.connections.get(text)
    if named is None:
        return open_store(project.root / text)
    with needing_packages(named.kind, f"the label store in the connection `{text}`"):
        lines = named.value.lines(text, project.root, filled)
    return open_store(lines)
