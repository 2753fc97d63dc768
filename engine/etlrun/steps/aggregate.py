"""`aggregate` - one row for each group, with aggregates and, by `pivot`, one column for each label.

The columns of a pivot are sorted by name; `fill` is the value if a group has no row with the label. Rows with a label
that is not listed, or null, are in no column; the run counts them and warns with their labels. `other: fail` stops the
run before it publishes, `other: drop` ignores these rows without a warning, and any other text is the name of a column
for them.

`labels` is best a list, or the name of a mapping (a label of a mapping may have no codes: `EUR: []`). Then the columns
do not depend on the data, and `etlrun check` knows all of them. If the data has other labels, a run warns and names
them; with `other: fail` it stops. If you do not need columns, `by: [contract, type]` gives one row for each label,
including new ones.

`labels: {from: currencies.code, at_most: 50}` takes the labels from a text column of a source or chain, as
`dbt_utils.pivot` does. A run first reads the distinct values of this column, without nulls, and then continues as if
you had listed them. It stops if there is no label, if there are more than `at_most`, or if two labels give the same
column name. `etlrun check` and `etlrun plan` show one column in place of all, such as `in_{label}`. Later steps
keep these columns, but cannot name one: to use the column of a label, list the labels. Such a relation can be published
with `files`, or with `write: replace`, without a contract in `columns`. A table of a database must have the columns of
the run: if a label is new or gone, the run stops before it publishes, and `etlrun migrate` adds or drops the column. A
Delta or Iceberg table gets the new columns, with a warning. Another pipeline that reads the table can use the column of a
label if its source declares all `columns` that it reads. Labels become names of columns, so a column with the tag
`pii` is refused.

`as` gives the new columns a common name, a column group; it keeps the order of the mapping or list. Rows with null in
`by` form one group. Without `by` there is exactly one row, even if there are no input rows.

```yaml
steps:
  profile:
    - from: views
    - aggregate:
        by: [contract]
        pivot: {column: type, labels: [TV, Film, Sport], value: sum(seconds), name: "total_{label}", fill: 0, as: totals}
        columns: {days: count(distinct day)}
```

```rows
views: {contract: string, type: string, seconds: bigint, day: int}
| contract | type | seconds | day |
| A        | TV   | 10      | 1   |
| A        | Film | 5       | 1   |
| A        | TV   | 7       | 2   |
| B        | Film | 1       | 1   |
->
| contract | total_Film | total_Sport | total_TV | days |
| A        | 5          | 0           | 17       | 2    |
| B        | 1          | 0           | 0        | 1    |
```

```yaml
steps:
  by_currency:
    - from: orders
    - aggregate:
        by: [day]
        pivot: {column: currency, labels: {from: currencies.code}, value: sum(amount), name: "in_{label}", fill: 0}
```

```rows
orders: {day: int, currency: string, amount: bigint}
| day | currency | amount |
| 1   | EUR      | 5      |
| 1   | USD      | 7      |
| 2   | EUR      | 1      |
currencies: {code: string}
| code |
| USD  |
| EUR  |
| CHF  |
->
| day | in_CHF | in_EUR | in_USD |
| 1   | 0      | 5      | 7      |
| 2   | 0      | 1      | 0      |
```
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from sqlglot import exp

from etlrun.contracts.check import Check
from etlrun.contracts.label_source import LabelSource
from etlrun.contracts.relation import Input, named
from etlrun.contracts.step import Step
from etlrun.contracts.unlisted import Unlisted
from etlrun.diagnostics import nearest
from etlrun.language.columns import LABEL, NULL, STRING, Column, Columns, Group
from etlrun.language.defined_by import mark_file
from etlrun.language.expressions import call, cast, column, literal, type_of
from etlrun.language.functions import common_type
from etlrun.language.typed import has_aggregate
from etlrun.spec.fields import Expr, Label, key
from etlrun.spec.scope import At, Scope


@dataclass(frozen=True)
class Pivot:
    """One column per label of another column."""

    column: str = key("the column with the label")
    labels: str | tuple[Label, ...] | LabelSource = key(
        "a list of labels, the name of a mapping with the labels, or `{from: RELATION.COLUMN}` for labels that each run "
        "reads. A run warns about labels in the data that are not listed"
    )
    value: Expr = key("the aggregate over the rows of each label")
    name: str = key(
        "the name of each new column; `{label}` is replaced by the label, spaces become `_`", default="{label}"
    )
    fill: Expr | None = key("the value if a group has no row with the label", default=None)
    other: str = key(
        "rows with another label or null: the name of a column for them, `fail` to stop the run, or `drop` to ignore "
        "them",
        default="",
        example="Other",
    )
    as_: str = key("a name for all new columns together: a column group", yaml="as", default="")

    @property
    def awaits_labels(self) -> bool:
        """Whether the labels are known only in a run."""
        return isinstance(self.labels, LabelSource) and self.labels.found is None

    @property
    def other_column(self) -> str:
        return "" if self.other in ("fail", "drop") else self.other


@dataclass(frozen=True)
class Aggregate(Step):
    """One row per group, with plain aggregates and one column per label of a pivot."""

    groups_rows: ClassVar[bool] = True

    by: tuple[str, ...] = key("the columns to group by", default=())
    pivot: Pivot | None = key("one new column for each label", default=None)
    columns: Mapping[str, Expr] = key("new column: aggregate expression", factory=dict)

    def label_source(self) -> LabelSource | None:
        labels = self.pivot.labels if self.pivot else None
        return labels if isinstance(labels, LabelSource) else None

    def with_labels(self, labels: tuple[str, ...]) -> Aggregate:
        source = self.label_source()
        assert self.pivot is not None and source is not None
        return replace(self, pivot=replace(self.pivot, labels=replace(source, found=labels)))

    def reads(self) -> Iterable[tuple[str, At]]:
        source = self.label_source()
        return [(source.relation, ("pivot", "labels", "from"))] if source and source.column else []

    def output(self, columns: Columns, scope: Scope) -> Columns:
        keys = scope.keys(columns, self.by, "by")
        for index, item in enumerate(keys):
            if not item.type.is_groupable:
                message = f"`{item.name}` is {item.type}, which cannot be compared for equality on every engine"
                scope.error(("by", index), "type-mismatch", message, "group by its elements or fields")
        result = Columns(keys)
        if not self.pivot and not self.columns and not self.by:
            scope.error((), "missing-key", "`by`, `columns` or `pivot` is missing here")
        if self.pivot:
            result = self._pivot_output(self.pivot, columns, result, scope)
        for name, expression in self.columns.items():
            scope.new_column(result, name, ("columns", name), is_key=True)
            tree = scope.tree(columns, expression, ("columns", name), may="aggregate")
            self._must_aggregate(tree, ("columns", name), scope)
            result = result.with_column(Column(name, type_of(tree) if tree else NULL))
        return result.with_unique(column.name for column in keys)

    def _must_aggregate(self, tree: exp.Expr | None, at: tuple[str, ...], scope: Scope) -> None:
        loose = next(_outside_aggregates(tree), None) if tree is not None else None
        if loose is not None and loose.name.lower() not in {name.lower() for name in self.by}:
            scope.error(
                at,
                "not-grouped",
                f"`{loose.name}` is neither grouped nor aggregated",
                "aggregate it, e.g. with `max`, or add it to `by`",
            )
        elif tree is not None and loose is None and not has_aggregate(tree):
            scope.error(
                at, "not-grouped", "an aggregate is expected here", "use `sum`, `count`, `max`, ... or a `derive` step"
            )

    def _pivot_output(self, pivot: Pivot, columns: Columns, result: Columns, scope: Scope) -> Columns:
        inside = scope.below("pivot")
        label = inside.column(columns, pivot.column, "column")
        if label.type not in (STRING, NULL):
            inside.error(
                "column",
                "type-mismatch",
                f"labels are text, but `{label.name}` is {label.type}",
                "cast it to string first",
            )
        labels = self._labels(pivot, label, inside)
        tree = inside.tree(columns, pivot.value, "value", may="aggregate")
        self._must_aggregate(tree, ("pivot", "value"), scope)
        kind = type_of(tree) if tree is not None else NULL
        if pivot.fill is not None and tree is not None:
            fill = inside.tree(Columns(()), pivot.fill, "fill")
            if fill is not None and common_type((kind, type_of(fill))) != kind:
                inside.error("fill", "type-mismatch", f"`fill` is {type_of(fill)}, but the value is {kind}")
        if (len(labels) > 1 or pivot.awaits_labels) and LABEL not in pivot.name:
            inside.error("name", "column-exists", "every label would get the same column", "add `{label}` to the name")
            return result.with_group(Group(pivot.as_, (), ())) if pivot.as_ else result
        for name in self._names(pivot, labels, result, inside):
            result = result.with_column(Column(name, kind, nullable=pivot.fill is None))
        if pivot.other_column:
            inside.new_column(result, pivot.other_column, "other")
            result = result.with_column(Column(pivot.other_column, kind, nullable=pivot.fill is None))
        if not pivot.as_:
            return result
        return result.with_group(Group(pivot.as_, tuple(pivot_name(pivot, label) for label in labels), labels))

    def _names(self, pivot: Pivot, labels: tuple[str, ...], before: Columns, scope: Scope) -> Iterator[str]:
        """The names of the columns of labels, sorted, each once."""
        taken: dict[str, str] = {}
        for name, label in sorted((pivot_name(pivot, label), label) for label in dict.fromkeys(labels)):
            at = "name" if pivot.name != LABEL else "labels"
            other = taken.setdefault(name.lower(), label)
            if other != label:
                why = "names are compared without letter case, and a space becomes `_`"
                message = f"the labels `{other}` and `{label}` give one column `{name}`: {why}"
                scope.error(at, "column-exists", message, "leave one of them out")
                continue
            if not pivot.awaits_labels:  # it is no name yet
                scope.new_column(before, name, at)
            yield name

    def _labels(self, pivot: Pivot, label: Column, scope: Scope) -> tuple[str, ...]:
        if isinstance(pivot.labels, LabelSource):
            pivot.labels.verify(scope.below("labels"))
            if pivot.as_:
                message = "a column group needs labels that are known before a run"
                scope.error("as", "wrong-value", message, "list the labels: `labels: [...]`, or leave `as` out")
            return pivot.labels.labels
        if isinstance(pivot.labels, str):
            relation, _, name = pivot.labels.partition(".")
            if relation in scope.relation_names and pivot.labels not in scope.mapping_names():
                message, fix = f"there is no mapping `{pivot.labels}`", f"{{from: {relation}.{name or 'COLUMN'}}}"
                scope.error(
                    "labels", "unknown-mapping", message, f"to take the labels from a column, write `labels: {fix}`"
                )
                return ()
            mapping = scope.mapping(pivot.labels, "labels")
            return mapping.labels if mapping else ()
        labels = tuple(pivot.labels)
        for index, text in enumerate(labels):
            if text in labels[:index]:
                scope.error(
                    ("labels", index), "duplicate-name", f"the label `{text}` is defined twice", "remove one of them"
                )
            if label.domain and text not in label.domain:
                scope.error(
                    ("labels", index),
                    "unknown-label",
                    f"`{label.name}` never has the value `{text}`",
                    nearest(text, label.domain) or "its labels are " + ", ".join(label.domain),
                )
        return labels

    def check_of_rows(self, relation: Input) -> tuple[str, Check] | None:
        """Whether every row is in a column of the pivot, as far as the declared values of the label column show it."""
        if self.pivot is None or self.pivot.other not in ("", "fail"):
            return None
        scope = relation.scope.below("pivot")
        label = scope.column(relation.columns, self.pivot.column, "column")
        labels = self._labels(self.pivot, label, scope)
        if label.domain and not label.nullable and set(label.domain) <= set(labels):
            return None
        severity: Literal["error", "warn"] = "error" if self.pivot.other == "fail" else "warn"
        return "pivot", Unlisted(relation.name, self.pivot.column, labels, severity)

    def lower(self, relation: Input) -> exp.Query:
        keys = [column(item.name) for item in self._keys(relation)]
        outputs: list[exp.Expr] = [*keys]
        if self.pivot:
            outputs.extend(self._pivot_columns(self.pivot, relation))
        for name, expression in self.columns.items():
            outputs.append(named(relation.tree(expression, ("columns", name), may="aggregate"), name))
        query = relation.select(*outputs)
        return query.group_by(*(key.copy() for key in keys), copy=False) if keys else query

    def _keys(self, relation: Input) -> Iterator[Column]:
        for name in self.by:
            found = relation.columns.get(name)
            assert found is not None
            yield found

    def _pivot_columns(self, pivot: Pivot, relation: Input) -> Iterator[exp.Expr]:
        scope = relation.scope.below("pivot")
        value = scope.tree(relation.columns, pivot.value, "value", may="aggregate")
        assert value is not None
        labels = self._labels(pivot, scope.column(relation.columns, pivot.column, "column"), scope)
        conditions = {
            pivot_name(pivot, label): exp.EQ(this=column(pivot.column), expression=literal(label))
            for label in sorted(labels, key=lambda label: pivot_name(pivot, label))
        }
        others = {pivot.other: _in_none(pivot.column, labels)} if pivot.other_column else {}
        for name, condition in (*conditions.items(), *others.items()):
            tree = _only_where(value.copy(), condition)
            if pivot.fill is not None:
                fill = scope.tree(Columns(()), pivot.fill, "fill")
                assert fill is not None
                tree = call("coalesce", tree, cast(fill, type_of(value)))
            made = named(tree, name)
            mapping = scope.mapping(pivot.labels, "labels") if isinstance(pivot.labels, str) else None
            yield mark_file(made, mapping.file) if mapping else made


def _in_none(name: str, labels: tuple[str, ...]) -> exp.Expr:
    """Whether a row has none of the labels."""
    listed = exp.In(this=column(name), expressions=[literal(label) for label in labels])
    return exp.or_(column(name).is_(exp.null()), exp.Not(this=listed))


def pivot_name(pivot: Pivot, label: str) -> str:
    return pivot.name.replace(LABEL, label.replace(" ", "_"))


def _only_where(value: exp.Expr, condition: exp.Expr) -> exp.Expr:
    """Limit every aggregate in `value` to the rows of one label."""
    holder = exp.Paren(this=value)
    for node in list(holder.walk()):
        if (
            isinstance(node, exp.Anonymous)
            and has_aggregate(node)
            and not any(has_aggregate(child) for child in node.expressions)
        ):
            node.replace(exp.Filter(this=node.copy(), expression=exp.Where(this=condition.copy())))
    inside = holder.this
    assert isinstance(inside, exp.Expr)
    return inside.pop()


def _outside_aggregates(tree: exp.Expr) -> Iterator[exp.Column]:
    """The columns outside of aggregates."""
    if isinstance(tree, exp.Column):
        yield tree
    elif not (
        isinstance(tree, exp.Anonymous)
        and has_aggregate(tree)
        and not any(has_aggregate(child) for child in tree.expressions)
    ):
        for child in tree.iter_expressions():
            yield from _outside_aggregates(child)
