"""`derive` - add columns computed from each row.

Each expression can use the input columns and the columns derived above it. A name that already exists is an error: to
change a column, use `replace`.

```yaml
steps:
  priced:
    - from: sales
    - derive: {total: price * units, is_large: total > 100}
```

```rows
sales: {price: int, units: int}
| price | units |
| 30    | 2     |
| 90    | 2     |
| null  | 1     |
->
| price | units | total | is_large |
| 30    | 2     | 60    | false    |
| 90    | 2     | 180   | true     |
| null  | 1     | null  | null     |
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from etlrun.contracts.relation import Input, named
from etlrun.contracts.step import Step
from etlrun.language.columns import NULL, Column, Columns
from etlrun.language.expressions import columns_in, type_of
from etlrun.spec.fields import Expr, key
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class Derive(Step):
    """Add columns computed from each row."""

    short: ClassVar[str] = "columns"
    keeps_rows: ClassVar[bool] = True

    columns: Mapping[str, Expr] = key("new column: expression")

    def output(self, columns: Columns, scope: Scope) -> Columns:
        for name, expression in self.columns.items():
            scope.new_column(columns, name, ("columns", name), is_key=True)
            tree = scope.tree(columns, expression, ("columns", name))
            columns = columns.with_column(Column(name, type_of(tree) if tree else NULL))
        return columns

    def lower(self, relation: Input) -> exp.Query:
        """One SELECT. If an expression uses a derived column, the expression of that column is inserted, so no subquery is needed."""
        known = relation.columns
        trees: dict[str, exp.Expr] = {}
        for name, expression in self.columns.items():
            tree = relation.scope.tree(known, expression, ("columns", name))
            assert tree is not None
            known = known.with_column(Column(name, type_of(tree)))
            trees[name.lower()] = _inline(tree, trees)
        return relation.select(*relation.all(), *(named(trees[name.lower()], name) for name in self.columns))


def _inline(tree: exp.Expr, earlier: dict[str, exp.Expr]) -> exp.Expr:
    if not any(name.lower() in earlier for name in columns_in(tree)):
        return tree
    return tree.transform(
        lambda node: (
            exp.paren(earlier[node.name.lower()].copy())
            if isinstance(node, exp.Column) and node.name.lower() in earlier
            else node
        )
    )
