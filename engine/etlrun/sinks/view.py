"""`view` - publishes a relation as a database view: the database computes the rows at each read.

The view can read only tables of this `connection`. So every source of the relation must be such a table. If a source is
something else, such as files, the pipeline must first publish the source, or a chain between it and the view, as a
`table` of this connection with `write: replace`.

A run also reads the tables: it tests the checks and `min_rows` on the current rows, and then creates or replaces the
view in one step. It stops if the name belongs to a table, to a view that etlrun did not create, or to a view whose
query somebody has changed.

```yaml
sinks:
  active_contracts:
    view: {from: active, connection: warehouse}
```

In DuckDB a view may use every step except `enrich` and `python`. MySQL, MariaDB and PostgreSQL have different rules for
numbers, texts and dates, so `etlrun check` accepts only what they compute in the same way:

* the steps `from`, `filter`, `select`, `rename`, `drop`, `join` and `dedupe`, and `aggregate` with `count`, `sum`, `min`
  and `max`, also in a `pivot`;
* expressions of columns, constants, and `case` and `coalesce` of values of one type;
* conditions that compare a column with a column or constant of the same type.

In MySQL and MariaDB the account needs CREATE VIEW and DROP, because the view is first created under another name. In
PostgreSQL the view is dropped and created again in one transaction: grants on it are lost, and if another view reads
it, the run stops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etlrun.contracts.connection import Load
from etlrun.contracts.database_sink import DatabaseSink
from etlrun.contracts.published_columns import PublishedColumns, published_columns_key
from etlrun.contracts.sink import Publication
from etlrun.spec.fields import key


@dataclass(frozen=True)
class View(DatabaseSink):
    """Publishes a relation as a view: the database computes it from its own tables at each read."""

    what: ClassVar[str] = "view"

    from_: str = key("the relation to publish", yaml="from")
    connection: str = key("the name of the connection with the tables from which the view is computed")
    view: str = key(
        "the name of the view; default: the name of the sink. Add the schema if it is not the default schema: "
        "`marts.orders`",
        default="",
        example="marts.daily_sales",
    )
    columns: PublishedColumns = published_columns_key()
    min_rows: int = key("the view is not created if it would have fewer rows at the time of the run", default=0)

    def is_view(self) -> bool:
        return True

    def replaces_all(self) -> bool:
        return True

    def look_ahead(self, publication: Publication) -> str:
        load = self.load(publication)
        doing = "replaces" if self.is_there(publication, load) else "makes"
        return f"{doing} the view {load.table} of {self.connection}"

    def load(self, publication: Publication) -> Load:
        return Load(
            self.table_name(publication.sink),
            self.published(publication.columns),
            (),
            "view",
            None,
            "",
            publication.files,
            publication.rows,
            publication.checksum,
            publication.run_id,
            publication.pipeline,
            publication.spec_hash,
            publication.description,
            query=publication.query,
        )
