"""`partition_by`: the columns by whose values a sink divides its files."""

from __future__ import annotations

from collections.abc import Sequence

from etlrun.language.columns import Columns
from etlrun.spec.scope import HIDDEN, Scope

# Types whose text is one for all readers.
PARTITIONS = ("string", "date", "boolean", "tinyint", "smallint", "int", "bigint")


def verify_partitions(partition_by: Sequence[str], columns: Columns, scope: Scope) -> None:
    """Report columns of `partition_by` that cannot be partition columns."""
    for index, name in enumerate(partition_by):
        found = scope.column(columns, name, ("partition_by", index))
        if name in columns and found.type.name not in PARTITIONS:
            fix = f"partition by a column of type {', '.join(PARTITIONS)}"
            message = f"`{found.name}` is {found.type}, which cannot be a partition"
            scope.error(("partition_by", index), "type-mismatch", message, fix)
        if name.lower() in [earlier.lower() for earlier in partition_by[:index]]:
            scope.error(("partition_by", index), "column-exists", f"`{name}` is defined twice", "remove one of them")
    shown = [item for item in columns if not item.name.startswith(HIDDEN)]
    if shown and len(shown) == sum(columns.get(name) is not None for name in partition_by):
        fix = "leave one of them out of `partition_by`"
        scope.error(
            "partition_by", "wrong-value", "every column is a partition column, so the files would have no columns", fix
        )
