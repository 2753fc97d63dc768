"""Reads the rows of a test with the column types of their relation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from etlrun.diagnostics import Diagnostic, nearest
from etlrun.language.columns import LABEL, Column, Columns
from etlrun.spec.located import Document, Keys
from etlrun.spec.scope import HIDDEN
from etlrun.spec.values import ValueReader

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Given:
    """The rows that replace a relation in a test, each with a value for every column."""

    columns: Columns
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class ExpectedRow:
    """An expected row, and its place in the file."""

    values: Row
    where: Keys


@dataclass(frozen=True)
class Expected:
    """The expected rows of a relation; only `columns` are compared."""

    columns: Columns
    rows: tuple[ExpectedRow, ...]


class RowReader:
    """Reads the rows of a test; mistakes go to `problems`."""

    def __init__(self, document: Document, problems: list[Diagnostic]) -> None:
        self.document = document
        self.problems = problems
        self.values = ValueReader(document, problems)

    def given(self, where: Keys, columns: Columns, *, is_source: bool) -> Given:
        """The rows at `where` with all columns. A missing column is null; that is a mistake if the source declares `not null`."""
        rows: list[Row] = []
        for place, row in self._rows(where):
            before = len(self.problems)
            read = self._row(place, row, columns)
            if is_source and len(self.problems) == before:
                self._check_nulls(place, read, columns)
                self._check_key(place, read, rows, columns)
            rows.append(tuple(read.get(item.name) for item in columns))
        return Given(columns, tuple(rows))

    def _check_key(self, where: Keys, row: dict[str, Any], before: list[Row], columns: Columns) -> None:
        """Report rows of a source with the same key: a run would not publish them."""
        at = [columns.names.index(item.name) for name in columns.unique or () if (item := columns.get(name))]
        key = [row.get(columns.names[position]) for position in at]
        if at and any([other[position] for position in at] == key for other in before):
            names = ", ".join(f"`{columns.names[position]}`" for position in at)
            message = f"a row above has the same {names}, the key of `{where[-2]}`"
            self.problems.append(self.document.diagnose(where, "wrong-value", message, "give it another value"))

    def _check_nulls(self, where: Keys, row: dict[str, Any], columns: Columns) -> None:
        missing = [item.name for item in columns if not item.nullable and item.name not in row]
        if missing:
            names = ", ".join(f"`{name}`" for name in missing)
            message = f"{names} {'is' if len(missing) == 1 else 'are'} missing, but never null in `{where[-2]}`"
            self.problems.append(self.document.diagnose(where, "missing-key", message, f"add `{missing[0]}: ...`"))
        for name, value in row.items():
            column = columns.get(name)
            if value is None and column is not None and not column.nullable:
                place = next(
                    key for key in self.document.keys if key[:-1] == where and str(key[-1]).lower() == name.lower()
                )
                self.problems.append(
                    self.document.diagnose(place, "wrong-value", f"`{name}` is never null in `{where[-2]}`")
                )

    def expected(self, where: Keys, columns: Columns) -> Expected:
        """The rows at `where`, with the columns that at least one of them has; with all columns if there are no rows."""
        given = [*self._rows(where)]
        labelled = (columns.of_label(name) for _, row in given for name in row if name not in columns)
        for item in {item.name: item for item in labelled if item is not None}.values():
            columns = columns.with_column(item)
        read = [(place, self._row(place, row, columns)) for place, row in given]
        named = tuple(dict.fromkeys(name for _, row in read for name in row))
        shown = (
            named
            if read
            else tuple(name for name in columns.names if not name.startswith(HIDDEN) and LABEL not in name)
        )
        return Expected(
            columns.keep(shown),
            tuple(ExpectedRow(tuple(row.get(name) for name in shown), place) for place, row in read),
        )

    def _rows(self, where: Keys) -> Iterator[tuple[Keys, dict[str, Any]]]:
        value: Any = self.document.value
        for part in where:
            value = value[part]
        yield from (((*where, index), row) for index, row in enumerate(value))

    def _row(self, where: Keys, row: dict[str, Any], columns: Columns) -> dict[str, Any]:
        """The values of a row, by the names of the columns as they are declared."""
        read: dict[str, Any] = {}
        for name, value in row.items():
            inside = (*where, name)
            column = columns.get(name)
            if column is None or column.name in read:
                self._complain_of_name(inside, name, column, columns)
                continue
            before = len(self.problems)
            read[column.name] = self.values.read(value, inside, column.type)
            if len(self.problems) == before:
                self._check_value(inside, read[column.name], column)
        return read

    def _complain_of_name(self, where: Keys, name: str, column: Column | None, columns: Columns) -> None:
        if column is not None:
            found = self.document.diagnose_key(
                where,
                "duplicate-name",
                f"`{name}` is defined twice: column names are compared without letter case",
                "remove one of them",
            )
        else:
            shown = ", ".join(columns.names[:12]) + (", ..." if len(columns) > 12 else "")
            fix = nearest(name, columns.names) or f"the columns of `{where[-3]}` are {shown}"
            found = self.document.diagnose_key(where, "unknown-column", f"`{where[-3]}` has no column `{name}`", fix)
        self.problems.append(found)

    def _check_value(self, where: Keys, value: Any, column: Column) -> None:
        """Report a value that the column cannot have: a day that is not in its calendar, or an unknown label."""
        if value is None or column.domain is None or str(value) in column.domain:
            return
        if column.type.name == "date":
            first, last = min(column.domain), max(column.domain)
            days = (
                f"the {len(column.domain)} days are from {first} to {last}"
                if len(column.domain) > 1
                else f"the only day is {first}"
            )
            message, fix = (
                f"`{value}` is not one of the days of `{column.name}`",
                f"{days}; to test other days, set the params with `set:`",
            )
            self.problems.append(self.document.diagnose(where, "wrong-value", message, fix))
            return
        fix = nearest(str(value), column.domain) or f"the labels are {', '.join(column.domain[:20])}"
        self.problems.append(
            self.document.diagnose(
                where, "unknown-label", f"`{value}` is not one of the labels of `{column.name}`", fix
            )
        )
