"""`top` - the first rows of each group, in a total order.

The order must be total, so that no two rows tie: together with `per` it must contain a key of the relation, or all of
its columns. Nulls come first in ascending and last in descending order, unless you write `nulls first` or `nulls last`.

```yaml
steps:
  most_searched:
    - from: searches
    - aggregate: {by: [user, keyword], columns: {hits: count(*)}}
    - top: {n: 1, per: [user], order: [hits desc, keyword]}
```

```rows
searches: {user: string, keyword: string}
| user | keyword |
| u1   | b       |
| u1   | a       |
| u2   | c       |
->
| user | keyword | hits |
| u1   | a       | 1    |
| u2   | c       | 1    |
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from etlrun.contracts.ordering import check_order, first_of_all, first_rows
from etlrun.contracts.relation import Input
from etlrun.contracts.step import Step
from etlrun.language.columns import Columns
from etlrun.language.order_by import MOST_ROWS
from etlrun.spec.fields import Expr, key
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class Top(Step):
    """The first rows of each group under a total order."""

    also: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("by", "group_by", "partition_by", "partition"), "per"),
        **dict.fromkeys(("order_by", "sort", "sort_by"), "order"),
        **dict.fromkeys(("limit", "rows", "count", "k"), "n"),
    }

    order: tuple[Expr, ...] = key("the sort order: `column`, `column desc`, or expressions")
    n: int = key("the number of rows for each group", default=1)
    per: tuple[str, ...] = key("the columns to group by; default: the whole relation is one group", default=())

    def output(self, columns: Columns, scope: Scope) -> Columns:
        scope.parts(columns, self.per, "per")
        if not 1 <= self.n <= MOST_ROWS:
            scope.error("n", "wrong-value", f"expected a number of rows from 1 to {MOST_ROWS}")
        check_order(self.order, self.per, columns, scope)
        return columns.with_unique(self.per) if self.n == 1 else columns

    def lower(self, relation: Input) -> exp.Query:
        order = tuple(relation.ordering(item, ("order", index)) for index, item in enumerate(self.order))
        if self.per:
            return first_rows(relation, self.per, order, self.n)
        return first_of_all(relation, order, self.n)
