"""`accepted` - a column contains only these values.

Write values in the type of the column: text, integers, `true`, `2022-04-30`. Nulls are ignored; use `not_null` to find
them.

```yaml
steps:
  everyone:
    - from: people
checks:
  everyone:
    - accepted: {level: [High, Low], stars: [1, 2, 3]}
```

```rows
people: {level: string, stars: int}
| level | stars |
| High  | 3     |
| null  | null  |
->
holds: all 2 rows have accepted values in `level`, `stars`
```

```rows
people: {level: string, stars: int}
| level | stars |
| High  | 3     |
| Hihg  | 4     |
| low   | 2     |
->
fails: 2 of 3 rows have a `level` that is not in the list, e.g. `Hihg`; 1 of 3 rows has a `stars` that is not in the list, e.g. `4`
```
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from sqlglot import exp

from etlrun.contracts.check import Check, Verdict, all_rows, of_rows, severity_key, where_key
from etlrun.contracts.relation import Input, named
from etlrun.failures import without_personal
from etlrun.language.columns import NULL, Columns
from etlrun.language.expressions import call, column
from etlrun.spec.fields import Expr, Label, key
from etlrun.spec.literals import LiteralError, literal_of
from etlrun.spec.scope import Scope

OPTIONS = ("column", "values", "where", "severity")  # what may be written beside columns by mistake


@dataclass(frozen=True)
class Accepted(Check):
    """A column holds only these values."""

    short: ClassVar[str] = "columns"

    columns: Mapping[str, tuple[Label, ...]] = key("column: the list of accepted values")
    where: Expr | None = where_key()
    severity: Literal["error", "warn"] = severity_key()

    def verify(self, columns: Columns, scope: Scope) -> None:
        options = [name for name in self.columns if name in OPTIONS and name not in columns]
        if options:
            message = f"`accepted` expects columns with their values, but there is no column `{options[0]}`"
            scope.error_at_key(
                ("columns", options[0]), "unknown-column", message, f"write {self._with_columns(options)}"
            )
            return
        for name, values in self.columns.items():
            kind = scope.column(columns, name, ("columns", name)).type
            if kind == NULL:
                continue
            for index, value in enumerate(values):
                try:
                    literal_of(value, kind)
                except LiteralError as error:
                    scope.error(("columns", name, index), "type-mismatch", f"`{name}` is {kind}: {error}")

    def _with_columns(self, options: list[str]) -> str:
        """How to write it where `options` are taken for columns."""
        named_ = [(name, self.columns.get("values", ("...",))) for name in self.columns.get("column", ())]
        listed = [*named_, *((name, values) for name, values in self.columns.items() if name not in options)]
        shown = ", ".join(f"{name}: [{', '.join(values)}]" for name, values in listed) or "COLUMN: [...]"
        others = [f"{name}: {', '.join(self.columns[name])}" for name in ("where", "severity") if name in options]
        return f"`accepted: {{columns: {{{shown}}}, {', '.join(others)}}}`" if others else f"`accepted: {{{shown}}}`"

    def lower(self, relation: Input) -> exp.Query:
        outputs = [named(call("count", exp.Star()), "rows")]
        for index, (name, values) in enumerate(self.columns.items()):
            outputs.extend(self._counts(index, name, values, relation.columns))
        return relation.select(*outputs)

    def _counts(self, index: int, name: str, values: tuple[Label, ...], columns: Columns) -> Iterator[exp.Expr]:
        """Count the rows with other values, and give the smallest of these values."""
        other = exp.Case(ifs=[exp.If(this=_is_other(name, values, columns), true=column(name))])
        yield named(call("count", other), f"others_{index}")
        yield named(call("min", other.copy()), f"example_{index}")

    def failing(self, relation: Input) -> exp.Query:
        others = [_is_other(name, values, relation.columns) for name, values in self.columns.items()]
        return relation.select(*relation.all()).where(exp.or_(*others, copy=False))

    def judge(self, row: Mapping[str, Any]) -> Verdict:
        detail = [
            f"{of_rows(row[f'others_{index}'], row['rows'], 'has', 'have')} a `{name}` that is not in the list, "
            f"e.g. `{without_personal(str(row[f'example_{index}']))[:40]}`"
            for index, name in enumerate(self.columns)
            if row[f"others_{index}"]
        ]
        if detail:
            return Verdict(False, "; ".join(detail))
        names = ", ".join(f"`{name}`" for name in self.columns)
        return Verdict(True, f"{all_rows(row['rows'], 'has', 'have')} accepted values in {names}")


def _is_other(name: str, values: tuple[Label, ...], columns: Columns) -> exp.Expr:
    found = columns.get(name)
    assert found is not None
    return exp.Not(this=exp.In(this=column(name), expressions=[literal_of(value, found.type) for value in values]))
