"""Open the connections of a profile, with what their settings refer to in the environment."""

from __future__ import annotations

from collections.abc import Callable

from etlrun.compiler.check import Checked
from etlrun.failures import RunFailure
from etlrun.spec.database import Connection, Database
from etlrun.spec.project import MissingVariable, from_environment


def open_database(checked: Checked, connection: str, *, writing: bool) -> Database:
    """The database behind a connection of the chosen profile. Raises RunFailure."""
    kind = checked.profile.connections[connection].value
    assert isinstance(kind, Connection)
    return kind.open(connection, checked.project.root, filled, writing=writing)


def database_reader(checked: Checked) -> Callable[[str], Database]:
    """What opens a connection of the profile for reading."""
    return lambda connection: open_database(checked, connection, writing=False)


def database_writer(checked: Checked) -> Callable[[str], Database]:
    """What opens a connection of the profile for writing."""
    return lambda connection: open_database(checked, connection, writing=True)


def filled(text: str) -> str:
    """`text` with every `${NAME}` filled in. Raises RunFailure for a variable that is not set."""
    try:
        return from_environment(text)
    except MissingVariable as missing:
        raise RunFailure("usage", "missing-variable", f"the environment variable `{missing}` is not set, and the profile refers to it",
                         f"set {missing}, or choose another --profile") from None  # fmt: skip
