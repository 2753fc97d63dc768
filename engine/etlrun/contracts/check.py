"""The interface of checks: a condition for a relation that must hold before anything is published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlglot import exp

from etlrun.contracts.engine import EngineSession
from etlrun.contracts.relation import Input
from etlrun.language.columns import Columns
from etlrun.spec.fields import Described, Expr, key
from etlrun.spec.scope import At, Scope


@dataclass(frozen=True)
class Verdict:
    """The result of a check: whether it passed, and the numbers in one line."""

    holds: bool
    detail: str


class Check(Described):
    """A condition for a relation that must hold before anything is published.

    `lower` gives a SELECT of one row over the relation; `judge` reads that row. Rows that do not fulfil `where` are not looked at; a kind
    has the key where it declares `where_key()`.
    """

    severity: Literal["error", "warn"]
    where: Expr | None = None

    def verify(self, columns: Columns, scope: Scope) -> None:
        """Report the check's mistakes to `scope`."""
        raise NotImplementedError

    def lower(self, relation: Input) -> exp.Query:
        raise NotImplementedError

    def quick_row(self, session: EngineSession, relation: str) -> Mapping[str, Any] | None:
        """The same row as from `lower`, if the engine has a faster way to compute it. Raises StatementError."""
        return None

    def judge(self, row: Mapping[str, Any]) -> Verdict:
        raise NotImplementedError

    def failing(self, relation: Input) -> exp.Query | None:
        """The rows that fail the check, with all columns; None if the check is about all rows together."""
        return None

    def of_relation(self) -> str:
        """The relation whose rows are checked, if it is another one than that with the check: the input of a step."""
        return ""

    def depends_on_time(self) -> bool:
        """Whether the same rows may give another result at a later time."""
        return False

    def reads(self) -> Iterable[tuple[str, At]]:
        return ()

    def verdict(self, row: Mapping[str, Any]) -> Verdict:
        """The result of the check, with a note about the rows that it was limited to."""
        found = self.judge(row)
        return found if self.where is None else replace(found, detail=f"{found.detail} (where `{self.where}`)")


class SumCheck(Check):
    """A check that compares an aggregate over another relation with one over the checked relation.

    The aggregate over all rows is the sum of itself over any groups of them, so it may ride along with the step that groups.
    """

    @property
    def left_relation(self) -> str:
        """The name of the other relation; empty if the text has none."""
        raise NotImplementedError

    def left_tree(self, columns: Columns, scope: Scope) -> exp.Expr:
        """The aggregate over the other relation, whose columns are `columns`."""
        raise NotImplementedError

    def lower_carried(self, relation: Input, carried: str) -> exp.Query:
        """The check as one SELECT; the column `carried` has the aggregate of the other relation for each row."""
        raise NotImplementedError


def of_rows(part: int, whole: int, one: str, many: str) -> str:
    """`1 of 1,204 rows has`, `3 of 1,204 rows have`: the verb for one row and for many."""
    return f"{part:,} of {whole:,} {'row' if whole == 1 else 'rows'} {one if part == 1 else many}"


def all_rows(rows: int, one: str, many: str) -> str:
    """`the only row has`, `all 1,204 rows have`."""
    return f"the only row {one}" if rows == 1 else f"all {rows:,} rows {many}"


def where_key() -> Any:
    return key("check only the rows for which this condition is true", default=None, example="units > 0")


def severity_key() -> Any:
    return key("what a failing check does: `error` stops the publish, `warn` only prints a warning", default="error")
