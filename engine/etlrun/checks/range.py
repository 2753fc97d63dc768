"""`range` - the values of a column are between two bounds, which are included. Either bound may be left out.

Write bounds in the type of the column: `0`, `1.5`, `2022-04-30`. Nulls are ignored; use `not_null` to find them.

```yaml
steps:
  everyone:
    - from: people
checks:
  everyone:
    - range: {age: {min: 0, max: 120}, born: {min: 1900-01-01}}
```

```rows
people: {age: int, born: date}
| age | born       |
| 0   | 1900-01-01 |
| 120 | null       |
->
holds: all 2 rows are within range
```

```rows
people: {age: int, born: date}
| age  | born       |
| -1   | 1999-12-31 |
| 121  | 1899-12-31 |
| null | null       |
->
fails: 2 of 3 rows have `age` out of range: the values go from -1 to 121; 1 of 3 rows has `born` out of range: the values go from 1899-12-31 to 1999-12-31
```
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from sqlglot import exp

from etlrun.contracts.check import Check, Verdict, all_rows, of_rows, severity_key, where_key
from etlrun.contracts.relation import Input, named
from etlrun.language.columns import NULL, Columns, Type
from etlrun.language.expressions import call, column
from etlrun.spec.fields import Described, Expr, Scalar, key
from etlrun.spec.literals import LiteralError, literal_of
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class Bounds(Described):
    """The smallest and the largest value that a column may have."""

    min: Scalar | None = key("the smallest value allowed", default=None)
    max: Scalar | None = key("the largest value allowed", default=None)


@dataclass(frozen=True)
class Range(Check):
    """The values of a column lie between two bounds."""

    short: ClassVar[str] = "columns"

    columns: Mapping[str, Bounds] = key("column: `{min: smallest value, max: largest value}`")
    where: Expr | None = where_key()
    severity: Literal["error", "warn"] = severity_key()

    def verify(self, columns: Columns, scope: Scope) -> None:
        for name, bounds in self.columns.items():
            found = scope.column(columns, name, ("columns", name))
            if bounds.min is None and bounds.max is None:
                scope.error(("columns", name), "missing-key", "`min` or `max` is missing here")
            if found.type == NULL:
                continue
            if found.type.name in ("string", "boolean") or not found.type.is_orderable:
                scope.error(
                    ("columns", name),
                    "type-mismatch",
                    f"`{found.name}` is {found.type}, which has no range",
                    "use `accepted` or `expression`",
                )
                continue
            for bound, text in (("min", bounds.min), ("max", bounds.max)):
                try:
                    _literal(text, found.type)
                except LiteralError as error:
                    scope.error(("columns", name, bound), "type-mismatch", f"`{name}` is {found.type}: {error}")

    def lower(self, relation: Input) -> exp.Query:
        outputs = [named(call("count", exp.Star()), "rows")]
        for index, (name, bounds) in enumerate(self.columns.items()):
            outputs.extend(self._counts(index, name, bounds, relation.columns))
        return relation.select(*outputs)

    def _counts(self, index: int, name: str, bounds: Bounds, columns: Columns) -> Iterator[exp.Expr]:
        outside = exp.If(this=_is_outside(name, bounds, columns), true=column(name))
        yield named(call("count", exp.Case(ifs=[outside])), f"outside_{index}")
        yield named(call("min", column(name)), f"least_{index}")
        yield named(call("max", column(name)), f"greatest_{index}")

    def failing(self, relation: Input) -> exp.Query:
        outside = [_is_outside(name, bounds, relation.columns) for name, bounds in self.columns.items()]
        return relation.select(*relation.all()).where(exp.or_(*outside, copy=False))

    def judge(self, row: Mapping[str, Any]) -> Verdict:
        detail = [
            f"{of_rows(row[f'outside_{index}'], row['rows'], 'has', 'have')} `{name}` out of range: "
            f"the values go from {row[f'least_{index}']} to {row[f'greatest_{index}']}"
            for index, name in enumerate(self.columns)
            if row[f"outside_{index}"]
        ]
        return Verdict(not detail, "; ".join(detail) or f"{all_rows(row['rows'], 'is', 'are')} within range")


def _is_outside(name: str, bounds: Bounds, columns: Columns) -> exp.Expr:
    found = columns.get(name)
    assert found is not None
    least, greatest = _literal(bounds.min, found.type), _literal(bounds.max, found.type)
    outside: list[exp.Expr] = [exp.LT(this=column(name), expression=least)] if least is not None else []
    outside += [exp.GT(this=column(name), expression=greatest)] if greatest is not None else []
    return exp.or_(*outside, copy=False)


def _literal(text: Scalar | None, kind: Type) -> exp.Expr | None:
    return None if text is None else literal_of(text, kind)
