"""`table` - publishes a relation as a database table, in one transaction.

`write` decides what happens to the rows in the table:

| write | effect |
|---|---|
| `replace` | replaces all rows |
| `replace_where: condition` | replaces the rows that fulfil a condition, such as one month |
| `append` | adds the rows, once per run |
| `merge` | upsert: replaces the rows with the same `key`, adds the others |
| `merge_newer: column` | like `merge`, but only with newer rows |
| `scd2` | keeps every version of a row |

A reader sees the old rows or the new rows. If the table does not exist, it is created with the declared types. An
existing table is never altered; see `etlrun migrate`. All tables of one connection are published in one transaction:
either all or none. If a pipeline computes the same rows that its last run appended, they are not appended again. A
pipeline may append to tables of several connections: if a run fails after the first of them, the next run only
publishes the saved rows to the others and reads no input; the run after that reads the new input.

```yaml
sinks:
  interaction_data:
    table: {from: profile, connection: warehouse, key: [Contract], write: replace}
```

`merge_newer` names the column that decides which row is newer, so that a late row does not replace a newer one. A row
is not written if the table has an equal or greater value for its key, or if its own value is null. A key that is not in
the table is added. A null in the table is older than any value. The run reads the key and this column from the table.

```yaml
sinks:
  orders:
    table: {from: orders, connection: warehouse, key: [id], write: {merge_newer: updated_at}}
```

`table: marts.orders` publishes into another schema (in MySQL: another database of the server). The schema must exist.

`scd2` is a slowly changing dimension of type 2. The relation holds the current state, one row for each `key`. The table
has three more columns: `valid_from`, `valid_to` (null for the current version) and `is_current`. The time of a run is
its start in UTC, or `as_of`. If one of the `track` columns of a row has changed, the run closes its current version and
adds a new version. Columns that are not tracked keep the values from the start of the version. A second run for the
same time replaces the versions of the first; a run for an earlier time is an error. The run reads the whole table to
compare.

```yaml
sinks:
  customers:
    table:
      from: profile
      connection: warehouse
      key: [Contract]
      write: scd2
      history: {track: [Level_Activeness], missing: end}
```

`columns` is a contract with the readers of the table: the type and meaning of every column. If the relation has other
columns or types, `etlrun check` reports a mistake. `not null` after a type is checked before the publish.

```yaml
sinks:
  interaction_data:
    table:
      from: profile
      connection: warehouse
      write: replace
      columns:
        Contract: string not null
        Active: {type: bigint, description: on how many days it was used}
```

`publish: pointer` is for very large tables in MySQL, MariaDB and PostgreSQL. The table name then belongs to a view over
the table `NAME__data`. A publish first loads the new rows into `NAME__data`, next to the current rows; then a short
transaction switches the view to them. The old rows stay, and `etlrun rollback NAME` switches back to them at once. This
needs twice the disk space, a `key`, and at the first run the right to create a view (MySQL: CREATE VIEW; PostgreSQL:
CREATE on the schema). DuckDB ignores `pointer`: there every publish is one transaction and old rows are not kept.

```yaml
sinks:
  interaction_data:
    table: {from: profile, connection: warehouse, key: [Contract], write: replace, publish: pointer, keep: 2}
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from etlrun.contracts.connection import Load, Publish, Write
from etlrun.contracts.database_sink import DatabaseSink
from etlrun.contracts.owned_rows import ReplaceWhere
from etlrun.contracts.published_columns import PublishedColumns, published_columns_key
from etlrun.contracts.row_history import RowHistory
from etlrun.contracts.sink import Publication, verify_key
from etlrun.language.columns import Columns
from etlrun.spec.fields import Described, key
from etlrun.spec.scope import Scope

NEWER_TYPES = ("date", "timestamp", "timestamptz", "tinyint", "smallint", "int", "bigint", "decimal")


@dataclass(frozen=True)
class MergeNewer(Described):
    """A merge that never replaces a newer row."""

    merge_newer: str = key(
        "the column that decides which of two rows with the same key is newer: a date, timestamp, integer or decimal "
        "that only increases",
        example="updated_at",
    )


@dataclass(frozen=True)
class Table(DatabaseSink):
    """Publishes a relation as a table of a connection, in one transaction."""

    what: ClassVar[str] = "table"
    also: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("mode", "write_mode", "write_disposition", "if_exists", "materialized"), "write"),
        **dict.fromkeys(("primary_key", "unique_key"), "key"),
        "name": "table",
    }

    from_: str = key("the relation to publish", yaml="from")
    connection: str = key("the name of a connection in the profile")
    write: Literal["replace", "append", "merge", "scd2"] | ReplaceWhere | MergeNewer = key(
        "`replace`, `append`, `merge`, `scd2`, `{merge_newer: column}` or `{replace_where: condition}`"
    )
    history: RowHistory | None = key(
        "with `write: scd2`: which changes start a new version, and the names of its columns", default=None
    )
    key_: tuple[str, ...] = key("the columns that identify a row: the primary key of the table", yaml="key", default=())
    table: str = key(
        "the name of the table; default: the name of the sink. Add the schema if it is not the default schema: "
        "`marts.orders`",
        default="",
        example="marts.orders",
    )
    columns: PublishedColumns = published_columns_key()
    min_rows: int = key("the run stops before it publishes if there are fewer rows", default=1)
    publish_: Publish = key(
        "`transaction` replaces the rows of the table; `pointer` loads the new rows into another table and then "
        "switches a view to them",
        yaml="publish",
        default="transaction",
    )
    keep: int = key("with `publish: pointer`: the number of publishes that `etlrun rollback` can undo", default=1)
    allow_cascade: bool = key(
        "`true`: a publish may change rows of other tables, through foreign keys with ON DELETE CASCADE or SET NULL, "
        "triggers or rules. In MySQL and MariaDB an account sees these only with the rights REFERENCES on the whole "
        "server and TRIGGER on the table",
        default=False,
    )

    def verify(self, columns: Columns, scope: Scope) -> None:
        verify_key(self.key_, columns, scope)
        if self.write == "scd2":
            self._versions.verify(self.key_, columns, scope)
        elif self.history is not None:
            fix = "write `write: scd2`, or remove `history`"
            scope.error("history", "wrong-value", "`history` needs `write: scd2`", fix)
        super().verify(columns, scope)
        if self.mode in ("merge", "scd2") and not self.key_:
            written = "merge_newer" if isinstance(self.write, MergeNewer) else self.mode
            scope.error("write", "missing-key", f"`{written}` compares rows by key, but `key` is missing")
        if isinstance(self.write, MergeNewer):
            self._verify_newer(self.write.merge_newer, columns, scope.below("write"))
        if isinstance(self.write, ReplaceWhere):
            scope.condition(columns, self.write.replace_where, ("write", "replace_where"))
        if self.publish_ == "pointer":
            self._verify_pointer(scope)

    def _verify_newer(self, name: str, columns: Columns, scope: Scope) -> None:
        found = scope.column(columns, name, "merge_newer")
        if found.name.lower() in {each.lower() for each in self.key_}:
            message = f"`{found.name}` is part of the key, so it is the same in rows with the same key"
            scope.error("merge_newer", "wrong-value", message, "name a column such as `updated_at`")
        elif found.type.name not in NEWER_TYPES:
            message = f"a date, timestamp, integer or decimal is needed to decide what is newer, and `{found.name}` is {found.type}"
            is_fraction = found.type.name in ("float", "double")
            fix = "cast it to `decimal(p, s)` first" if is_fraction else "cast it first, e.g. with `to_timestamp`"
            scope.error("merge_newer", "type-mismatch", message, fix)

    def _verify_pointer(self, scope: Scope) -> None:
        if self.mode in ("append", "merge", "scd2"):
            scope.error(
                "write",
                "wrong-value",
                f"`publish: pointer` replaces all rows, but `{self.mode}` keeps some of them",
                "use `replace` or `replace_where`, or `publish: transaction`",
            )
        if not self.key_:
            scope.error("publish", "missing-key", "`publish: pointer` needs a `key`")
        if self.keep < 0:
            scope.error("keep", "wrong-value", f"`keep` is {self.keep}, and must be 0 or more")

    @property
    def mode(self) -> Write:
        """What happens to the existing rows, in one word."""
        if isinstance(self.write, str):
            return self.write
        return "merge" if isinstance(self.write, MergeNewer) else "replace_where"

    def place(self, name: str) -> tuple[str, str, str]:
        part = self.write.spelled if isinstance(self.write, ReplaceWhere) else ""
        return *super().place(name)[:2], part

    @property
    def _versions(self) -> RowHistory:
        return self.history or RowHistory()

    def stored(self, columns: Columns) -> Columns:
        return self._versions.beside(columns) if self.write == "scd2" else columns

    def replaces_all(self) -> bool:
        return self.write == "replace"

    def appends(self) -> bool:
        return self.write == "append"

    def look_ahead(self, publication: Publication) -> str:
        load = self.load(publication)
        where = f"the table {load.table} of {self.connection}"
        if not self.is_there(publication, load):
            return f"creates {where} ({', '.join(f'{item.name} {item.type}' for item in load.columns)})"
        doings = {
            "replace": f"replaces the rows of {where}",
            "replace_where": f"replaces the rows of {where} where {load.period}",
            "append": f"appends to {where}",
            "merge": f"merges into {where} by {', '.join(load.key)}{f', what is newer by {load.newer}' if load.newer else ''}",
            "scd2": f"adds versions of rows to {where} by {', '.join(self.key_)}",
        }
        return doings[load.write]

    def load(self, publication: Publication) -> Load:
        condition, period = None, ""
        if isinstance(self.write, ReplaceWhere):
            condition = publication.scope.condition(
                publication.columns, self.write.replace_where, ("write", "replace_where")
            )
            period = condition.sql(dialect="spark") if condition is not None else ""
        history = self._versions.of(self.key_, publication) if self.write == "scd2" else None
        return Load(
            self.table_name(publication.sink),
            self.published(publication.columns),
            (*self.key_, history.valid_from) if history is not None else self.key_,
            self.mode,
            condition,
            period,
            publication.files,
            publication.rows,
            publication.checksum,
            publication.run_id,
            publication.pipeline,
            publication.spec_hash,
            publication.description,
            self.publish_,
            self.keep,
            self.allow_cascade,
            history,
            newer=self.write.merge_newer if isinstance(self.write, MergeNewer) else "",
        )
