"""`rename` - change the names of columns: `old: new`. All other columns and the order stay.

```yaml
steps:
  renamed:
    - from: people
    - rename: {nm: name}
```

```rows
people: {nm: string, age: int}
| nm | age |
| An | 30  |
->
| name | age |
| An   | 30  |
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from sqlglot import exp

from etlrun.contracts.relation import Input, named
from etlrun.contracts.step import Step
from etlrun.language.columns import Column, Columns
from etlrun.language.expressions import column
from etlrun.spec.fields import key
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class Rename(Step):
    """Give columns other names: `old: new`."""

    short: ClassVar[str] = "columns"
    keeps_rows: ClassVar[bool] = True

    columns: Mapping[str, str] = key("old name: new name")

    def output(self, columns: Columns, scope: Scope) -> Columns:
        meant: list[Column] = []
        swapped = {old for old, new in self.columns.items() if old not in columns and new in columns}
        for old, new in self.columns.items():
            if old in swapped:
                scope.error_at_key(
                    ("columns", old),
                    "unknown-column",
                    f"there is no column `{old}` here",
                    f"write it as `{new}: {old}`: old name first",
                )
                continue
            if old not in columns:
                meant.append(replace(scope.column(columns, old, ("columns", old)), misspelled=new))
        names = self._names()
        untouched = Columns(tuple(item for item in columns if item.name.lower() not in names))
        taken = untouched
        for old, new in self.columns.items():
            if old not in swapped:
                scope.new_column(taken, new, ("columns", old))
            found = columns.get(old)
            if found:
                taken = taken.with_column(replace(found, name=new))
        result = columns.renamed(names)
        for item in meant:
            result = result.with_column(item)
        return result

    def _names(self) -> dict[str, str]:
        return {old.lower(): new for old, new in self.columns.items()}

    def lower(self, relation: Input) -> exp.Query:
        names = self._names()
        outputs: list[exp.Expr] = []
        for item in relation.columns:
            new = names.get(item.name.lower())
            outputs.append(named(column(item.name), new) if new else column(item.name))
        return relation.select(*outputs)
