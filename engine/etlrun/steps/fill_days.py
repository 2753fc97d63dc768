"""`fill_days` - add rows for missing days, so that charts, averages and windows include them.

For each group of `by`, a row is added for every day without a row, from its first to its last `at`. `from` and `to` set
other bounds, the same for all groups, such as `$month`. With `every: week` or `month` there is one row for each week or
month, counted from the first day. `columns` gives values for the new rows; all other columns are null, and `carry` can
then fill them with the last value. Existing rows stay as they are, also those without a date or between the days.

```yaml
steps:
  daily:
    - from: sales
    - fill_days: {by: [shop], at: day, columns: {units: 0}}
```

```rows
sales: {shop: string, day: date, units: int, price: int}
| shop | day        | units | price |
| A    | 2024-02-28 | 3     | 9     |
| A    | 2024-03-01 | 4     | 8     |
| B    | 2024-03-01 | 5     | 7     |
->
| shop | day        | units | price |
| A    | 2024-02-28 | 3     | 9     |
| A    | 2024-02-29 | 0     | null  |
| A    | 2024-03-01 | 4     | 8     |
| B    | 2024-03-01 | 5     | 7     |
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from sqlglot import exp

from etlrun.contracts.relation import Input, named, relation_table
from etlrun.contracts.step import Step
from etlrun.language.columns import DATE, NULL, Columns
from etlrun.language.expressions import call, cast, column, literal, type_of
from etlrun.language.functions import common_type
from etlrun.spec.fields import Expr, key
from etlrun.spec.scope import HIDDEN, At, Scope

FIRST, LAST, PLACE = f"{HIDDEN}first", f"{HIDDEN}last", f"{HIDDEN}place"


@dataclass(frozen=True)
class FillDays(Step):
    """Add rows for missing days, so that charts, averages and windows include them."""

    at: str = key("the date column")
    by: tuple[str, ...] = key("the columns to group by; each group gets its own days", default=())
    every: Literal["day", "week", "month"] = key("the step between two days", default="day")
    from_: Expr | None = key(
        "the first day, such as `$start`; default: the first day of each group",
        yaml="from",
        default=None,
        example="$start",
    )
    to: Expr | None = key("the last day; default: the last day of each group", default=None, example="$end")
    columns: Mapping[str, Expr] = key("column: its value in the new rows; all other columns are null", factory=dict)

    def output(self, columns: Columns, scope: Scope) -> Columns:
        telling = self._check_group(columns, scope)
        for at, bound in (("from", self.from_), ("to", self.to)):
            tree = scope.tree(Columns(()), bound, at, wanted=DATE) if bound is not None else None
            if tree is not None and type_of(tree) not in (DATE, NULL):
                scope.error(at, "type-mismatch", f"a date is expected here, but this is {type_of(tree)}")
        for name in self.columns:
            self._check_value(name, columns, telling, scope)
        filled = {name.lower() for name in self.columns}
        for item in columns:
            if item.name.lower() not in (*telling, *filled) and not item.type.is_orderable:
                message = f"`{item.name}` is {item.type}, a type that cannot be null in the new rows"
                scope.error((), "type-mismatch", message, f"`drop` `{item.name}` before this step")
        kept = columns.unique if {name.lower() for name in columns.telling} <= telling else None
        items = (
            replace(item, domain=None, nullable=item.nullable or item.name.lower() not in (*telling, *filled))
            for item in columns
        )
        return replace(columns, items=tuple(items), unique=kept)

    def _check_group(self, columns: Columns, scope: Scope) -> set[str]:
        """The columns that the new rows have from their group and day, in lower case."""
        for index, name in enumerate(self.by):
            found = scope.column(columns, name, ("by", index))
            if not found.type.is_orderable:
                message = f"`{name}` is {found.type}, which cannot be compared for equality on every engine"
                scope.error(("by", index), "type-mismatch", message)
        at = scope.column(columns, self.at, "at")
        if at.type not in (DATE, NULL):
            scope.error(
                "at", "type-mismatch", f"a date is expected here, but `{at.name}` is {at.type}", "cast it to date"
            )
        if self.at.lower() in {name.lower() for name in self.by}:
            scope.error("at", "column-exists", f"`{self.at}` is also in `by`", "leave it out there")
        return {name.lower() for name in (*self.by, self.at)}

    def _check_value(self, name: str, columns: Columns, telling: set[str], scope: Scope) -> None:
        found = scope.column(columns, name, ("columns", name))
        if name.lower() in telling:
            message = f"`{name}` already has a value in the new rows"
            scope.error_at_key(("columns", name), "column-exists", message, "leave it out")
        tree = scope.tree(Columns(()), self.columns[name], ("columns", name), wanted=found.type)
        if tree is not None and NULL != found.type != common_type((found.type, type_of(tree))):
            message = f"the value is {type_of(tree)}, but `{found.name}` is {found.type}"
            scope.error(("columns", name), "type-mismatch", message, f"write a value of type {found.type}")

    def lower(self, relation: Input) -> exp.Query:
        """The existing rows, and one row for each missing day of a group."""
        days = self._days(relation).subquery("days", copy=False)
        same = [
            exp.NullSafeEQ(this=column(name, "days"), expression=column(name, "there"))
            for name in (*self._groups(relation), self._at(relation))
        ]
        there = exp.Join(this=relation_table(relation.name, "there"), side="LEFT", kind="ANTI", on=exp.and_(*same))
        kept = {name.lower() for name in (*self.by, self.at)}
        values = {name.lower(): _constant(relation, value, ("columns", name)) for name, value in self.columns.items()}
        outputs = [
            named(column(item.name, "days"), item.name)
            if item.name.lower() in kept
            else named(cast(values.get(item.name.lower(), exp.null()), item.type), item.name)
            for item in relation.columns
        ]
        new = exp.select(*outputs).from_(days).join(there)
        return exp.union(relation.select(*relation.all()), new, distinct=False, copy=False)

    def _at(self, relation: Input) -> str:
        found = relation.columns.get(self.at)
        assert found is not None, f"`{self.at}` was lowered without being checked"
        return found.name

    def _groups(self, relation: Input) -> list[str]:
        return [found.name for name in self.by if (found := relation.columns.get(name)) is not None]

    def _days(self, relation: Input) -> exp.Query:
        """Every day of every group."""
        at, groups = self._at(relation), self._groups(relation)
        first, last = self._bound(relation, "from", self.from_, "min"), self._bound(relation, "to", self.to, "max")
        bounds = relation.select(*(column(name) for name in groups), named(first, FIRST), named(last, LAST))
        if groups:
            bounds = bounds.group_by(*(column(name) for name in groups), copy=False)
        counted = exp.select(
            *(column(name) for name in groups), column(FIRST), column(LAST), named(self._places(), PLACE)
        ).from_(bounds.subquery("bounds", copy=False))
        alias = exp.TableAlias(
            this=exp.to_identifier("places", quoted=True), columns=[exp.to_identifier(f"{HIDDEN}element", quoted=True)]
        )
        offset = exp.to_identifier(f"{HIDDEN}position", quoted=True)
        places = exp.Unnest(expressions=[column(PLACE)], alias=alias, offset=offset)
        day = self._day(column(f"{HIDDEN}element"))
        grid = (
            exp.select(*(column(name) for name in groups), column(LAST), named(day, at))
            .from_(counted.subquery("counted", copy=False))
            .join(exp.Join(this=places, kind="CROSS"))
        )
        within = exp.LTE(this=column(at), expression=column(LAST))
        return (
            exp.select(*(column(name) for name in (*groups, at))).from_(grid.subquery("grid", copy=False)).where(within)
        )

    def _bound(self, relation: Input, at: str, bound: Expr | None, own: str) -> exp.Expr:
        if bound is None:
            return call(own, column(self._at(relation)))
        constant = _constant(relation, bound, at)
        return call("coalesce", call(own, constant), constant.copy())

    def _places(self) -> exp.Expr:
        """The numbers of the days after the first; empty if the group has no day."""
        days = call("datediff", column(LAST), column(FIRST))
        if self.every == "day":
            return call("sequence", literal(0), days)
        if self.every == "week":
            return call("sequence", literal(0), exp.IntDiv(this=days, expression=literal(7)))
        years = exp.Sub(this=call("year", column(LAST)), expression=call("year", column(FIRST)))
        months = exp.Sub(this=call("month", column(LAST)), expression=call("month", column(FIRST)))
        count = exp.Add(this=exp.Mul(this=exp.paren(years), expression=literal(12)), expression=exp.paren(months))
        return call("sequence", literal(0), count)

    def _day(self, place: exp.Expr) -> exp.Expr:
        if self.every == "month":
            return call("add_months", column(FIRST), place)
        step = 7 if self.every == "week" else 1
        return call("date_add", column(FIRST), exp.Mul(this=place, expression=literal(step)))


def _constant(relation: Input, expression: Expr, at: At) -> exp.Expr:
    tree = relation.scope.tree(Columns(()), expression, at)
    assert tree is not None, f"`{expression}` was lowered without being checked"
    return tree
