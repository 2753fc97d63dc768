"""`labels: {from: RELATION.COLUMN}`: the labels of a pivot are the values of a column, which only a run knows."""

from __future__ import annotations

from dataclasses import dataclass

from etlrun.language.columns import LABEL, NULL, STRING
from etlrun.spec.fields import Described, key
from etlrun.spec.scope import Scope

MOST = 1000  # columns; the tables of some databases hold no more than 1,017


@dataclass(frozen=True)
class LabelSource(Described):
    """The column that holds the labels of a pivot. A run reads them before it computes the pivot: they are then `found`."""

    from_: str = key(
        "`RELATION.COLUMN`: the text column with the labels, of a source or chain; nulls are ignored",
        yaml="from",
        example="currencies.code",
    )
    at_most: int = key(f"the run stops if there are more labels than this; at most {MOST}", default=100)
    found: tuple[str, ...] | None = None

    @property
    def relation(self) -> str:
        return self.from_.partition(".")[0]

    @property
    def column(self) -> str:
        return self.from_.partition(".")[2]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels; before a run has found them, one that stands for all of them."""
        return (LABEL,) if self.found is None else self.found

    def verify(self, scope: Scope) -> None:
        if not 1 <= self.at_most <= MOST:
            scope.error("at_most", "wrong-value", f"`at_most` is {self.at_most}", f"write a number from 1 to {MOST}")
        if self.relation in scope.mapping_names() and self.relation not in scope.relation_names:
            message = f"`{self.relation}` is a mapping, whose labels are known before a run"
            scope.error("from", "unknown-relation", message, f"write `labels: {self.relation}`")
        elif not self.relation or not self.column:
            message = f"`{self.from_}` is not the name of a relation and of a column"
            scope.error("from", "wrong-value", message, "write `RELATION.COLUMN`, such as `currencies.code`")
        else:
            label = scope.column(scope.relation(self.relation, "from"), self.column, "from")
            if label.type not in (STRING, NULL):
                message = f"labels are text, but `{label.name}` is {label.type}"
                scope.error("from", "type-mismatch", message, f"cast it to string in `{self.relation}`")
