"""`pivot` of an `aggregate` step: one column for each label of another column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from etlrun.contracts.aggregate_rules import only_where, require_aggregate
from etlrun.contracts.check import Check
from etlrun.contracts.label_source import LabelSource
from etlrun.contracts.relation import Input, named
from etlrun.contracts.unlisted import Unlisted
from etlrun.diagnostics import nearest
from etlrun.language.columns import LABEL, NULL, STRING, Column, Columns, Group
from etlrun.language.defined_by import mark_file
from etlrun.language.expressions import call, cast, column, literal, type_of
from etlrun.language.functions import common_type
from etlrun.spec.fields import Expr, Label, key
from etlrun.spec.scope import Scope


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

    def column_of(self, label: str) -> str:
        """The name of the column of a label."""
        return self.name.replace(LABEL, label.replace(" ", "_"))

    def output(self, columns: Columns, result: Columns, by: Sequence[str], scope: Scope) -> Columns:
        """The columns of the groups in `result`, and those of the pivot; reports mistakes."""
        inside = scope.below("pivot")
        label = inside.column(columns, self.column, "column")
        if label.type not in (STRING, NULL):
            inside.error(
                "column",
                "type-mismatch",
                f"labels are text, but `{label.name}` is {label.type}",
                "cast it to string first",
            )
        labels = self._labels(label, inside)
        tree = inside.tree(columns, self.value, "value", may="aggregate")
        require_aggregate(tree, by, ("pivot", "value"), scope)
        kind = type_of(tree) if tree is not None else NULL
        if self.fill is not None and tree is not None:
            fill = inside.tree(Columns(()), self.fill, "fill")
            if fill is not None and common_type((kind, type_of(fill))) != kind:
                inside.error("fill", "type-mismatch", f"`fill` is {type_of(fill)}, but the value is {kind}")
        if (len(labels) > 1 or self.awaits_labels) and LABEL not in self.name:
            inside.error("name", "column-exists", "every label would get the same column", "add `{label}` to the name")
            return result.with_group(Group(self.as_, (), (), None)) if self.as_ else result
        for name in self._names(labels, result, inside):
            result = result.with_column(Column(name, kind, nullable=self.fill is None))
        if self.other_column:
            inside.new_column(result, self.other_column, "other")
            result = result.with_column(Column(self.other_column, kind, nullable=self.fill is None))
        if not self.as_:
            return result
        domain = None if isinstance(self.labels, LabelSource) else labels
        return result.with_group(Group(self.as_, tuple(map(self.column_of, labels)), labels, domain))

    def _names(self, labels: tuple[str, ...], before: Columns, scope: Scope) -> Iterator[str]:
        """The names of the columns of labels, sorted, each once."""
        taken: dict[str, str] = {}
        for name, label in sorted((self.column_of(label), label) for label in dict.fromkeys(labels)):
            at = "name" if self.name != LABEL else "labels"
            other = taken.setdefault(name.lower(), label)
            if other != label:
                why = "names are compared without letter case, and a space becomes `_`"
                message = f"the labels `{other}` and `{label}` give one column `{name}`: {why}"
                scope.error(at, "column-exists", message, "leave one of them out")
                continue
            if not self.awaits_labels:  # it is no name yet
                scope.new_column(before, name, at)
            yield name

    def _labels(self, label: Column, scope: Scope) -> tuple[str, ...]:
        if isinstance(self.labels, LabelSource):
            self.labels.verify(scope.below("labels"))
            return self.labels.labels
        if isinstance(self.labels, str):
            relation, _, name = self.labels.partition(".")
            if relation in scope.relation_names and self.labels not in scope.mapping_names():
                message, fix = f"there is no mapping `{self.labels}`", f"{{from: {relation}.{name or 'COLUMN'}}}"
                scope.error(
                    "labels", "unknown-mapping", message, f"to take the labels from a column, write `labels: {fix}`"
                )
                return ()
            mapping = scope.mapping(self.labels, "labels")
            return mapping.labels if mapping else ()
        labels = tuple(self.labels)
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

    def check(self, relation: Input) -> Check | None:
        """The check that every row is in a column of the pivot, if the declared values of the label column do not show it."""
        if self.other not in ("", "fail"):
            return None
        scope = relation.scope.below("pivot")
        label = scope.column(relation.columns, self.column, "column")
        labels = self._labels(label, scope)
        if label.domain and not label.nullable and set(label.domain) <= set(labels):
            return None
        severity: Literal["error", "warn"] = "error" if self.other == "fail" else "warn"
        return Unlisted(relation.name, self.column, labels, severity)

    def outputs(self, relation: Input) -> Iterator[exp.Expr]:
        """The columns of the pivot as SQL."""
        scope = relation.scope.below("pivot")
        value = scope.tree(relation.columns, self.value, "value", may="aggregate")
        assert value is not None
        labels = self._labels(scope.column(relation.columns, self.column, "column"), scope)
        conditions = {
            self.column_of(label): exp.EQ(this=column(self.column), expression=literal(label))
            for label in sorted(labels, key=self.column_of)
        }
        others = {self.other: _in_none(self.column, labels)} if self.other_column else {}
        for name, condition in (*conditions.items(), *others.items()):
            tree = only_where(value.copy(), condition)
            if self.fill is not None:
                fill = scope.tree(Columns(()), self.fill, "fill")
                assert fill is not None
                tree = call("coalesce", tree, cast(fill, type_of(value)))
            made = named(tree, name)
            mapping = scope.mapping(self.labels, "labels") if isinstance(self.labels, str) else None
            yield mark_file(made, mapping.file) if mapping else made


def _in_none(name: str, labels: tuple[str, ...]) -> exp.Expr:
    """Whether a row has none of the labels."""
    listed = exp.In(this=column(name), expressions=[literal(label) for label in labels])
    return exp.or_(column(name).is_(exp.null()), exp.Not(this=listed))
