"""`cast` - change the type of columns. If a value does not fit, the run stops and shows the line of the spec.

```yaml
steps:
  typed:
    - from: raw
    - cast: {age: int}
```

```rows
raw: {name: string, age: string}
| name | age  |
| An   | 30   |
| Ba   | null |
->
| name: string | age: int |
| An           | 30       |
| Ba           | null     |
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from sqlglot import exp

from etlrun.contracts.relation import Input, named
from etlrun.contracts.step import Step
from etlrun.language.columns import NULL, Columns
from etlrun.language.expressions import cast, column
from etlrun.language.type_texts import parse_type
from etlrun.language.typed import castable
from etlrun.spec.fields import TypeText, key
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class Cast(Step):
    """Give columns another type."""

    short: ClassVar[str] = "columns"
    keeps_rows: ClassVar[bool] = True

    columns: Mapping[str, TypeText] = key("column: type")

    def output(self, columns: Columns, scope: Scope) -> Columns:
        for name, text in self.columns.items():
            found = scope.column(columns, name, ("columns", name))
            if name not in columns:
                continue
            kind = scope.type(text, ("columns", name))
            if NULL not in (kind, found.type) and not castable(found.type, kind):
                scope.error(
                    ("columns", name),
                    "type-mismatch",
                    f"`{found.name}` is {found.type}, which cannot be cast to {kind}",
                )
            columns = columns.with_column(
                replace(found, type=kind, domain=found.domain if kind == found.type else None)
            )
        return columns

    def lower(self, relation: Input) -> exp.Query:
        types = {name.lower(): parse_type(text) for name, text in self.columns.items()}
        return relation.select(
            *(
                named(cast(column(item.name), types[item.name.lower()]), item.name)
                if item.name.lower() in types
                else column(item.name)
                for item in relation.columns
            )
        )
