"""`argmax` - the label of the largest column of a column group.

If columns are equal, the first label wins: in the order of the mapping (`label order`) or alphabetically. Null is
smaller than any value; if all columns are null, the result is null.

```yaml
steps:
  favourite:
    - from: views
    - aggregate:
        by: [contract]
        pivot: {column: type, labels: [TV, Film], value: sum(seconds), fill: 0, as: totals}
    - argmax: {over: totals, as: most_watched}
```

```rows
views: {contract: string, type: string, seconds: bigint}
| contract | type | seconds |
| A        | Film | 5       |
| B        | TV   | 3       |
| B        | Film | 3       |
->
| contract | Film | TV | most_watched |
| A        | 5    | 0  | Film         |
| B        | 3    | 3  | TV           |
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from sqlglot import exp

from etlrun.contracts.relation import Input, named
from etlrun.contracts.step import Step
from etlrun.language.columns import STRING, Column, Columns
from etlrun.language.expressions import call, column, literal
from etlrun.spec.fields import key
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class Argmax(Step):
    """The label of the largest column of a column group."""

    keeps_rows: ClassVar[bool] = True

    over: str = key("the column group")
    as_: str = key("the new column with the label", yaml="as")
    ties: Literal["label order", "alphabetical"] = key(
        "the order in which labels with equal values are preferred", default="label order"
    )

    def output(self, columns: Columns, scope: Scope) -> Columns:
        group = scope.group(columns, self.over, "over")
        scope.new_column(columns, self.as_, "as")
        return columns.with_column(Column(self.as_, STRING, domain=group.domain if group else None))

    def lower(self, relation: Input) -> exp.Query:
        group = relation.columns.group(self.over)
        assert group is not None
        pairs = list(zip(group.labels, group.columns, strict=True))
        if self.ties == "alphabetical":
            pairs.sort()
        # `greatest` passes over nulls, and `=` is not true of them: the first column that equals the greatest wins.
        greatest = (
            call("greatest", *(column(name) for name in group.columns)) if len(pairs) > 1 else column(group.columns[0])
        )
        branches = [
            exp.If(this=exp.EQ(this=column(name), expression=greatest.copy()), true=literal(label))
            for label, name in pairs
        ]
        return relation.select(*relation.all(), named(exp.Case(ifs=branches), self.as_))
