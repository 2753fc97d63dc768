"""`compare` - compare periods side by side: one row for each key, with the columns of each period and whether a value changed.

The input must have at most one row for each key and period. `keep: both` keeps the keys that occur in every period,
`any` those that occur in at least one. The trend compares the last two periods. If one of the two values is missing,
both trend columns are null, never `Unchanged`.

```yaml
steps:
  trend:
    - from: monthly
    - dedupe: {by: [user, month], order: [category]}
    - compare:
        by: user
        period: month
        periods: {T6: 2022-06, T7: 2022-07}
        columns: {category: category}
        trend: {of: category, as: trend, change: change}
```

```rows
monthly: {user: string, month: string, category: string}
| user | month   | category |
| u1   | 2022-06 | Drama    |
| u1   | 2022-07 | Sports   |
| u2   | 2022-06 | News     |
| u2   | 2022-07 | News     |
| u3   | 2022-06 | News     |
| u4   | 2022-06 | null     |
| u4   | 2022-07 | News     |
->
| user | category_T6 | category_T7 | trend     | change       |
| u1   | Drama       | Sports      | Changed   | Drama-Sports |
| u2   | News        | News        | Unchanged | Unchanged    |
| u4   | null        | News        | null      | null         |
```
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from etlrun.contracts.relation import Input, named
from etlrun.contracts.step import Step
from etlrun.language.columns import DATE, NULL, STRING, Column, Columns
from etlrun.language.constants import is_readable
from etlrun.language.expressions import call, column, literal
from etlrun.spec.fields import Label, key
from etlrun.spec.scope import HIDDEN, Scope


@dataclass(frozen=True)
class Trend:
    """Whether a value changed between the last two periods, and from what to what."""

    of: str = key("the column to compare, by its name in `columns`")
    as_: str = key("a new column: Changed or Unchanged", yaml="as")
    change: str = key("a new column: `A-B`, or Unchanged", default="")
    separator: str = key("the text between the two values", default="-")


@dataclass(frozen=True)
class Compare(Step):
    """Periods side by side: one row per key, with the columns of each period and the trend between the last two."""

    by: tuple[str, ...] = key("the columns that identify a row within one period")
    period: str = key("the column with the period")
    periods: Mapping[str, Label] = key("suffix of the new columns: value of the period; the earliest period first")
    columns: Mapping[str, str] = key("name of the new columns, without the suffix: input column")
    keep: Literal["both", "any"] = key(
        "`both` keeps the keys that occur in every period, `any` those that occur in at least one", default="both"
    )
    trend: Trend | None = key("new columns that show whether a value changed", default=None)

    def output(self, columns: Columns, scope: Scope) -> Columns:
        keys = scope.parts(columns, self.by, "by")
        period = scope.column(columns, self.period, "period")
        if period.type not in (STRING, DATE, NULL):
            message = f"a period must be text or a date, but `{period.name}` is {period.type}"
            scope.error("period", "type-mismatch", message, "cast it to string first")
        for suffix, value in self.periods.items() if period.type == DATE else ():
            if not is_readable(value, DATE):
                message = f"`{value}` is not a date, but `{period.name}` is a date"
                scope.error(("periods", suffix), "wrong-value", message, "write it as 2022-04-30")
        self._one_row_each(columns, scope)
        result = Columns(keys)
        for suffix in self.periods:
            for name, source in self.columns.items():
                found = scope.column(columns, source, ("columns", name))
                if not found.type.is_orderable and suffix == next(iter(self.periods)):
                    scope.error(
                        ("columns", name), "type-mismatch", f"`{found.name}` is {found.type}, which cannot be compared"
                    )
                scope.new_column(result, f"{name}_{suffix}", ("columns", name), is_key=True)
                result = result.with_column(Column(f"{name}_{suffix}", found.type, domain=found.domain))
        if self.trend:
            result = self._trend_output(self.trend, columns, result, scope.below("trend"))
        return result.with_unique(column.name for column in keys)

    def _one_row_each(self, columns: Columns, scope: Scope) -> None:
        covered = {name.lower() for name in (*self.by, self.period)}
        if columns.unique is None or any(name.lower() not in covered for name in columns.unique):
            names = ", ".join(f"`{name}`" for name in (*self.by, self.period))
            scope.error(
                "by",
                "no-total-order",
                f"there may be several rows for one {names}",
                "reduce them to one row first, with `top`, `dedupe` or `aggregate`",
            )

    def _trend_output(self, trend: Trend, columns: Columns, result: Columns, scope: Scope) -> Columns:
        if len(self.periods) < 2:
            scope.error((), "wrong-value", "a trend needs two periods")
        of = self.columns.get(trend.of)
        if of is None:
            scope.error(
                "of",
                "unknown-column",
                f"`{trend.of}` is not among the compared columns",
                "they are " + ", ".join(self.columns),
            )
        found = columns.get(of) if of else None
        if found and trend.change and found.type not in (STRING, NULL):
            scope.error(
                "of",
                "type-mismatch",
                f"`change` joins texts, but `{found.name}` is {found.type}",
                "cast it to string first",
            )
        scope.new_column(result, trend.as_, "as")
        result = result.with_column(Column(trend.as_, STRING, domain=("Changed", "Unchanged")))
        if not trend.change:
            return result
        scope.new_column(result, trend.change, "change")
        return result.with_column(Column(trend.change, STRING))

    def lower(self, relation: Input) -> exp.Query:
        """One group per key: the only row of each period gives the columns of that period. The trend is computed from them."""
        grouped = relation.select(*(column(name) for name in self._keys(relation)), *self._sides(relation))
        periods = [self._period_value(relation, value) for value in self.periods.values()]
        grouped = grouped.where(exp.In(this=column(self.period), expressions=periods), copy=False)
        grouped = grouped.group_by(*(column(name) for name in self.by), copy=False)
        outputs: list[exp.Expr] = [column(name) for name in self._keys(relation)]
        outputs += [column(f"{name}_{suffix}") for suffix in self.periods for name in self.columns]
        query = exp.select(*outputs, *self._trend(self.trend)).from_(grouped.subquery("sides", copy=False))
        if self.keep == "any":
            return query
        seen = [
            exp.GT(this=column(f"{HIDDEN}seen_{suffix}"), expression=exp.Literal.number(0)) for suffix in self.periods
        ]
        return query.where(exp.and_(*seen, copy=False))

    def _keys(self, relation: Input) -> Iterator[str]:
        for name in self.by:
            found = relation.columns.get(name)
            assert found is not None
            yield found.name

    def _period_value(self, relation: Input, value: str) -> exp.Expr:
        found = relation.columns.get(self.period)
        return exp.cast(literal(value), "date") if found and found.type == DATE else literal(value)

    def _sides(self, relation: Input) -> Iterator[exp.Expr]:
        for suffix, value in self.periods.items():
            here = exp.EQ(this=column(self.period), expression=self._period_value(relation, value))
            for name, source in self.columns.items():
                only = exp.Case(ifs=[exp.If(this=here.copy(), true=column(source))])
                yield named(call("max", only), f"{name}_{suffix}")
            seen = exp.Case(ifs=[exp.If(this=here.copy(), true=exp.Literal.number(1))])
            yield named(call("count", seen), f"{HIDDEN}seen_{suffix}")

    def _trend(self, trend: Trend | None) -> Iterator[exp.Expr]:
        if trend is None:
            return
        before, after = (column(f"{trend.of}_{suffix}") for suffix in list(self.periods)[-2:])
        same = exp.EQ(this=before, expression=after)
        differ = exp.NEQ(this=before.copy(), expression=after.copy())
        changed = exp.If(this=differ, true=literal("Changed"))
        yield named(exp.Case(ifs=[exp.If(this=same, true=literal("Unchanged")), changed]), trend.as_)
        if trend.change:
            both = call("concat", before.copy(), literal(trend.separator), after.copy())
            unchanged = exp.If(this=same.copy(), true=literal("Unchanged"))
            yield named(exp.Case(ifs=[unchanged, exp.If(this=differ.copy(), true=both)]), trend.change)
