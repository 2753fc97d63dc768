"""The common part of sinks that publish into a database: a table or view of a connection, with a name and declared columns."""

from __future__ import annotations

from typing import ClassVar

from etlrun.contracts.connection import Load
from etlrun.contracts.published_columns import PublishedColumns, required_columns, verify_columns, with_descriptions
from etlrun.contracts.sink import Publication, Sink, how_to_flatten, misfit
from etlrun.language.columns import NULL, Columns
from etlrun.spec.scope import HIDDEN, NAME, Scope


class DatabaseSink(Sink):
    """Publishes a relation under a name in a connection. `what` is `table` or `view`; the key of this name sets the name."""

    what: ClassVar[str]
    connection: str
    columns: PublishedColumns

    def table_name(self, name: str) -> str:
        return getattr(self, self.what) or name

    def place(self, name: str) -> tuple[str, str, str]:
        return self.connection, self.table_name(name).lower(), ""

    def stored(self, columns: Columns) -> Columns:
        """The columns that the database has for a relation with these columns."""
        return columns

    def published(self, columns: Columns) -> Columns:
        return with_descriptions(self.columns, self.stored(columns))

    def required(self) -> tuple[str, ...]:
        return required_columns(self.columns)

    def load(self, publication: Publication) -> Load:
        raise NotImplementedError

    def verify(self, columns: Columns, scope: Scope) -> None:
        verify_columns(self.columns, self.stored(columns), scope)
        self._verify_name(scope)
        for item in columns:
            if (item.type.is_nested or item.type == NULL) and not item.name.startswith(HIDDEN):
                fix = how_to_flatten(item)
                message = f"`{item.name}` is {item.type}, which a {self.what} cannot store"
                scope.error("from", "type-mismatch", message, fix)

    def _verify_name(self, scope: Scope) -> None:
        name = self.table_name("")
        parts = name.split(".")
        if name and not (len(parts) <= 2 and all(map(NAME.match, parts))):
            fix = (
                "use letters, digits and `_`, at most 64, no digit first; "
                f"`schema.{self.what}` for a {self.what} of another schema"
            )
            scope.error(self.what, "bad-name", f"`{name}` is not a name", fix)

    def is_there(self, publication: Publication, load: Load) -> bool:
        """Whether the database has a table or view of that name. Raises RunFailure if it does not match the load."""
        database = publication.open_database(self.connection)
        try:
            found = database.columns(load.table) is not None
            problems = database.mismatches(load)
        finally:
            database.close()
        if problems:
            raise misfit(self.what, self.connection, load, problems)
        return found
