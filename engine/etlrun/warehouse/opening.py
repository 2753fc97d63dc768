"""Open the connections of a profile, with the values of the environment that their settings refer to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from etlrun.contracts.connection import Database
from etlrun.failures import RunFailure
from etlrun.spec.environment import MissingVariable, from_environment
from etlrun.spec.packages import needing_packages
from etlrun.spec.project import Profile, Project, Use


@dataclass(frozen=True)
class ConnectionOpener:
    """Opens the connection `name` of a profile for reading, also on another machine, whose environment then has its values."""

    name: str
    use: Use
    folder: Path

    @property
    def kind(self) -> type:
        return type(self.use.value)

    def __call__(self) -> Database:
        with needing_packages(self.use.kind, f"connection `{self.name}`"):
            database: Database = self.use.value.open(self.name, self.folder, filled, writing=False)
        return database


def open_connection(project: Project, profile: Profile, name: str, *, writing: bool) -> Database:
    """The database behind a connection of a profile. Raises RunFailure."""
    with needing_packages(profile.connections[name].kind, f"connection `{name}`"):
        database: Database = profile.connections[name].value.open(name, project.data_folder, filled, writing=writing)
    return database


def database_reader(project: Project, profile: Profile) -> Callable[[str], Database]:
    """A function that opens a connection of the profile for reading."""
    return lambda connection: open_connection(project, profile, connection, writing=False)


def database_writer(project: Project, profile: Profile) -> Callable[[str], Database]:
    """A function that opens a connection of the profile for writing."""
    return lambda connection: open_connection(project, profile, connection, writing=True)


def filled(text: str) -> str:
    """`text` with every `${NAME}` replaced. Raises RunFailure for a variable that is not set."""
    try:
        return from_environment(text)
    except MissingVariable as missing:
        raise RunFailure(
            "usage",
            "missing-variable",
            f"the environment variable `{missing}` is not set, and the profile refers to it",
            f"set {missing}, or choose another --profile",
        ) from None
