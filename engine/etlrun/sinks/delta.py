"""`delta` - publishes a relation as a Delta Lake table, in one commit.

`path` is the folder of the table: in the project, or in a store that `storage:` of `etlrun.yaml` names
(`s3://lake/tables/orders`). A publish links the run's Parquet files into the table (or copies them to another disk or a
store) and does not read the rows again. With `partition_by`, DuckDB writes the rows again, one file for each partition.
A reader sees the version before the publish or the version after it. Old versions can be read until somebody runs
VACUUM.

```yaml
sinks:
  daily_views:
    delta: {from: profile, path: lake/daily_views, partition_by: [month], write: {replace_where: month = '2022-04'}}
```

`write: replace` replaces all rows, and also the columns of the table; the run prints a notice if the columns change.
`replace_where` replaces partitions: its condition is `column = value` for partition columns, joined by `and`. `append`
adds rows.

A run publishes at most once, because its id is in the Delta log. If a run computes the same rows that the last run
appended, they are not appended again, and an older run never replaces the rows of a newer run. If another program
commits at the same time, the publish is tried again; it never replaces rows that the other program wrote. This needs a
store with conditional writes ("write only if the object does not exist"): Amazon S3, Google Cloud Storage and Azure
have them. Tables at `gs://` are not covered by the tests of etlrun. If a run is killed, its unused files stay in the
folder; a publish removes them after a week.

The sink needs `pip install 'etlrun[delta]'`. A table with a column of type timestamp needs readers that support reader
version 3 with the feature `timestampNtz`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from sqlglot import exp

from etlrun.contracts.owned_rows import ReplaceWhere
from etlrun.contracts.partitions import verify_partitions
from etlrun.contracts.published_columns import (
    PublishedColumns,
    published_columns_key,
    required_columns,
    verify_columns,
    with_descriptions,
)
from etlrun.contracts.sink import Publication, Sink, canonical_place, published_file, verify_place
from etlrun.language.columns import Column, Columns
from etlrun.spec.fields import key
from etlrun.spec.scope import HIDDEN, Scope
from etlrun.spec.urls import is_url

if TYPE_CHECKING:
    from etlrun.lake.commits import Write
    from etlrun.lake.table_folder import TableFolder

UNNAMEABLE = frozenset(" ,;{}()\n\t=")
HOW = "write `column = value` for columns of `partition_by`, joined by `and`"


@dataclass(frozen=True)
class Delta(Sink):
    """Publishes a relation as a table of Delta Lake, in one commit."""

    also: ClassVar[Mapping[str, str]] = {"mode": "write", "partition": "partition_by", "partitioned_by": "partition_by"}

    from_: str = key("the relation to publish", yaml="from")
    path: str = key("the folder of the table, relative to the project, or a URL in a store", example="lake/orders")
    write: Literal["replace", "append"] | ReplaceWhere = key("`replace`, `append`, or `{replace_where: condition}`")
    partition_by: tuple[str, ...] = key("the partition columns", default=(), example=("month",))
    columns: PublishedColumns = published_columns_key()
    min_rows: int = key("the run stops before it publishes if there are fewer rows", default=1)

    def verify(self, columns: Columns, scope: Scope) -> None:
        verify_partitions(self.partition_by, columns, scope)
        for item in (item for item in columns if not item.name.startswith(HIDDEN)):
            if UNNAMEABLE.intersection(item.name):
                fix = "give it another name: `rename`"
                scope.error("from", "bad-name", f"`{item.name}` has a character that no Delta column may have", fix)
            if "null" in str(item.type):
                fix = "`drop` it, or `cast` it to the type that it should have"
                scope.error("from", "type-mismatch", f"`{item.name}` is {item.type}, which a table cannot hold", fix)
        verify_place(self.path, scope)
        verify_columns(self.columns, columns, scope)
        if isinstance(self.write, ReplaceWhere):
            self._owned(columns, scope)

    def place(self, name: str) -> tuple[str, str, str]:
        part = self.write.spelled if isinstance(self.write, ReplaceWhere) else ""
        return "", canonical_place(self.path), part

    def table_written(self, name: str) -> tuple[str, str]:
        return self.place(name)[:2]

    def published(self, columns: Columns) -> Columns:
        return with_descriptions(self.columns, columns)

    def required(self) -> tuple[str, ...]:
        return required_columns(self.columns)

    def replaces_all(self) -> bool:
        return self.write == "replace"

    def appends(self) -> bool:
        return self.write == "append"

    def look_ahead(self, publication: Publication) -> str:
        from etlrun.lake.delta_log import foresee

        table, notices = foresee(self._folder(publication), publication, self._write(publication))
        if table is None:
            return f"creates the Delta table {self.path}"
        doing = {"replace": "replaces the rows of", "append": "appends to"}
        start = doing[self.write] if isinstance(self.write, str) else "replaces partitions of"
        return "; ".join([f"{start} the Delta table {self.path}", *notices])

    def publish(self, publication: Publication) -> dict[str, Any]:
        from etlrun.lake.delta_log import publish

        write = self._write(publication)
        committed = publish(self._folder(publication), publication, write)
        return {
            "file": self.path,
            "write": write.mode,
            "rows": publication.rows,
            "checksum": publication.checksum,
            "version": committed.version,
            **({"period": write.period} if write.period else {}),
            **({"notices": list(committed.notices)} if committed.notices else {}),
        }

    def _folder(self, publication: Publication) -> TableFolder:
        from etlrun.lake.table_folder import table_folder

        if not is_url(self.path):
            published_file(publication.root, self.path)
        return table_folder(publication.root, self.path, publication.stores, publication.scratch)

    def _write(self, publication: Publication) -> Write:
        from etlrun.lake.commits import Write

        keys = tuple(item.name for item in self._keys(publication.columns))
        if isinstance(self.write, ReplaceWhere):
            owned = self._owned(publication.columns, publication.scope)
            return Write("replace_where", keys, owned)
        return Write(self.write, keys)

    def _keys(self, columns: Columns) -> list[Column]:
        return [item for name in self.partition_by if (item := columns.get(name)) is not None]

    def _owned(self, columns: Columns, scope: Scope) -> Mapping[str, str]:
        """The values of partition columns that `replace_where` names, as text; mistakes go to `scope`."""
        assert isinstance(self.write, ReplaceWhere)
        at = ("write", "replace_where")
        tree = scope.condition(columns, self.write.replace_where, at)
        if tree is None:
            return {}
        found: dict[str, str] = {}
        keys = {item.name.lower(): item for item in self._keys(columns)}
        for part in _parts(tree):
            item, value = _equality(part, keys)
            if item is None or value is None or found.get(item.name, value) != value:
                scope.error(at, "wrong-value", "a Delta table is replaced by whole partitions", HOW)
                return {}
            found[item.name] = value
        return found


def _parts(tree: exp.Expr) -> Iterator[exp.Expr]:
    """The conditions that `and` joins."""
    tree = tree.unnest()
    if isinstance(tree, exp.And):
        yield from _parts(tree.left)
        yield from _parts(tree.right)
    else:
        yield tree


def _equality(tree: exp.Expr, keys: Mapping[str, Column]) -> tuple[Column | None, str | None]:
    """The partition column and the value, as text, of `column = value`; None where the condition is something else."""
    if not isinstance(tree, exp.EQ):
        return None, None
    left, right = tree.left.unnest(), tree.right.unnest()
    if isinstance(right, exp.Column):
        left, right = right, left
    item = keys.get(left.name.lower()) if isinstance(left, exp.Column) else None
    return item, _text(right, item) if item is not None else None


def _text(node: exp.Expr, item: Column) -> str | None:
    """A constant as the text of a partition's value."""
    while isinstance(node, (exp.Cast, exp.Paren)):
        node = node.this
    if isinstance(node, exp.Boolean):
        return "true" if node.this else "false"
    sign = "-" if isinstance(node, exp.Neg) else ""
    node = node.this if isinstance(node, exp.Neg) else node
    if not isinstance(node, exp.Literal):
        return None
    try:
        if item.type.is_integer:
            return str(int(sign + node.name))
        if item.type.name == "date":
            return date.fromisoformat(node.name).isoformat()
    except ValueError:
        return None
    return node.name if node.is_string and node.name else None
