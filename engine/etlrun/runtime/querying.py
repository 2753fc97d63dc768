"""`etlrun query`: a read-only SELECT over published tables, with the same result on every connection.

The text is parsed like the query of a `sql` step, which cannot write. The columns that it uses are copied from the tables, and the statement
runs on the copies, in a DuckDB that cannot open anything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlglot import exp

from etlrun.codes import CODES
from etlrun.contracts.connection import Database
from etlrun.contracts.engine import ParquetFiles, StatementError, Workspace
from etlrun.diagnostics import Diagnostic, SpecError
from etlrun.failures import RunFailure
from etlrun.language.columns import Columns
from etlrun.language.dialects import duckdb_sql
from etlrun.language.expressions import ExpressionError, parse_select
from etlrun.language.queries import check_query, tables_in

if TYPE_CHECKING:
    import pyarrow

SHOWN = "the query"  # the name of its file in messages


@dataclass(frozen=True)
class QueryRows:
    """The rows of a query, in its order; `is_cut` means that there are more."""

    columns: Columns
    rows: pyarrow.Table
    is_cut: bool


def ask_database(text: str, database: Database, work: Path, most: int) -> QueryRows:
    """The first `most` rows of a SELECT over tables of `database`; copies are made in `work`.

    Raises SpecError for a mistake in the text, and RunFailure.
    """
    query = _parsed(text)
    limit = _take_limit(query)
    tables = {name: _columns(database, name) for name in dict.fromkeys(name for name, _ in tables_in(query))}
    try:
        typed, columns = check_query(query, tables, text)
    except ExpressionError as error:
        raise _mistakes(text, error) from error
    wanted = most + 1 if limit is None else min(limit, most + 1)
    typed.set("limit", exp.Limit(expression=exp.Literal.number(wanted)))
    rows = _run(duckdb_sql(typed), dict(_used(typed, tables)), database, work)
    return QueryRows(columns, rows.slice(0, most), rows.num_rows > most)


def _parsed(text: str) -> exp.Query:
    try:
        return parse_select(text)
    except ExpressionError as error:
        raise _mistakes(text, error) from error


def _mistakes(text: str, error: ExpressionError) -> SpecError:
    return SpecError([_mistake(text, problem.code, problem.message, problem.fix, problem.start, problem.end) for problem in error.problems])  # fmt: skip


def _mistake(text: str, code: str, message: str, fix: str, start: int, end: int) -> Diagnostic:
    before = text[:start]
    line, column = before.count("\n") + 1, start - before.rfind("\n")
    source = text.split("\n")[line - 1]
    width = min(max(1, end - start), max(1, len(source) - column + 1))
    return Diagnostic(SHOWN, line, column, column + width, code, message, fix, source=source)


def _take_limit(query: exp.Query) -> int | None:
    """Remove the LIMIT from the query, because the rows are only shown: a limit without a total order is allowed here."""
    limit = query.args.get("limit")
    if limit is None or not limit.expression.is_int:
        return None
    query.set("limit", None)
    return int(limit.expression.name)


def _columns(database: Database, table: str) -> Columns:
    found = database.columns(table)
    if found is None:
        database.verify(table, Columns(()))
        raise AssertionError(f"{table} is missing, and verified")
    return found


def _used(query: exp.Query, tables: Mapping[str, Columns]) -> Iterator[tuple[str, Columns]]:
    """The columns of each table with a name in the query; one column if there is none, to count the rows."""
    names = {column.name.lower() for column in query.find_all(exp.Column)}
    for table, columns in tables.items():
        used = columns.keep(item.name for item in columns if item.name.lower() in names)
        yield table, used if len(used) else columns.keep(columns.names[:1])


def _run(statement: str, tables: Mapping[str, Columns], database: Database, work: Path) -> pyarrow.Table:
    from etlrun.engines._duckdb import start_session

    copies = {}
    for number, (table, columns) in enumerate(tables.items()):
        folder = work / str(number)
        folder.mkdir()
        copies[table] = database.copy(table, columns, folder)
    with closing(start_session(Workspace(work), None, "")) as session:
        try:
            for table, copied in copies.items():
                plain = replace(tables[table], groups=())
                session.read_files(table, plain, [ParquetFiles(tuple(map(str, copied.files)))])
            return session.fetch(statement)
        except StatementError as error:
            code = error.condition if error.condition in CODES else "engine"
            raise RunFailure("engine", code, error.detail) from error
