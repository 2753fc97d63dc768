"""`carry` - fill nulls with the last value before them, such as a price until the next price.

In each group of `per`, in the given order, a null in `columns` is replaced by the nearest earlier value; before the
first value it stays null. The order must be total, as for `top`: together with `per` it must contain a key of the
relation, or all of its columns.

```yaml
steps:
  quoted:
    - from: prices
    - carry: {columns: [price], per: [shop], order: [day]}
```

```rows
prices: {shop: string key, day: date key, price: int}
| shop | day        | price |
| A    | 2024-01-01 | null  |
| A    | 2024-01-02 | 7     |
| A    | 2024-01-03 | null  |
| B    | 2024-01-02 | null  |
->
| shop | day        | price |
| A    | 2024-01-01 | null  |
| A    | 2024-01-02 | 7     |
| A    | 2024-01-03 | 7     |
| B    | 2024-01-02 | null  |
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from etlrun.contracts.ordering import check_order, over
from etlrun.contracts.relation import Input, named
from etlrun.contracts.step import Step
from etlrun.language.columns import Columns
from etlrun.language.expressions import call, column
from etlrun.spec.fields import Expr, key
from etlrun.spec.scope import HIDDEN, Scope


@dataclass(frozen=True)
class Carry(Step):
    """Fill nulls with the last value before them."""

    keeps_rows: ClassVar[bool] = True

    columns: tuple[str, ...] = key("the columns in which nulls are filled")
    order: tuple[Expr, ...] = key("the sort order: `column`, `column desc`, or expressions")
    per: tuple[str, ...] = key("the columns to group by; default: the whole relation is one group", default=())

    def output(self, columns: Columns, scope: Scope) -> Columns:
        scope.parts(columns, self.per, "per")
        check_order(self.order, self.per, columns, scope)
        result = columns
        for index, name in enumerate(self.columns):
            found = scope.column(columns, name, ("columns", index))
            if not found.type.is_orderable:
                scope.error(
                    ("columns", index),
                    "type-mismatch",
                    f"`{found.name}` is {found.type}, a type that `carry` does not support",
                )
            if name.lower() in {other.lower() for other in (*self.per, *self.columns[:index])}:
                scope.error(("columns", index), "column-exists", f"`{name}` is defined twice", "name it once")
            result = result.with_column(found)
        return result

    def lower(self, relation: Input) -> exp.Query:
        """Number the runs of rows that begin with a value. Each run has only that one value, so `max` over the run finds it."""
        order = [relation.ordering(item, ("order", index)) for index, item in enumerate(self.order)]
        parts = {name.lower(): f"{HIDDEN}part_{index}" for index, name in enumerate(self.columns)}
        counts = (
            named(over(call("count", column(name)), self.per, *(item.copy() for item in order)), parts[name.lower()])
            for name in self.columns
        )
        rows = relation.select(*relation.all(), *counts).subquery("rows", copy=False)
        outputs: list[exp.Expr] = []
        for item in relation.columns:
            part = parts.get(item.name.lower())
            greatest = over(call("max", column(item.name)), (*self.per, part)) if part else None
            outputs.append(named(greatest, item.name) if greatest is not None else column(item.name))
        return exp.select(*outputs).from_(rows)
