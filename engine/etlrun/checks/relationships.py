"""`relationships` - every row has a matching row in another relation, like a foreign key.

Rows in which one of the columns is null are ignored, as for a foreign key. Use `not_null` to find them.

```yaml
steps:
  sold:
    - from: orders
checks:
  sold:
    - relationships: {on: {customer: id}, to: customers}
```

```rows
orders: {number: int, customer: int}
| number | customer |
| 1      | 7        |
| 2      | null     |
customers: {id: int, name: string}
| id | name |
| 7  | An   |
| 8  | Ba   |
->
holds: each `customer` of 2 rows is in `customers`
```

```rows
orders: {number: int, customer: int}
| number | customer |
| 1      | 7        |
| 2      | 9        |
| 3      | 9        |
customers: {id: int, name: string}
| id | name |
| 7  | An   |
->
fails: 2 of 3 rows have a `customer` that is not in `customers`, such as `9`
```
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlglot import exp

from etlrun.contracts.check import Check, Verdict, of_rows, severity_key, where_key
from etlrun.contracts.relation import Input, named, relation_table
from etlrun.diagnostics import counted
from etlrun.failures import without_personal
from etlrun.language.columns import NULL, STRING, Columns
from etlrun.language.expressions import call, cast, column
from etlrun.language.functions import common_type
from etlrun.spec.fields import Expr, key
from etlrun.spec.scope import At, Scope

HERE, THERE = "here", "there"


@dataclass(frozen=True)
class Relationships(Check):
    """Every row has a partner in another relation: what a foreign key says."""

    to: str = key("the other relation: a source or a chain")
    on: tuple[str, ...] | Mapping[str, str] = key(
        "the columns to compare: a list if they have the same names, otherwise `column here: column of the other "
        "relation`"
    )
    where: Expr | None = where_key()
    severity: Literal["error", "warn"] = severity_key()

    def reads(self) -> Iterable[tuple[str, At]]:
        return [(self.to, "to")]

    def verify(self, columns: Columns, scope: Scope) -> None:
        other = scope.relation(self.to, "to")
        for index, (here, there) in enumerate(self._pairs().items()):
            at: At = ("on", here) if isinstance(self.on, Mapping) else ("on", index)
            one = scope.column(columns, here, at)
            two = scope.column(other, there, at) if len(other) else one
            if NULL in (one.type, two.type) or here not in columns or there not in other:
                continue
            if common_type((one.type, two.type)) is None or not (one.type.is_orderable and two.type.is_orderable):
                message = f"`{one.name}` is {one.type} here and `{two.name}` is {two.type} in `{self.to}`"
                scope.error(at, "type-mismatch", message, "`cast` one of them first")

    def lower(self, relation: Input) -> exp.Query:
        first = next(iter(self._pairs()))
        alone = exp.Case(ifs=[exp.If(this=self._is_alone(), true=cast(column(first, HERE), STRING))])
        counted = [named(call("count", exp.Star()), "rows"), named(call("count", alone), "alone")]
        return self._beside(relation, *counted, named(call("min", alone.copy()), "example"))

    def failing(self, relation: Input) -> exp.Query:
        return self._beside(relation, *(column(item.name, HERE) for item in relation.columns)).where(self._is_alone())

    def _beside(self, relation: Input, *outputs: exp.Expr) -> exp.Select:
        """`outputs` over each row and its partner, of which there is one at most."""
        pairs = self._pairs()
        keys = [column(there) for there in dict.fromkeys(pairs.values())]
        partners = exp.select(*keys).from_(relation_table(self.to)).group_by(*(found.copy() for found in keys))
        equal = [exp.EQ(this=column(here, HERE), expression=column(there, THERE)) for here, there in pairs.items()]
        join = exp.Join(this=partners.subquery(THERE, copy=False), side="LEFT", on=exp.and_(*equal, copy=False))
        rows = relation.select(*relation.all()).subquery(HERE, copy=False)
        return exp.select(*outputs).from_(rows).join(join)

    def _is_alone(self) -> exp.Expr:
        """Whether a row has all columns and no partner."""
        pairs = self._pairs()
        filled = [column(here, HERE).is_(exp.null()).not_() for here in pairs]
        return exp.and_(*filled, column(next(iter(pairs.values())), THERE).is_(exp.null()), copy=False)

    def _pairs(self) -> Mapping[str, str]:
        return self.on if isinstance(self.on, Mapping) else {name: name for name in self.on}

    def judge(self, row: Mapping[str, Any]) -> Verdict:
        names = ", ".join(f"`{name}`" for name in self._pairs())
        if row["alone"]:
            example = without_personal(str(row["example"]))[:40]
            found = of_rows(row["alone"], row["rows"], "has", "have")
            return Verdict(False, f"{found} a {names} that is not in `{self.to}`, such as `{example}`")
        return Verdict(True, f"each {names} of {counted(row['rows'], 'row')} is in `{self.to}`")
