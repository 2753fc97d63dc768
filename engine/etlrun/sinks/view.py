"""`view` - publishes a relation as a view: the database computes it from its own tables whenever somebody reads it.

Every source that the relation is made from is a table of this `connection`, or comes after a relation that the pipeline publishes there
as a whole table (`write: replace`). A run reads the tables, too: checks and `min_rows` hold for the rows of that moment, and then the
view is made or replaced in one step. A table of that name, a view that etlrun did not make there, and one whose query somebody changed since are left alone.

```yaml
sinks:
  active_contracts:
    view: {from: active, connection: warehouse}
```

In DuckDB a view may say all that a pipeline can, but for `enrich` and `python`. MySQL, MariaDB and PostgreSQL have other rules for
numbers, texts and dates, so `etlrun check` refuses what they could compute in another way. They take `from` one or several relations,
`filter`, `select`, `rename`, `drop`, `join`, constants, `case` and `coalesce` of values of one type, `dedupe`, and `aggregate` with `count`,
`sum`, `min` and `max`, `pivot` of these included. Conditions compare columns with columns or constants of the same type.

In MySQL and MariaDB the account needs CREATE VIEW and DROP, since a view is tried under another name first. In PostgreSQL a view is
dropped and made again in one transaction: rights that were granted on it are gone then, and a view that reads it stops the run.
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
    """Publishes a relation as a view: the database computes it from its own tables whenever somebody reads it."""

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
