"""The check for labels that a `pivot` does not list: how many rows are in none of its columns, and their labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlglot import exp

from etlrun.contracts.check import Check, Verdict, all_rows, of_rows
from etlrun.contracts.relation import Input, named
from etlrun.failures import without_personal
from etlrun.language.columns import BIGINT
from etlrun.language.expressions import call, cast, column, literal

SHOWN = 5
LABEL, ROWS, PLACE = "label", "rows", "place"


@dataclass(frozen=True)
class Unlisted(Check):
    """Every row of `relation`, which a pivot reads, has one of the labels."""

    relation: str
    column: str
    labels: tuple[str, ...]
    severity: Literal["error", "warn"]

    def of_relation(self) -> str:
        return self.relation

    def lower(self, relation: Input) -> exp.Query:
        """One row: the number of all rows and of those that are in no column, and the most frequent labels of the latter."""
        is_listed = self._is_listed()
        grouped = relation.select(named(column(self.column), LABEL), named(call("count", exp.Star()), ROWS))
        grouped = grouped.group_by(column(self.column), copy=False)
        order = [
            exp.Ordered(this=exp.Case(ifs=[exp.If(this=is_listed, true=literal(1))], default=literal(0))),
            exp.Ordered(this=column(ROWS), desc=True),
            exp.Ordered(this=column(LABEL), nulls_first=True),
        ]
        place = exp.Window(this=call("row_number"), order=exp.Order(expressions=order))
        placed = exp.select(column(LABEL), column(ROWS), named(place, PLACE)).from_(grouped.subquery("groups"))
        return exp.select(*_outputs(is_listed)).from_(placed.subquery("placed"))

    def _is_listed(self) -> exp.Expr:
        listed = exp.In(this=column(LABEL), expressions=[literal(label) for label in self.labels])
        return exp.and_(exp.Not(this=column(LABEL).is_(exp.null())), listed)

    def judge(self, row: Mapping[str, Any]) -> Verdict:
        rows, unlisted, labels = row[ROWS], row["unlisted"], row["labels"]
        if not unlisted:
            return Verdict(True, f"{all_rows(rows, 'has', 'have')} a `{self.column}` that the pivot lists")
        shown = [_shown(row[f"{LABEL}_{at}"], row[f"{ROWS}_{at}"]) for at in range(1, min(labels, SHOWN) + 1)]
        more = f" and {labels - SHOWN:,} more" if labels > SHOWN else ""
        text = f"{of_rows(unlisted, rows, 'has', 'have')} a `{self.column}` that the pivot does not list"
        return Verdict(
            False, f"{text}, and {'counts' if unlisted == 1 else 'count'} in no column: {', '.join(shown)}{more}"
        )


def _outputs(is_listed: exp.Expr) -> Iterator[exp.Expr]:
    is_other = exp.not_(is_listed)
    unlisted = exp.Case(ifs=[exp.If(this=is_other, true=column(ROWS))])
    groups = exp.Case(ifs=[exp.If(this=is_other.copy(), true=literal(1))])
    for name, tree in ((ROWS, column(ROWS)), ("unlisted", unlisted)):
        yield named(call("coalesce", call("sum", tree), cast(literal(0), BIGINT)), name)
    yield named(call("count", groups), "labels")
    for place in range(1, SHOWN + 1):
        here = exp.EQ(this=column(PLACE), expression=literal(place))
        for name in (LABEL, ROWS):
            only = exp.Case(ifs=[exp.If(this=here.copy(), true=column(name))])
            yield named(call("max", only), f"{name}_{place}")


def _shown(label: str | None, rows: int) -> str:
    text = "null" if label is None else f"`{without_personal(label)[:40]}`"
    return f"{text} ({rows:,})"
