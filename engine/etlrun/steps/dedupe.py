"""`dedupe` - keep one row for each distinct value of some columns: the first one in a given order.

Without `by`, one of several identical rows is kept.

```yaml
steps:
  latest:
    - from: events
    - dedupe: {by: [id], order: [at desc, kind]}
```

```rows
events: {id: int, at: string, kind: string}
| id | at    | kind  |
| 1  | 10:00 | enter |
| 1  | 11:00 | quit  |
| 1  | 11:00 | enter |
->
| id | at    | kind  |
| 1  | 11:00 | enter |
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from etlrun.contracts.ordering import check_order, first_rows
from etlrun.contracts.relation import Input
from etlrun.contracts.step import Step
from etlrun.language.columns import Columns
from etlrun.spec.fields import Expr, key
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class Dedupe(Step):
    """One row for each value of some columns: the first under a total order."""

    short: ClassVar[str] = "by"
    also: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("subset", "key", "keys", "per", "columns", "partition_by"), "by"),
        **dict.fromkeys(("order_by", "sort", "sort_by"), "order"),
        "keep": "write an `order`: the first row is kept; for the last row, write `desc` after the column",
    }

    by: tuple[str, ...] = key(
        "one row is kept for each distinct value of these columns; default: all columns", default=()
    )
    order: tuple[Expr, ...] = key("the sort order; the first row is kept", default=())

    def output(self, columns: Columns, scope: Scope) -> Columns:
        scope.parts(columns, self.by, "by")
        for item in columns if not self.by else ():
            if not item.type.is_orderable:
                scope.error(
                    (),
                    "type-mismatch",
                    f"`{item.name}` is {item.type}, which cannot be compared for equality on every engine",
                    "give `by`",
                )
        if self.by:
            check_order(self.order, self.by, columns, scope)
        elif self.order:
            scope.error("order", "missing-key", "`order` selects one of the rows with equal `by`, but `by` is missing")
        return columns.with_unique(self.by or columns.names)

    def lower(self, relation: Input) -> exp.Query:
        if not self.by:
            return relation.select(*relation.all()).distinct(copy=False)
        order = tuple(relation.ordering(item, ("order", index)) for index, item in enumerate(self.order))
        return first_rows(relation, self.by, order, 1)
