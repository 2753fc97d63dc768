"""`window` - add columns computed over the rows around each row: ranks, running sums, the row before.

Write each expression without `over`: `per` is PARTITION BY and `order` is ORDER BY, for all expressions. With an order,
an aggregate covers the rows up to the current one, including rows that tie with it; without an order it covers the
whole group. `row_number`, `lag` and other functions that depend on the order of tied rows need a total order: together
with `per` it must contain a key of the relation, or all of its columns.

`frame` limits the rows of the group:

* `7 days` covers the day of the current row and the six days before it, even if some of them have no rows. `order` must
  be one column, a date or a timestamp. For a timestamp, the frame covers the rows less than 7 times 24 hours before the
  current row. For a row whose date is null, it covers the rows whose date is null.
* `7 rows` covers the current row and the six rows before it, and needs a total order.
* `unbounded` covers the whole group.

`last_value(x) ignore nulls` skips nulls; `first_value`, `nth_value`, `lag` and `lead` accept this too.

```yaml
steps:
  numbered:
    - from: visits
    - window:
        per: [user]
        order: [day, page, seconds]
        columns: {visit: row_number(), so_far: sum(seconds)}
```

```rows
visits: {user: string, day: int, page: string, seconds: bigint}
| user | day | page | seconds |
| u1   | 2   | a    | 5       |
| u1   | 1   | b    | 7       |
| u1   | 1   | a    | null    |
| u2   | 9   | a    | 1       |
->
| user | day | page | seconds | visit | so_far |
| u1   | 1   | a    | null    | 1     | null   |
| u1   | 1   | b    | 7       | 2     | 7      |
| u1   | 2   | a    | 5       | 3     | 12     |
| u2   | 9   | a    | 1       | 1     | 1      |
```

```yaml
steps:
  weekly:
    - from: sales
    - window: {per: [shop], order: [day], frame: 7 days, columns: {week: sum(units)}}
```

```rows
sales: {shop: string key, day: date key, units: int}
| shop | day        | units |
| A    | 2024-01-01 | 1     |
| A    | 2024-01-07 | 2     |
| A    | 2024-01-08 | 4     |
| A    | 2024-01-20 | 8     |
->
| shop | day        | units | week |
| A    | 2024-01-01 | 1     | 1    |
| A    | 2024-01-07 | 2     | 3    |
| A    | 2024-01-08 | 4     | 6    |
| A    | 2024-01-20 | 8     | 8    |
```
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from sqlglot import exp

from etlrun.contracts.length import MOST, Length, read_length
from etlrun.contracts.ordering import check_order
from etlrun.contracts.relation import Input, named
from etlrun.contracts.step import Step
from etlrun.language.columns import DATE, MOMENTS, NULL, Column, Columns
from etlrun.language.expressions import ExpressionError, Problem, column, parse, span, type_of, word
from etlrun.language.frames import MICROSECONDS, frame_of_group, frame_of_rows, frame_of_time
from etlrun.language.functions import FUNCTIONS
from etlrun.language.totality import PEERS_AGREE
from etlrun.language.typed import has_window
from etlrun.spec.fields import Expr, key
from etlrun.spec.scope import Scope

UNBOUNDED = "unbounded"
_ROWS = re.compile(r"([0-9]{1,7}) ?rows?")


@dataclass(frozen=True)
class Window(Step):
    """Add columns computed over the rows around each row: ranks, running sums, the row before."""

    keeps_rows: ClassVar[bool] = True
    also: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("by", "group_by", "partition_by", "partition"), "per"),
        **dict.fromkeys(("order_by", "sort", "sort_by"), "order"),
        **dict.fromkeys(("rows", "range", "rows_between"), "frame"),
    }

    columns: Mapping[str, Expr] = key("new column: expression with window functions and aggregates, without `over`")
    per: tuple[str, ...] = key("the columns to group by; default: the whole relation is one group", default=())
    order: tuple[Expr, ...] = key("the sort order inside a group: `column` or `column desc`", default=())
    frame: str = key(
        "the rows to compute over: `7 days`, `7 rows` or `unbounded`; default: all rows of the group up to this one",
        default="",
    )

    def output(self, columns: Columns, scope: Scope) -> Columns:
        scope.parts(columns, self.per, "per")
        rows = _ROWS.fullmatch(self.frame.strip())
        if rows or any(_needs_total_order(expression) for expression in self.columns.values()):
            check_order(self.order, self.per, columns, scope)
        else:
            for index, item in enumerate(self.order):
                scope.ordering(columns, item, ("order", index))
        if self.frame:
            self._check_frame(columns, scope)
        result = columns
        for name, expression in self.columns.items():
            scope.new_column(result, name, ("columns", name), is_key=True)
            tree = self._tree(expression, name, columns, scope)
            result = result.with_column(Column(name, type_of(tree) if tree is not None else NULL))
        return result

    def _check_frame(self, columns: Columns, scope: Scope) -> None:
        """Report a `frame` that cannot be read, or that needs another `order`."""
        rows = _ROWS.fullmatch(self.frame.strip())
        length = Length.of(self.frame)
        if not self.order:
            scope.error("frame", "missing-key", "a frame needs an `order`", "add `order: [day]`")
        elif self.frame.strip() == UNBOUNDED or rows and 0 < int(rows[1]) <= MOST:
            return
        elif length is None:
            fix = f"write `7 days`, `7 rows` or `{UNBOUNDED}`, with a number from 1 to {MOST:,}"
            scope.error("frame", "wrong-value", f"`{self.frame}` is not a frame", fix)
        elif len(self.order) > 1:
            message = "a frame that is measured in time needs an order of one date or timestamp"
            scope.error("frame", "wrong-value", message, "order by that alone, or count in rows: `7 rows`")
        elif (item := replace(scope, problems=[]).ordering(columns, self.order[0], ("order", 0))) is not None:
            read_length(self.frame, Column(self.order[0], type_of(item.this)), "frame", scope)

    def _spec(self, order: exp.Ordered) -> exp.WindowSpec | None:
        """The frame in SQL; None if there is none, or if it has mistakes."""
        rows, length = _ROWS.fullmatch(self.frame.strip()), Length.of(self.frame)
        if self.frame.strip() == UNBOUNDED:
            return frame_of_group()
        if rows:
            return frame_of_rows(int(rows[1])) if 0 < int(rows[1]) <= MOST else None
        kind = type_of(order.this)
        if length is None or kind not in MOMENTS or len(self.order) > 1:
            return None
        is_whole = length.microseconds % MICROSECONDS["day"] == 0
        return frame_of_time(length.microseconds, kind == DATE) if is_whole or kind != DATE else None

    def _tree(self, expression: Expr, name: str, columns: Columns, scope: Scope) -> exp.Expr | None:
        """The typed expression, in which every outermost call of a window function or aggregate gets the window."""
        over = self._window(columns, scope)
        if over is None:
            return None
        at = ("columns", name)
        tree = scope.tree(columns, expression, at, may="window", adapt=lambda bound: _put_over(bound, over, expression))
        if tree is not None and not has_window(tree):
            scope.error(
                at, "not-allowed-here", "a window function or aggregate is expected here", "use a `derive` step"
            )
            return None
        return tree

    def _window(self, columns: Columns, scope: Scope) -> exp.Window | None:
        """The window without a function; None if `order` has mistakes, which are reported elsewhere."""
        silent = replace(scope, problems=[])
        order = [silent.ordering(columns, item, ("order", index)) for index, item in enumerate(self.order)]
        if any(item is None for item in order):
            return None
        for item in order:
            for node in item.walk() if item is not None else ():
                node.meta.pop("start", None)  # offsets into `order` mean nothing in an expression
        partition = [column(found.name) for name in self.per if (found := columns.get(name))]
        spec = self._spec(order[0]) if order and order[0] is not None and self.frame else None
        return exp.Window(partition_by=partition, order=exp.Order(expressions=order) if order else None, spec=spec)

    def lower(self, relation: Input) -> exp.Query:
        added = []
        for name, expression in self.columns.items():
            tree = self._tree(expression, name, relation.columns, relation.scope)
            assert tree is not None, f"`{expression}` was lowered without being checked"
            added.append(named(tree, name))
        return relation.select(*relation.all(), *added)


def _needs_total_order(expression: Expr) -> bool:
    try:
        calls = [node.name.lower() for node in parse(expression).find_all(exp.Anonymous)]
    except ExpressionError:
        return False
    return any(name in FUNCTIONS and FUNCTIONS[name].ordered and name not in PEERS_AGREE for name in calls)


def _put_over(tree: exp.Expr, over: exp.Window, text: str) -> exp.Expr:
    """Give the window to every outermost call. Raises ExpressionError for what is not allowed in a window."""
    problems: list[Problem] = []

    def visit(node: exp.Expr) -> None:
        called = node.this if isinstance(node, exp.IgnoreNulls) else node
        if isinstance(node, exp.Window):
            fix = "write it as `per` and `order`"
            problems.append(Problem("not-allowed-here", "`over` is not allowed here", *span(node, text), fix))
        elif isinstance(node, exp.Filter):
            fix = "put the condition inside: `sum(case when condition then x end)`"
            problems.append(Problem("not-allowed-here", "`filter` is not allowed in a window", *word(node, text), fix))
        elif (
            isinstance(called, exp.Anonymous)
            and called.name.lower() in FUNCTIONS
            and FUNCTIONS[called.name.lower()].kind != "scalar"
        ):
            if node.find(exp.Distinct):
                fix = "use an `aggregate` step"
                message = "`distinct` is not allowed in a window"
                problems.append(Problem("not-allowed-here", message, *word(node, text), fix))
            window = over.copy()
            node.replace(window)
            window.set("this", node)
        else:
            for child in list(node.iter_expressions()):
                visit(child)

    holder = exp.Paren(this=tree)
    visit(holder.this)
    if problems:
        raise ExpressionError(tuple(problems))
    return holder.this.pop()  # type: ignore[no-any-return]
