"""`table` - a table or view of a database.

The table must have the declared columns, with types that fit. Write the schema before the name if it is not the default
schema: `marts.orders`. A run reads only the columns that it needs for sinks and checks; `etlrun plan` lists the others as
unread. They must exist, but their values are not checked.

```yaml
sources:
  contracts:
    table: {connection: warehouse, table: contracts, key: [contract], columns: {contract: string not null, since: date}}
```

```table contracts
{contract: string, since: date, ward: int}
| contract | since      | ward |
| C1       | 2020-01-31 | 5    |
| C2       | null       | 6    |
```

```read
contracts: 2 rows, 0 broken, 0 blank
| contract | since      |
| C1       | 2020-01-31 |
| C2       | null       |
```

With `read: tasks`, and an engine that reads in tasks, the executors of Spark read a table of 100,000 rows or more.
They open as many connections as `readers` of the connection says (default: 4). They need the client library of the
database, such as psycopg, and the environment variables of the connection. PostgreSQL lets them read one snapshot.
MySQL cannot: write `moment: each` there, if no key changes while a run reads.

```yaml
sources:
  visits:
    table: {connection: warehouse, table: visits, columns: {id: bigint, contract: string}, read: tasks, moment: each}
```

To read a table that another pipeline of the project publishes, name that pipeline and its sink. Connection, table and
columns are then known; `columns` may select some of them. A pipeline can also read a table that it publishes itself: it
gets the rows from before the run, and no rows at the first run. So it can compute new rows from the old ones, and add
them with `write: append` or `merge`.

```yaml
sources:
  orders:
    table: {pipeline: core, sink: orders}
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from etlrun.contracts.connection import Copy, Database, Moment
from etlrun.contracts.engine import ParquetFiles
from etlrun.contracts.source import ReadRequest, ReadResult, RunTasks, Source, keyed, row_key
from etlrun.language.columns import TIMESTAMP, TIMESTAMPTZ, Column, Columns
from etlrun.reading.source import DeclaredColumn, tagged_columns
from etlrun.spec.fields import key
from etlrun.spec.scope import Scope
from etlrun.storage.stores import Stores

TO_DECLARE = ", and its labels are known only in a run; to use the column of one, declare in the source all `columns` that you read"


@dataclass(frozen=True)
class Table(Source):
    """A table of a connection."""

    skips_columns: ClassVar[bool] = True

    connection: str = key("the name of a connection in the profile", default="")
    table: str = key(
        "the name of the table or view. Add the schema if it is not the default schema: `marts.orders`", default=""
    )
    columns: Mapping[str, DeclaredColumn] = key(
        "column: type. The relation has the columns in this order", factory=dict
    )
    pipeline: str = key("the pipeline that publishes the table; replaces `connection` and `table`", default="")
    sink: str = key("with `pipeline`: the sink that publishes the table; default: its only sink", default="")
    key_: tuple[str, ...] = row_key()
    reader: Literal["driver", "tasks"] = key(
        "who reads a large table: `driver` this process; `tasks` also the executors of Spark, if the engine has "
        "`read: tasks` or `auto`",
        yaml="read",
        default="driver",
    )
    moment: Moment = key(
        "with `read: tasks`: `one` reads one snapshot of the table; `each` reads every range of its key at another "
        "moment, so that rows whose key changes meanwhile may be read twice or not at all",
        default="one",
    )
    published: Columns | None = None
    published_at: str = ""

    def resolve(self, scope: Scope) -> Table:
        if not self.pipeline:
            return self
        for name in ("connection", "table"):
            if getattr(self, name):
                fix = f"remove `{name}`, or remove `pipeline` and write `connection`, `table` and `columns`"
                scope.error(name, "wrong-value", f"`pipeline` and `{name}` cannot be used together", fix)
                scope.sight.is_blind = True
                return self
        found = scope.published(self.pipeline, self.sink)
        if found is None:
            return self
        if not found.connection:
            fix = f"read it with `{found.kind}: {{path: {found.table}, columns: {{...}}}}`"
            message = f"`{found.sink}` publishes the folder {found.table}, not a table of a connection"
            scope.error("pipeline", "wrong-value", message, fix)
            scope.sight.is_blind = True
            return self
        return replace(
            self,
            connection=found.connection,
            table=found.table,
            published=found.columns,
            published_at=f"`{found.pipeline}` publishes at {found.place}{TO_DECLARE if found.awaits_labels else ''}",
        )

    def table_read(self) -> tuple[str, str] | None:
        return self.connection, self.table.lower()

    def personal(self) -> Iterable[str]:
        return tagged_columns(self.columns)

    def output(self, scope: Scope) -> Columns:
        self._require_tasks(scope)
        if self.published is not None and not self.columns:
            return keyed(self.published.with_unique(None), self.key_, scope)
        if not self.pipeline:
            self._require_all(scope)
        found = Columns(())
        for name, declared in self.columns.items():
            scope.new_column(found, name, ("columns", name), is_key=True)
            kind = scope.type(declared.type_text, ("columns", name))
            found = found.with_column(Column(name, kind, not declared.is_required, declared.description))
        return keyed(found, self.key_, scope)

    def _require_tasks(self, scope: Scope) -> None:
        if self.moment == "each" and self.reader == "driver":
            fix = "add `read: tasks`, or remove `moment`"
            scope.error("moment", "wrong-value", "`moment: each` is for tasks: the driver reads one snapshot", fix)

    def _require_all(self, scope: Scope) -> None:
        missing = [f"`{name}`" for name in ("connection", "table", "columns") if not getattr(self, name)]
        if missing:
            what = f"{'the key' if len(missing) == 1 else 'the keys'} {' and '.join(missing)}"
            fix = "add what is missing, or name the pipeline that publishes the table: `{pipeline: NAME, sink: NAME}`"
            scope.error((), "missing-key", f"{what} {'is' if len(missing) == 1 else 'are'} missing", fix)
            scope.sight.is_blind |= not self.columns

    def look_ahead(self, columns: Columns, open_database: Callable[[str], Database], stores: Stores) -> None:
        database = open_database(self.connection)
        try:
            database.verify(self.table, columns)
            if self.published is None:  # else etlrun wrote its times, in UTC where the type has no time zone
                self._refuse_clocks(columns, database)
        finally:
            database.close()

    def _refuse_clocks(self, columns: Columns, database: Database) -> None:
        """Raises RunFailure for a column without a time zone that is declared as timestamptz."""
        instants = [item.name for item in columns if item.type == TIMESTAMPTZ]
        there = database.columns(self.table) if instants else None
        if there is None:
            return
        from etlrun.warehouse.reading import without_zone

        for stored in (there.get(name) for name in instants):
            if stored is not None and stored.type == TIMESTAMP:
                raise without_zone(stored.name, self.table, str(stored.type))

    def read(self, request: ReadRequest, columns: Columns) -> ReadResult:
        database = request.open_database(self.connection)
        wanted = columns.keep(name for name in columns.names if name not in request.unread)
        try:
            copied = self._copy_in_tasks(request, database, wanted) or self._copy(request, database, wanted)
        finally:
            database.close()
        paths = tuple(str(path) for path in copied.files)
        files = ParquetFiles(paths, lacking=request.unread)
        return ReadResult((files,), copied.rows, notices=tuple(database.notices))

    def _copy(self, request: ReadRequest, database: Database, wanted: Columns) -> Copy:
        request.folder.mkdir(parents=True, exist_ok=True)
        with request.control.following(database.interrupt):
            return database.copy(self.table, wanted, request.folder)

    def _copy_in_tasks(self, request: ReadRequest, database: Database, wanted: Columns) -> Copy | None:
        """The rows that tasks of the engine read; None if this process should read them. Raises RunFailure."""
        tasks = request.tasks
        if tasks is None or self.reader == "driver":
            return None
        from etlrun.reading.task_folder import TaskFolder
        from etlrun.sources._table_ranges import copy_in_tasks  # most runs read on this machine

        opener, folder = tasks.opener(self.connection), TaskFolder(request.folder, request.area)

        def read(run_tasks: RunTasks) -> Copy | None:
            request.folder.mkdir(parents=True, exist_ok=True)
            return copy_in_tasks(database, self.table, wanted, self.moment, folder, opener, run_tasks)

        return tasks.attempt(read)
