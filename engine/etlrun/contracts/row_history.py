"""`history` of a sink with `write: scd2`: which changes start a new version, at what time, and the names of its columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from etlrun.contracts.connection import RowVersions
from etlrun.contracts.sink import Publication
from etlrun.language.columns import BOOLEAN, TIMESTAMP, Column, Columns
from etlrun.language.expressions import type_of
from etlrun.spec.fields import Described, Expr, key
from etlrun.spec.scope import Scope

_STARTED = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")


@dataclass(frozen=True)
class RowHistory(Described):
    """Which changes start a new version, at what time, and the names of the columns for it."""

    track: tuple[str, ...] = key(
        "a change in these columns starts a new version; default: all columns except the key", default=()
    )
    as_of: Expr | None = key(
        "the time of the rows, such as `$day`; default: the start of the run", default=None, example="$day"
    )
    missing: Literal["keep", "end"] = key(
        "a key that is missing in the new rows: `keep` leaves its current version open, `end` closes it", default="keep"
    )
    valid_from: str = key("the name of the column with the start of a version", default="valid_from")
    valid_to: str = key(
        "the name of the column with the end of a version; null for the current version", default="valid_to"
    )
    is_current: str = key("the name of the column that is true for the current version", default="is_current")

    @property
    def names(self) -> dict[str, str]:
        """The names of the three columns, by their YAML keys."""
        return {"valid_from": self.valid_from, "valid_to": self.valid_to, "is_current": self.is_current}

    def verify(self, keys: tuple[str, ...], columns: Columns, scope: Scope) -> None:
        below = scope.below("history")
        known = {name.lower() for name in keys}
        for index, name in enumerate(self.track):
            found = below.column(columns, name, ("track", index))
            if found.name.lower() in known:
                message = f"`{found.name}` is part of the key, which never changes"
                below.error(("track", index), "wrong-value", message, "remove it from `track`")
        taken = columns
        for at, name in self.names.items():
            place = scope if getattr(self, at) == at else below
            place.new_column(taken, name, at if place is below else "write")
            taken = taken.with_column(Column(name, BOOLEAN if at == "is_current" else TIMESTAMP))
        tree = below.tree(Columns(()), self.as_of, "as_of") if self.as_of is not None else None
        if tree is not None and type_of(tree).name not in ("date", "timestamp"):
            message = f"a date or timestamp is expected here, but this is {type_of(tree)}"
            below.error("as_of", "type-mismatch", message, "write `date '2022-04-30'`, or a param of type date")

    def beside(self, columns: Columns) -> Columns:
        """The columns of the table: those of the relation, and the three that describe a version."""
        for column in (
            Column(self.valid_from, TIMESTAMP, nullable=False),
            Column(self.valid_to, TIMESTAMP),
            Column(self.is_current, BOOLEAN, nullable=False),
        ):
            columns = columns.with_column(column)
        return columns

    def of(self, keys: tuple[str, ...], publication: Publication) -> RowVersions:
        from etlrun.language.dialects import duckdb_sql  # not for `etlrun check`, which is to start fast

        at = "NULL"
        if self.as_of is not None:
            tree = publication.scope.below("history").tree(Columns(()), self.as_of, "as_of")
            assert tree is not None, f"`{self.as_of}` was lowered without being checked"
            at = duckdb_sql(tree)
        elif (started := _STARTED.match(publication.run_id)) is not None:
            year, month, day, hour, minute, second = started.groups()
            at = f"TIMESTAMP '{year}-{month}-{day} {hour}:{minute}:{second}'"
        return RowVersions(keys, self.track, at, self.missing == "end", self.valid_from, self.valid_to, self.is_current)
