"""`from` - the input of a chain: one relation, or several whose rows are combined (UNION ALL).

Several relations are combined by column name, and duplicates are kept. All must have the same columns with the same
types. If a relation lacks a column, `from: {relations: [north, south], missing: null}` fills it with null; the result
has the columns of the first relation, then the additional columns of the others.

```yaml
steps:
  all_sales:
    - from: [north, south]
```

```rows
north: {shop: string, units: int}
| shop | units |
| A    | 1     |
south: {units: int, shop: string}
| units | shop |
| 2     | B    |
->
| shop | units |
| A    | 1     |
| B    | 2     |
```
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from sqlglot import exp

from etlrun.contracts.relation import Input, named, relation_table
from etlrun.contracts.step import Step
from etlrun.language.columns import NULL, Column, Columns
from etlrun.language.expressions import cast, column
from etlrun.spec.fields import key
from etlrun.spec.scope import At, Scope


@dataclass(frozen=True)
class From(Step):
    """Name the relation that a chain reads, or several whose rows are combined."""

    short: ClassVar[str] = "relations"
    place_in_chain: ClassVar[Literal["first", "later", "anywhere"]] = "first"

    relations: tuple[str, ...] = key("a source or a chain, or a list of them")
    missing: Literal["fail", None] = key(
        "a column that one of the relations lacks: `fail` reports a mistake, `null` fills it with null", default="fail"
    )

    def reads(self) -> Iterable[tuple[str, At]]:
        return [(name, ("relations", index)) for index, name in enumerate(self.relations)]

    def alias(self) -> str:
        return self.relations[0] if len(self.relations) == 1 else ""

    def output(self, columns: Columns, scope: Scope) -> Columns:
        found = [scope.relation(name, at) for name, at in self.reads()]
        first = found[0]
        if len(found) == 1:
            if self.missing is None:
                scope.error("missing", "wrong-value", "one relation has all of its columns", "leave `missing` out")
            return first
        items = self._all_columns(found)
        for (name, at), other in zip(self.reads(), found, strict=True):
            if len(other):
                self._compare(items, name, other, at, scope)
        return Columns(tuple(self._united(item, found) for item in items), first.groups)

    def _all_columns(self, found: list[Columns]) -> Columns:
        """The columns of the first relation, and the additional columns of the others if these are allowed."""
        items = list(found[0])
        for other in found[1:] if self.missing is None else ():
            items += [item for item in other if item.name.lower() not in {known.name.lower() for known in items}]
        return Columns(tuple(items))

    def _united(self, item: Column, found: list[Columns]) -> Column:
        others = [other.get(item.name) for other in found]
        return replace(item, domain=None, nullable=any(other is None or other.nullable for other in others))

    def _compare(self, united: Columns, name: str, other: Columns, at: At, scope: Scope) -> None:
        first = self.relations[0]
        fix = "combine relations with the same columns, or write `from: {relations: [...], missing: null}`"
        for item in united:
            match = other.get(item.name)
            if match is None and self.missing is not None:
                message = f"`{name}` has no column `{item.name}`, which `{first}` has"
                scope.error(at, "unknown-column", message, fix)
            elif match is None and not item.type.is_orderable:
                message = f"`{name}` has no column `{item.name}`, and a column of the type {item.type} cannot be null"
                scope.error(at, "type-mismatch", message, "`drop` it where it is")
            elif match is not None and match.type != item.type and NULL not in (match.type, item.type):
                owner = next(known for known in self.relations if item.name in scope.relations.get(known, Columns(())))
                message = f"`{item.name}` is {match.type} in `{name}` and {item.type} in `{owner}`"
                scope.error(at, "type-mismatch", message, "`cast` one of them first")
        for item in other:
            if item.name not in united:
                message = f"`{name}` has a column `{item.name}`, which `{first}` lacks"
                scope.error(
                    at, "unknown-column", message, "`drop` it first, or write `missing: null` next to `relations`"
                )

    def lower(self, relation: Input) -> exp.Query:
        found = [relation.scope.relations[name] for name in self.relations]
        items = self._all_columns(found)
        selects = [
            exp.select(*(_column_of(columns, item) for item in items)).from_(relation_table(name))
            for name, columns in zip(self.relations, found, strict=True)
        ]
        united: exp.Query = selects[0]
        for select in selects[1:]:
            united = exp.union(united, select, distinct=False, copy=False)
        return united


def _column_of(columns: Columns, item: Column) -> exp.Expr:
    """The column of that name, or a null of its type if the relation lacks it."""
    return column(item.name) if item.name in columns else named(cast(exp.null(), item.type), item.name)
