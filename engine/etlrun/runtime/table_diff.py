"""Compares two sets of rows by a key: finds rows on one side only, and changed columns of the others.

One full join in DuckDB finds the rows that differ; everything else is counted on those. Nulls are equal to each other, and a key may contain them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from etlrun.diagnostics import counted
from etlrun.failures import RunFailure
from etlrun.language.columns import Columns, Type
from etlrun.language.dialects import duckdb_sql
from etlrun.language.duckdb_words import name, only_these_files, parquet
from etlrun.stopping import cancelling

if TYPE_CHECKING:
    import duckdb

    from etlrun.runtime.result_causes import Causes

    Session = duckdb.DuckDBPyConnection

TRANSITIONS = 3  # the most frequent changes of a column from one text to another
_BOTH = "there_a AND there_b"
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "python_enable_replacements": False,
    "preserve_insertion_order": False,
}


@dataclass(frozen=True)
class Side:
    """Rows to compare: Parquet files and a name. `condition`, in DuckDB's SQL, selects some of them.

    `unique` are columns that are known to identify rows; empty if none are known.
    """

    title: str
    columns: Columns
    files: tuple[Path, ...]
    condition: str = ""
    unique: tuple[str, ...] = ()

    def is_keyed_by(self, key: Iterable[str]) -> bool:
        """Whether the key is known to be unique."""
        return bool(self.unique) and {item.lower() for item in self.unique} <= {item.lower() for item in key}


@dataclass(frozen=True)
class DiffOptions:
    """How rows are compared, and how many changed ones are shown.

    With `only_keys_after`, old rows whose keys are not among the new rows are ignored. If `chosen` is not empty, only these columns are compared.
    """

    key: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    tolerance: float = 0.0
    rows: int = 10
    where: exp.Expr | None = None
    only_keys_after: bool = False
    chosen: tuple[str, ...] = ()

    def compares(self, column: str) -> bool:
        """Whether values of this column are compared."""
        out = {item.lower() for item in (*self.key, *self.ignored)}
        return column.lower() not in out and (
            not self.chosen or column.lower() in {item.lower() for item in self.chosen}
        )


@dataclass(frozen=True)
class ColumnDiff:
    """How often a column changed, its nulls and (of numbers) sums on both sides, and the most frequent changes of a text."""

    name: str
    changed: int
    nulls: tuple[int, int]
    sums: tuple[Any, Any] | None = None
    transitions: tuple[tuple[Any, Any, int], ...] = ()


@dataclass(frozen=True)
class RowDiff:
    """A different row: its key, and the changed columns with old and new values; `side` is set for a row on one side only."""

    key: tuple[Any, ...]
    side: str
    changes: tuple[tuple[str, Any, Any], ...]


@dataclass(frozen=True)
class TableDiff:
    """The differences between old and new rows, including columns on one side only and columns with different types."""

    before: str
    after: str
    key: tuple[str, ...]
    rows: tuple[int, int]
    only_before: int
    only_after: int
    equal: int
    changed: int
    columns: tuple[ColumnDiff, ...]
    sample: tuple[RowDiff, ...]
    columns_before: tuple[str, ...]
    columns_after: tuple[str, ...]
    retyped: tuple[tuple[str, str, str], ...]
    causes: Causes | None = None  # None if not known

    @property
    def is_equal(self) -> bool:
        counts = self.only_before + self.only_after + self.changed
        return not (counts or self.columns_before or self.columns_after or self.retyped)


def compare_tables(before: Side, after: Side, options: DiffOptions) -> TableDiff:
    """Compare two sides. Raises RunFailure if the key is not unique on one of them."""
    import duckdb

    compared = _compared(before, after, options)
    with duckdb.connect(config=_CONFIG) as session, cancelling(session.interrupt):
        session.execute(only_these_files((), map(str, (*before.files, *after.files))))
        for view, side in (("b", after), ("a", before)):
            session.execute(f"CREATE TEMP VIEW {view} AS {_rows(side, view, options)}")
        for view, side in (("a", before), ("b", after)):
            _refuse_shared_key(session, view, side, options)
        sums = [_totals(session, view, compared) for view in ("a", "b")]
        session.execute(f"CREATE TEMP TABLE d AS {_differing(compared, options)}")
        return _described(session, before, after, compared, sums, options)


def _rows(side: Side, view: str, options: DiffOptions) -> str:
    columns = ", ".join(name(item.name) for item in side.columns)
    conditions = [f"({side.condition})"] if side.condition else []
    if options.where is not None:
        _refuse_missing(options.where, side)
        conditions.append(f"({duckdb_sql(options.where)})")
    if view == "a" and options.only_keys_after:
        keys = ", ".join(map(name, options.key))
        conditions.append(f"({keys}) IN (SELECT ({keys}) FROM b)")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {columns} FROM {parquet(side.files)}{where}"


def _refuse_missing(where: exp.Expr, side: Side) -> None:
    """Raises RunFailure for a column of the condition that a side does not have."""
    for found in where.find_all(exp.Column):
        if found.name not in side.columns:
            message = f"`{found.name}` in --where is not a column of {side.title}"
            raise RunFailure("usage", "missing-column", message, "use columns that both sides have")


@dataclass(frozen=True)
class _Compared:
    """A column of both sides; `types` are its types there."""

    name: str
    types: tuple[Type, Type]

    @property
    def is_number(self) -> bool:
        return all(kind.is_numeric for kind in self.types)

    def differs(self, tolerance: float) -> str:
        one, other = f"a.{name(self.name)}", f"b.{name(self.name)}"
        if self.types[0] != self.types[1] and not self.is_number:
            one, other = f"CAST({one} AS VARCHAR)", f"CAST({other} AS VARCHAR)"
        plain = f"{one} IS DISTINCT FROM {other}"
        if not tolerance or not self.is_number:
            return plain
        far = (
            f"abs(CAST({one} AS DOUBLE) - {other}) > {tolerance!r} * greatest(abs(CAST({one} AS DOUBLE)), abs({other}))"
        )
        return f"({plain} AND coalesce({far}, true))"


def _compared(before: Side, after: Side, options: DiffOptions) -> tuple[_Compared, ...]:
    """The columns to compare: those of both sides, without the key and excluded ones."""
    pairs = ((item, after.columns.get(item.name)) for item in before.columns if options.compares(item.name))
    return tuple(_Compared(item.name, (item.type, there.type)) for item, there in pairs if there is not None)


def _totals(session: Session, view: str, compared: Iterable[_Compared]) -> dict[str, Any]:
    """Rows, and nulls and sums of each column, of one side."""
    parts = {"rows": "count(*)"}
    for item in compared:
        parts[f"null {item.name}"] = f"count(*) - count({name(item.name)})"
        if item.is_number:
            parts[f"sum {item.name}"] = f"sum({name(item.name)})"
    (found,) = session.execute(f"SELECT {', '.join(parts.values())} FROM {view}").fetchall()
    return dict(zip(parts, found, strict=True))


def _refuse_shared_key(session: Session, view: str, side: Side, options: DiffOptions) -> None:
    """Raises RunFailure if rows share a key; a side with a known unique key is not checked."""
    if side.is_keyed_by(options.key):
        return
    keys = ", ".join(map(name, options.key))
    query = f"SELECT count(*) FROM (SELECT 1 FROM {view} GROUP BY {keys} HAVING count(*) > 1)"
    ((shared,),) = session.execute(query).fetchall()
    if shared:
        key_names = ", ".join(f"`{item}`" for item in options.key)
        have = "has" if shared == 1 else "have"
        message = f"{counted(shared, 'value')} of the key {key_names} {have} several rows in {side.title}, so rows cannot be compared by this key"
        raise RunFailure("usage", "key-not-unique", message, "name columns that identify a row: --key A,B")


def _differing(compared: Sequence[_Compared], options: DiffOptions) -> str:
    """The SQL of the different rows, side by side: `k0..`, `a0..`, `b0..`, and in `c0..` whether the column changed."""
    on = " AND ".join(f"a.{name(key)} IS NOT DISTINCT FROM b.{name(key)}" for key in options.key)
    outputs = ["a.here IS NOT NULL AS there_a", "b.here IS NOT NULL AS there_b"]
    outputs += [f"coalesce(a.{name(key)}, b.{name(key)}) AS k{index}" for index, key in enumerate(options.key)]
    for index, item in enumerate(compared):
        outputs += [f"a.{name(item.name)} AS a{index}", f"b.{name(item.name)} AS b{index}"]
        outputs.append(f"{item.differs(options.tolerance)} AS c{index}")
    changed = " OR ".join(item.differs(options.tolerance) for item in compared) or "false"
    sides = "(SELECT *, true AS here FROM a) AS a FULL JOIN (SELECT *, true AS here FROM b) AS b"
    return f"SELECT {', '.join(outputs)} FROM {sides} ON {on} WHERE a.here IS NULL OR b.here IS NULL OR {changed}"


def _described(
    session: Session,
    before: Side,
    after: Side,
    compared: Sequence[_Compared],
    sums: Sequence[dict[str, Any]],
    options: DiffOptions,
) -> TableDiff:
    counts = [f"count(*) FILTER ({_BOTH} AND c{index})" for index in range(len(compared))]
    sides = ["count(*) FILTER (NOT there_b)", "count(*) FILTER (NOT there_a)", f"count(*) FILTER ({_BOTH})"]
    (found,) = session.execute(f"SELECT {', '.join([*sides, *counts])} FROM d").fetchall()
    only_before, only_after, changed = found[:3]
    columns = [
        _column(session, index, item, found[3 + index], sums) for index, item in enumerate(compared) if found[3 + index]
    ]
    columns.sort(key=lambda item: -item.changed)
    return TableDiff(
        before.title,
        after.title,
        options.key,
        (sums[0]["rows"], sums[1]["rows"]),
        only_before,
        only_after,
        sums[0]["rows"] - only_before - changed,
        changed,
        tuple(columns),
        tuple(_sample(session, compared, options)),
        _missing(before.columns, after.columns, options),
        _missing(after.columns, before.columns, options),
        tuple(
            (item.name, str(item.types[0]), str(item.types[1])) for item in compared if item.types[0] != item.types[1]
        ),
    )


def _missing(here: Columns, there: Columns, options: DiffOptions) -> tuple[str, ...]:
    return tuple(
        item.name
        for item in here
        if item.name not in there and (item.name in options.key or options.compares(item.name))
    )


def _column(session: Session, index: int, item: _Compared, changed: int, sums: Sequence[dict[str, Any]]) -> ColumnDiff:
    nulls = (sums[0][f"null {item.name}"], sums[1][f"null {item.name}"])
    found = ColumnDiff(item.name, changed, nulls)
    if item.is_number:
        return replace(found, sums=(sums[0][f"sum {item.name}"], sums[1][f"sum {item.name}"]))
    if item.types[0].name not in ("string", "boolean"):
        return found
    query = (
        f"SELECT a{index}, b{index}, count(*) FROM d WHERE {_BOTH} AND c{index} "
        f"GROUP BY ALL ORDER BY 3 DESC, 1, 2 LIMIT {TRANSITIONS}"
    )
    return replace(found, transitions=tuple(session.execute(query).fetchall()))


def _sample(session: Session, compared: Sequence[_Compared], options: DiffOptions) -> Iterator[RowDiff]:
    """The first rows that differ, by key."""
    keys = ", ".join(f"k{index}" for index in range(len(options.key)))
    values = "".join(f", a{index}, b{index}, c{index}" for index in range(len(compared)))
    query = f"SELECT there_a, there_b, {keys}{values} FROM d ORDER BY {keys} LIMIT {options.rows}"
    for row in session.execute(query).fetchall():
        there_a, there_b = row[:2]
        key, rest = row[2 : 2 + len(options.key)], row[2 + len(options.key) :]
        side = "" if there_a and there_b else "before" if there_a else "after"
        triples = zip(compared, rest[::3], rest[1::3], rest[2::3], strict=True)
        changes = [(item.name, one, other) for item, one, other, differs in triples if differs and not side]
        yield RowDiff(key, side, tuple(changes))
