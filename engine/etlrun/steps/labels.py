"""`labels` - the labels of all columns of a column group that fulfil a condition, joined into one text.

`where` is a condition without its left side, such as `"> 0"`; it is tested on each column. If no column fulfils it, the
text is empty, not null.

```yaml
steps:
  taste:
    - from: views
    - aggregate:
        by: [contract]
        pivot: {column: type, labels: [TV, Film], value: sum(seconds), fill: 0, as: totals}
    - labels: {over: totals, where: "> 0", as: taste}
```

```rows
views: {contract: string, type: string, seconds: bigint}
| contract | type | seconds |
| A        | Film | 5       |
| A        | TV   | 2       |
| B        | TV   | 3       |
->
| contract | Film | TV | taste   |
| A        | 5    | 2  | Film-TV |
| B        | 0    | 3  | TV      |
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from sqlglot import exp

from etlrun.contracts.relation import Input, named
from etlrun.contracts.step import Step
from etlrun.language.columns import STRING, Column, Columns
from etlrun.language.expressions import call, literal
from etlrun.spec.fields import Expr, key
from etlrun.spec.fragments import condition_on
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class Labels(Step):
    """The labels of a group's columns for which a condition holds, joined into one text."""

    keeps_rows: ClassVar[bool] = True

    over: str = key("the column group")
    where: Expr = key('the condition each column must fulfil, without its left side: `"> 0"`')
    as_: str = key("the new column", yaml="as")
    separator: str = key("the text between two labels", default="-")
    order: Literal["alphabetical", "label order"] = key("the order of the labels", default="alphabetical")

    def output(self, columns: Columns, scope: Scope) -> Columns:
        group = scope.group(columns, self.over, "over")
        if group is not None and group.columns:
            condition_on(group.columns[0], self.where, columns, "where", scope)
        scope.new_column(columns, self.as_, "as")
        return columns.with_column(Column(self.as_, STRING, nullable=False))

    def lower(self, relation: Input) -> exp.Query:
        group = relation.columns.group(self.over)
        assert group is not None
        pairs = list(zip(group.labels, group.columns, strict=True))
        if self.order == "alphabetical":
            pairs.sort()
        parts = []
        for label, name in pairs:
            condition = condition_on(name, self.where, relation.columns, "where", relation.scope)
            assert condition is not None
            parts.append(exp.Case(ifs=[exp.If(this=condition, true=literal(label))]))
        text = call("concat_ws", literal(self.separator), *parts)
        return relation.select(*relation.all(), named(text, self.as_))
