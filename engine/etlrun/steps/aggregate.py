"""`aggregate` - one row for each group, with aggregates and, by `pivot`, one column for each label.

The columns of a pivot are sorted by name; `fill` is the value if a group has no row with the label. Rows with a label
that is not listed, or null, are in no column; the run counts them and warns with their labels. `other: fail` stops the
run before it publishes, `other: drop` ignores these rows without a warning, and any other text is the name of a column
for them.

`labels` is best a list, or the name of a mapping (a label of a mapping may have no codes: `EUR: []`). Then the columns
do not depend on the data, and `etlrun check` knows all of them. If the data has other labels, a run warns and names
them; with `other: fail` it stops. If you do not need columns, `by: [contract, type]` gives one row for each label,
including new ones.

`labels: {from: currencies.code, at_most: 50}` takes the labels from a text column of a source or chain, as
`dbt_utils.pivot` does. A run first reads the distinct values of this column, without nulls, and then continues as if
you had listed them. It stops if there is no label, if there are more than `at_most`, or if two labels give the same
column name. `etlrun check` and `etlrun plan` show one column in place of all, such as `in_{label}`. Later steps
keep these columns, and can use them together as a column group (`as`), but cannot name one: to use the column of a
label, list the labels. After `unpivot` by `over`, all columns are known again. Such a relation can be published
with `files`, or with `write: replace`, without a contract in `columns`. A table of a database must have the columns of
the run: if a label is new or gone, the run stops before it publishes, and `etlrun migrate` adds or drops the column. A
Delta or Iceberg table gets the new columns, with a warning. Another pipeline that reads the table can use the column of a
label if its source declares all `columns` that it reads. Labels become names of columns, so a column with the tag
`pii` is refused.

`as` gives the new columns a common name, a column group; it keeps the order of the mapping or list;
labels from a column are sorted. Rows with null in
`by` form one group. Without `by` there is exactly one row, even if there are no input rows.

```yaml
steps:
  profile:
    - from: views
    - aggregate:
        by: [contract]
        pivot: {column: type, labels: [TV, Film, Sport], value: sum(seconds), name: "total_{label}", fill: 0, as: totals}
        columns: {days: count(distinct day)}
```

```rows
views: {contract: string, type: string, seconds: bigint, day: int}
| contract | type | seconds | day |
| A        | TV   | 10      | 1   |
| A        | Film | 5       | 1   |
| A        | TV   | 7       | 2   |
| B        | Film | 1       | 1   |
->
| contract | total_Film | total_Sport | total_TV | days |
| A        | 5          | 0           | 17       | 2    |
| B        | 1          | 0           | 0        | 1    |
```

```yaml
steps:
  by_currency:
    - from: orders
    - aggregate:
        by: [day]
        pivot: {column: currency, labels: {from: currencies.code}, value: sum(amount), name: "in_{label}", fill: 0}
```

```rows
orders: {day: int, currency: string, amount: bigint}
| day | currency | amount |
| 1   | EUR      | 5      |
| 1   | USD      | 7      |
| 2   | EUR      | 1      |
currencies: {code: string}
| code |
| USD  |
| EUR  |
| CHF  |
->
| day | in_CHF | in_EUR | in_USD |
| 1   | 0      | 5      | 7      |
| 2   | 0      | 1      | 0      |
```
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from sqlglot import exp

from etlrun.contracts.aggregate_rules import require_aggregate
from etlrun.contracts.check import Check
from etlrun.contracts.label_source import LabelSource
from etlrun.contracts.pivot import Pivot
from etlrun.contracts.relation import Input, named
from etlrun.contracts.step import Step
from etlrun.language.columns import NULL, Column, Columns
from etlrun.language.expressions import column, type_of
from etlrun.spec.fields import Expr, key
from etlrun.spec.scope import At, Scope


@dataclass(frozen=True)
class Aggregate(Step):
    """One row per group, with plain aggregates and one column per label of a pivot."""

    groups_rows: ClassVar[bool] = True
    also: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("group_by", "groupby", "per", "group"), "by"),
        **dict.fromkeys(("agg", "aggs", "aggregates", "measures", "metrics"), "columns"),
        "having": "write a `filter` after the `aggregate`",
    }

    by: tuple[str, ...] = key("the columns to group by", default=())
    pivot: Pivot | None = key("one new column for each label", default=None)
    columns: Mapping[str, Expr] = key("new column: aggregate expression", factory=dict)

    def label_source(self) -> LabelSource | None:
        labels = self.pivot.labels if self.pivot else None
        return labels if isinstance(labels, LabelSource) else None

    def with_labels(self, labels: tuple[str, ...]) -> Aggregate:
        source = self.label_source()
        assert self.pivot is not None and source is not None
        return replace(self, pivot=replace(self.pivot, labels=replace(source, found=labels)))

    def reads(self) -> Iterable[tuple[str, At]]:
        source = self.label_source()
        return [(source.relation, ("pivot", "labels", "from"))] if source and source.column else []

    def output(self, columns: Columns, scope: Scope) -> Columns:
        keys = scope.keys(columns, self.by, "by")
        for index, item in enumerate(keys):
            if not item.type.is_groupable:
                message = f"`{item.name}` is {item.type}, which cannot be compared for equality on every engine"
                scope.error(("by", index), "type-mismatch", message, "group by its elements or fields")
        result = Columns(keys)
        if not self.pivot and not self.columns and not self.by:
            scope.error((), "missing-key", "`by`, `columns` or `pivot` is missing here")
        if self.pivot:
            result = self.pivot.output(columns, result, self.by, scope)
        for name, expression in self.columns.items():
            scope.new_column(result, name, ("columns", name), is_key=True)
            tree = scope.tree(columns, expression, ("columns", name), may="aggregate")
            require_aggregate(tree, self.by, ("columns", name), scope)
            result = result.with_column(Column(name, type_of(tree) if tree else NULL))
        return result.with_unique(column.name for column in keys)

    def check_of_rows(self, relation: Input) -> tuple[str, Check] | None:
        """Whether every row is in a column of the pivot."""
        check = self.pivot.check(relation) if self.pivot else None
        return ("pivot", check) if check else None

    def lower(self, relation: Input) -> exp.Query:
        keys = [column(item.name) for item in self._keys(relation)]
        outputs: list[exp.Expr] = [*keys]
        if self.pivot:
            outputs.extend(self.pivot.outputs(relation))
        for name, expression in self.columns.items():
            outputs.append(named(relation.tree(expression, ("columns", name), may="aggregate"), name))
        query = relation.select(*outputs)
        return query.group_by(*(key.copy() for key in keys), copy=False) if keys else query

    def _keys(self, relation: Input) -> Iterator[Column]:
        for name in self.by:
            found = relation.columns.get(name)
            assert found is not None
            yield found
