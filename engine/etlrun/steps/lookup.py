"""`lookup` - the label of a code, from a mapping.

`unmatched` decides about a row whose code has no label or is null: `drop` removes it, `null` keeps it without a label,
and any other text is used as the label.

```yaml
steps:
  typed:
    - from: views
    - lookup: {column: app, map: app_content, as: type, unmatched: drop}
```

```rows
mapping app_content: {TV: [CHANNEL, KPLUS], Film: [VOD]}
views: {app: string}
| app     |
| KPLUS   |
| VOD     |
| UNKNOWN |
| null    |
->
| app     | type |
| KPLUS   | TV   |
| VOD     | Film |
```
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from etlrun.contracts.relation import Input, named
from etlrun.contracts.step import Step
from etlrun.language.columns import NULL, STRING, Column, Columns
from etlrun.language.expressions import call, column, literal
from etlrun.spec.fields import Label, key
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class Lookup(Step):
    """Give each code its label from a mapping."""

    column: str = key("the column with the code")
    map: str = key("the name of the mapping: a file in mappings/, without `.yaml`")
    as_: str = key("the new column with the label", yaml="as")
    unmatched: Label = key(
        "rows whose code has no label: `drop` removes them, `null` sets null, any other text is used as the label"
    )

    def output(self, columns: Columns, scope: Scope) -> Columns:
        code = scope.column(columns, self.column, "column")
        if code.type not in (STRING, NULL):
            scope.error(
                "column",
                "type-mismatch",
                f"a code is text, but `{code.name}` is {code.type}",
                "cast it to string first",
            )
        mapping = scope.mapping(self.map, "map")
        scope.new_column(columns, self.as_, "as")
        labels = mapping.labels if mapping else ()
        if self.unmatched not in ("drop", "null"):
            labels = (*labels, self.unmatched) if self.unmatched not in labels else labels
        return columns.with_column(Column(self.as_, STRING, nullable=self.unmatched == "null", domain=labels or None))

    def lower(self, relation: Input) -> exp.Query:
        label = call("label_of", column(self.column), literal(self.map))
        if self.unmatched == "drop":
            return relation.select(*relation.all(), named(label, self.as_)).where(label.copy().is_(exp.Null()).not_())
        if self.unmatched != "null":
            label = call("coalesce", label, literal(self.unmatched))
        return relation.select(*relation.all(), named(label, self.as_))
