"""`bucket` - a name for the range that a column is in; the first case that is true wins.

Each case is a condition without its left side, such as `"> 20"` or `between 10 and 20`. If the column is null, no case
is true: the result is `else`, or null without `else`.

```yaml
steps:
  levels:
    - from: people
    - bucket: {column: days, as: level, cases: {High: "> 20", Medium: ">= 10"}, else: Low}
```

```rows
people: {days: int}
| days |
| 21   |
| 20   |
| 3    |
| null |
->
| days | level  |
| 21   | High   |
| 20   | Medium |
| 3    | Low    |
| null | Low    |
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from etlrun.contracts.relation import Input, named
from etlrun.contracts.step import Step
from etlrun.language.columns import STRING, Column, Columns
from etlrun.language.expressions import literal
from etlrun.spec.fields import Expr, Label, key
from etlrun.spec.fragments import condition_on
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class Bucket(Step):
    """Name the range that a column is in; the first case that is true wins."""

    keeps_rows: ClassVar[bool] = True

    column: str = key("the column to test")
    as_: str = key("the new column with the name", yaml="as")
    cases: Mapping[str, Expr] = key('name: condition without its left side, such as `"> 20"`')
    else_: Label | None = key("the name for all other rows; default: null", yaml="else", default=None)

    def output(self, columns: Columns, scope: Scope) -> Columns:
        judged = scope.column(columns, self.column, "column")
        for name, condition in self.cases.items():
            if judged.name in columns:
                condition_on(judged.name, condition, columns, ("cases", name), scope)
        scope.new_column(columns, self.as_, "as")
        bands = tuple(dict.fromkeys((*self.cases, *([self.else_] if self.else_ is not None else []))))
        return columns.with_column(Column(self.as_, STRING, nullable=self.else_ is None, domain=bands))

    def lower(self, relation: Input) -> exp.Query:
        branches = []
        for name, condition in self.cases.items():
            tree = condition_on(self.column, condition, relation.columns, ("cases", name), relation.scope)
            assert tree is not None
            branches.append(exp.If(this=tree, true=literal(name)))
        default = literal(self.else_) if self.else_ is not None else None
        return relation.select(*relation.all(), named(exp.Case(ifs=branches, default=default), self.as_))
