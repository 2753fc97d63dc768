"""Shared by sinks for lake tables: rows are published in one commit, and `replace_where` names partitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from sqlglot import exp

from etlrun.contracts.connection import Database
from etlrun.contracts.owned_rows import ReplaceWhere
from etlrun.contracts.partitions import verify_partitions
from etlrun.contracts.published_columns import PublishedColumns, required_columns, verify_columns, with_descriptions
from etlrun.contracts.sink import Publication, Sink, verify_key
from etlrun.lake.commits import Committed, Write
from etlrun.language.columns import Column, Columns
from etlrun.spec.fields import key
from etlrun.spec.scope import HIDDEN, Scope
from etlrun.storage.stores import Stores

if TYPE_CHECKING:
    from etlrun.lake.forgotten import Known
    from etlrun.lake.snapshot import Snapshot

LAKE_WORDS = {
    **dict.fromkeys(("mode", "write_mode", "write_disposition", "materialized"), "write"),
    **dict.fromkeys(("partition", "partitioned_by"), "partition_by"),
    **dict.fromkeys(("primary_key", "unique_key"), "key"),
}
HOW = "write `column = value` for columns of `partition_by`, joined by `and`"


def row_identity() -> Any:
    """The key `key` of a sink for lake tables."""
    return key(
        "the columns that identify a row. Before it publishes, the run checks that no two rows have the same values in "
        "them, and that none is null. `merge` needs it",
        yaml="key",
        default=(),
        example=("id",),
    )


class LakeSink(Sink):
    """Publishes a relation as a lake table. `what` is the name of such tables; `shown` is the name of this one in messages."""

    what: ClassVar[str]
    write: Literal["replace", "append", "merge"] | ReplaceWhere
    key_: tuple[str, ...]
    partition_by: tuple[str, ...]
    columns: PublishedColumns

    @property
    def shown(self) -> str:
        raise NotImplementedError

    def foresee(self, publication: Publication, write: Write) -> tuple[bool, tuple[str, ...]]:
        """Whether the table exists, and notices on what a publish would change. Raises RunFailure if the rows do not fit it."""
        raise NotImplementedError

    def commit(self, publication: Publication, write: Write) -> Committed:
        """Publish the rows, unless they are published already. If it raises RunFailure, the table is unchanged."""
        raise NotImplementedError

    def current(
        self, root: Path, open_database: Callable[[str], Database], stores: Stores, scratch: Path
    ) -> Snapshot | None:
        """The current version of the table; None if it does not exist. Raises RunFailure."""
        raise NotImplementedError

    def known(
        self, root: Path, open_database: Callable[[str], Database], stores: Stores, scratch: Path
    ) -> Known | None:
        """The runs in the log of the table; None if it does not exist. Raises RunFailure."""
        raise NotImplementedError

    def verify_place(self, columns: Columns, scope: Scope) -> None:
        """Report mistakes in the location of the table, and invalid names."""
        raise NotImplementedError

    def verify(self, columns: Columns, scope: Scope) -> None:
        verify_partitions(self.partition_by, columns, scope)
        for item in (item for item in columns if not item.name.startswith(HIDDEN)):
            if "null" in str(item.type):
                fix = "`drop` it, or `cast` it to the type that it should have"
                scope.error("from", "type-mismatch", f"`{item.name}` is {item.type}, which the table cannot store", fix)
        self.verify_place(columns, scope)
        verify_key(self.key_, columns, scope)
        if self.write == "merge" and not self.key_:
            scope.error("write", "missing-key", "`merge` compares rows by key, but `key` is missing")
        verify_columns(self.columns, columns, scope)
        if isinstance(self.write, ReplaceWhere):
            self._owned(columns, scope)

    @property
    def part(self) -> str:
        """The condition of the rows that it replaces; empty for the whole table."""
        return self.write.spelled if isinstance(self.write, ReplaceWhere) else ""

    def divided_by(self) -> tuple[str, ...]:
        return self.partition_by

    def published(self, columns: Columns) -> Columns:
        return with_descriptions(self.columns, columns)

    def required(self) -> tuple[str, ...]:
        return required_columns(self.columns)

    def identified_by(self) -> tuple[str, ...]:
        return self.key_

    def replaces_all(self) -> bool:
        return self.write == "replace"

    def appends(self) -> bool:
        return self.write == "append"

    @property
    def mode(self) -> str:
        """What happens to the existing rows, in one word."""
        return self.write if isinstance(self.write, str) else "replace_where"

    def look_ahead(self, publication: Publication) -> str:
        is_there, notices = self.foresee(publication, self._write(publication))
        if not is_there:
            return f"creates the {self.what} {self.shown}"
        doings = {
            "replace": f"replaces the rows of the {self.what} {self.shown}",
            "replace_where": f"replaces partitions of the {self.what} {self.shown}",
            "append": f"appends to the {self.what} {self.shown}",
            "merge": f"merges into the {self.what} {self.shown} by {', '.join(self.key_)}",
        }
        return "; ".join([doings[self.mode], *notices])

    def publish(self, publication: Publication) -> dict[str, Any]:
        write = self._write(publication)
        committed = self.commit(publication, write)
        return {
            "file": committed.place or self.shown,
            "write": write.mode,
            "rows": publication.rows,
            "checksum": publication.checksum,
            "version": committed.version,
            **({"period": write.period} if write.period else {}),
            **({"appended_by": committed.earlier} if committed.earlier else {}),
            **({"notices": list(committed.notices)} if committed.notices else {}),
        }

    def _write(self, publication: Publication) -> Write:
        keys = tuple(item.name for item in self._keys(publication.columns))
        if isinstance(self.write, ReplaceWhere):
            owned = self._owned(publication.columns, publication.scope)
            return Write("replace_where", keys, owned)
        return Write(self.write, keys, key=self.key_)

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
                message = f"{'an' if self.what[0] in 'AEIOU' else 'a'} {self.what} is replaced by whole partitions"
                scope.error(at, "wrong-value", message, HOW)
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
    """The partition column and the value, as text, of `column = value`; None for other conditions."""
    if not isinstance(tree, exp.EQ):
        return None, None
    left, right = tree.left.unnest(), tree.right.unnest()
    if isinstance(right, exp.Column):
        left, right = right, left
    item = keys.get(left.name.lower()) if isinstance(left, exp.Column) else None
    return item, _text(right, item) if item is not None else None


def _text(node: exp.Expr, item: Column) -> str | None:
    """A constant as the text of a partition value."""
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
