"""The kinds of thing a pipeline is made of, and what each is given while it is checked and lowered.

A kind is one file in `sources/`, `steps/`, `checks/`, `sinks/`, `connections/` or `engines/`; the file's name is the YAML
key and its class carries the same name in CamelCase. Kinds build SQL trees and never run anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from sqlglot import exp

from etlrun.language.columns import Columns
from etlrun.language.expressions import column
from etlrun.spec.fields import Described, Expr, key
from etlrun.spec.scope import HIDDEN, NAME, At, Scope

if TYPE_CHECKING:
    from etlrun.reading.inventory import Wanted
    from etlrun.reading.requests import ReadRequest, ReadResult
    from etlrun.spec.database import Database, Load
    from etlrun.spec.paths import Places
    from etlrun.spec.publication import Publication

__all__ = [
    "HIDDEN",
    "NAME",
    "At",
    "Scope",
]  # beside what is defined here: a kind imports what it is made of from one place


@dataclass(frozen=True)
class Input:
    """The relation a step reads: the name to select from, its columns, and the step's scope."""

    name: str
    columns: Columns
    scope: Scope

    def select(self, *expressions: exp.Expr) -> exp.Select:
        """`SELECT expressions FROM input`."""
        return exp.select(*expressions).from_(relation_table(self.name))

    def all(self, *without: str) -> list[exp.Expr]:
        """A reference to every column, in order, but those named."""
        left_out = {name.lower() for name in without}
        return [column(item.name) for item in self.columns if item.name.lower() not in left_out]

    def tree(self, expression: Expr, at: At, *, may: Literal["scalar", "aggregate", "window"] = "scalar") -> exp.Expr:
        """The typed tree of an expression that has been checked."""
        tree = self.scope.tree(self.columns, expression, at, may=may)
        assert tree is not None, f"`{expression}` was lowered without being checked"
        return tree

    def ordering(self, expression: Expr, at: At) -> exp.Ordered:
        """The typed tree of an ordering that has been checked."""
        tree = self.scope.ordering(self.columns, expression, at)
        assert tree is not None, f"`{expression}` was lowered without being checked"
        return tree


def relation_table(name: str, alias: str = "") -> exp.Table:
    """A relation as it stands behind FROM and JOIN."""
    table = exp.Table(this=exp.to_identifier(name, quoted=True))
    if alias:
        table.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
    return table


def named(tree: exp.Expr, name: str) -> exp.Expr:
    """`tree AS name`, quoted."""
    return exp.alias_(tree, exp.to_identifier(name, quoted=True))


@dataclass(frozen=True)
class Apply:
    """A relation made by a Python function from another relation's rows, as Arrow."""

    function: str
    columns: Columns
    batches: bool = False


@dataclass(frozen=True)
class Ask:
    """Columns that models answer: each distinct value of the column `key` is asked once, and the answers join the rows by it.

    `answers` are the columns of the relation of answers, which has the values under `key`; `adds` names what each new column
    takes from it. `models` are names of the profile, asked in this order until one knows. `usd`, `keys` and `requests` are what a run may
    spend, and `min_coverage` is the share of rows that must carry an answer. The share of
    right answers for the keys in the file `golden` must reach `min_accuracy` before anything else is asked.
    """

    key: str
    prompt: str
    models: tuple[str, ...]
    answers: Columns
    adds: Mapping[str, str]
    usd: float | None = None
    keys: int | None = None
    min_coverage: float = 0.0
    requests: int | None = None
    golden: str = ""
    min_accuracy: float = 0.0


class Step(Described):
    """One verb of a chain."""

    keeps_rows: ClassVar[bool] = False  # every row of the input becomes exactly one row of the output
    groups_rows: ClassVar[bool] = (
        False  # one GROUP BY in which every row of the input has its group; more aggregates may ride along
    )
    stands: ClassVar[Literal["first", "later", "anywhere"]] = "later"  # where in a chain the step may stand

    def output(self, columns: Columns, scope: Scope) -> Columns:
        """The columns this step gives for `columns`; mistakes go to `scope`, and the best guess is returned."""
        raise NotImplementedError

    def lower(self, relation: Input) -> exp.Query | Apply | Ask:
        """The step as one SELECT over `relation`, or what makes its rows outside of SQL."""
        raise NotImplementedError

    def reads(self) -> Iterable[tuple[str, At]]:
        """The other relations this step reads, each with the place that names it."""
        return ()

    def models(self) -> Iterable[tuple[str, At]]:
        """The models of the profile that this step asks, each with the place that names it."""
        return ()

    def alias(self) -> str:
        """The relation whose rows this step gives as they are; empty where it makes rows of its own."""
        return ""


@dataclass(frozen=True)
class Verdict:
    """What a check found: whether the statement holds, and the numbers that say so in one line."""

    holds: bool
    detail: str


class Check(Described):
    """A statement about a relation that must hold before anything is published.

    `lower` gives a SELECT of one row over the relation; `judge` reads that row.
    """

    severity: Literal["error", "warn"]

    def verify(self, columns: Columns, scope: Scope) -> None:
        """Report the check's mistakes to `scope`."""
        raise NotImplementedError

    def lower(self, relation: Input) -> exp.Query:
        raise NotImplementedError

    def judge(self, row: Mapping[str, Any]) -> Verdict:
        raise NotImplementedError

    def reads(self) -> Iterable[tuple[str, At]]:
        return ()


class SumCheck(Check):
    """A check that compares an aggregate over another relation with one over the checked relation.

    The aggregate over all rows is the sum of itself over any groups of them, so it may ride along with the step that groups.
    """

    @property
    def left_relation(self) -> str:
        """The other relation; empty where the text names none."""
        raise NotImplementedError

    def left_tree(self, columns: Columns, scope: Scope) -> exp.Expr:
        """The aggregate over the other relation, whose columns are `columns`."""
        raise NotImplementedError

    def lower_carried(self, relation: Input, carried: str) -> exp.Query:
        """The check as one SELECT, where the column `carried` holds the other relation's aggregate for each row."""
        raise NotImplementedError


def of_rows(part: int, whole: int, one: str, many: str) -> str:
    """`1 of 1,204 rows has`, `3 of 1,204 rows have`: the verb for one row and for many."""
    return f"{part:,} of {whole:,} {'row' if whole == 1 else 'rows'} {one if part == 1 else many}"


def severity_key() -> Any:
    return key("`error` refuses to publish, `warn` only says so", default="error")


class Source(Described):
    """Reads files or a table into a relation with declared columns."""

    def output(self, scope: Scope) -> Columns:
        """The columns of the relation; mistakes go to `scope`."""
        raise NotImplementedError

    def wanted(self, places: Places) -> Wanted | None:
        """The files this source is about, in the folders `places`; None for a source without files."""
        return None

    def look_ahead(self, columns: Columns, open_database: Callable[[str], Database]) -> None:
        """Raises RunFailure, before anything is read, for what besides files stands in the way."""

    def read(self, order: ReadRequest, columns: Columns) -> ReadResult:
        """Read what `order` asks for; `columns` is the relation, as `output` gives it. Raises RunFailure."""
        raise NotImplementedError


class Sink(Described):
    """Publishes a relation. `from_` names it; fewer rows than `min_rows` are not published."""

    from_: str
    min_rows: int

    def verify(self, columns: Columns, scope: Scope) -> None:
        """Report the sink's mistakes to `scope`."""
        raise NotImplementedError

    def place(self, name: str) -> tuple[str, str, str]:
        """What a sink of that name writes to: connection, table or file, and the part of it; nothing for all. Two sinks share no place."""
        raise NotImplementedError

    def look_ahead(self, publication: Publication) -> str:
        """What publishing would do, in one line, asked before anything is computed. Raises RunFailure where it cannot be done."""
        raise NotImplementedError

    def load(self, publication: Publication) -> Load | None:
        """The relation on its way into a table of a connection, all of whose sinks are published together; None for a sink that is no table."""
        return None

    def publish(self, publication: Publication) -> dict[str, Any]:
        """Publish a relation that is no `load`, and give what the record tells of it. Raises RunFailure, and then nothing has changed."""
        raise NotImplementedError
