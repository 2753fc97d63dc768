"""Before a publish: a table that is missing is made, one that is there must fit."""

from __future__ import annotations

from collections.abc import Iterator

from etlrun.connections._mysql.conditions import condition_columns, mysql_condition
from etlrun.connections._mysql.errors import ServerError
from etlrun.connections._mysql.ledger import missing_tables
from etlrun.connections._mysql.references import refuse_cascades
from etlrun.connections._mysql.session import Session
from etlrun.connections._mysql.tables import Definition, create_statement, mismatches, read_definition, unfit
from etlrun.connections._mysql.versions import DDL, SUFFIX, VERSIONS, view_statement, with_numbers
from etlrun.connections._mysql.words import name
from etlrun.failures import RunFailure
from etlrun.spec.database import Load

DENIED = frozenset((1044, 1142, 1227))
LONGEST_NAME = 64


def exact_columns(load: Load) -> frozenset[str]:
    """The columns whose values must be told apart to the last bit: those of the key, and of the condition. In lower case."""
    return frozenset((*(key.lower() for key in load.key), *condition_columns(load.condition)))


def find_mismatches(session: Session, load: Load) -> list[tuple[str, str]]:
    """Why `load` does not fit what is there, each with the statement that would mend it. Raises RunFailure for what no table can hold."""
    for why in unfit(load.columns):
        raise RunFailure(
            "sink",
            "unfit-column",
            f"the table `{load.table}` cannot be made: {why}",
            "`cast` or `rename` the column before",
        )
    if load.condition is not None:
        mysql_condition(load.condition)
    there = read_definition(session, load.table)
    if load.publish == "transaction":
        if there is not None:
            refuse_cascades(session, load, there.table)
        return list(mismatches(load, there, exact_columns(load))) if there is not None else []
    rows = with_numbers(load)
    if len(rows.table) > LONGEST_NAME:
        raise RunFailure(
            "sink",
            "unfit-name",
            f"the table `{load.table}` cannot be published by pointer: `{rows.table}` is longer than a name may be",
            f"a name of at most {LONGEST_NAME - len(SUFFIX)} characters leaves room",
        )
    data = read_definition(session, rows.table)
    if data is not None:
        refuse_cascades(session, load, data.table)
    return [*(mismatches(rows, data, exact_columns(load)) if data is not None else []), *_unlike_view(load, there)]


def _unlike_view(load: Load, there: Definition | None) -> Iterator[tuple[str, str]]:
    """Why what has the table's name is not the view that shows its versions."""
    if there is not None and not there.is_view:
        others = (
            ", and only that: rows of other periods stay behind until their runs publish again"
            if load.write == "replace_where"
            else ""
        )
        why = f"it is a table, and a view of its name is to show what is published{others}"
        yield why, f"RENAME TABLE {name(load.table)} TO {name(load.table + '__before')}"
    elif there is not None and [column.name for column in there.columns] != [item.name for item in load.columns]:
        yield "its view shows other columns", view_statement(load, is_there=True)


def prepare(session: Session, load: Load, label: str) -> Definition:
    """Make what is missing, and compare what is there; gives the table as it is then. Raises RunFailure."""
    problems = find_mismatches(session, load)
    if problems:
        why = "; ".join(problem for problem, _ in problems)
        fix = "run: " + " ".join(f"{statement};" for _, statement in problems)
        raise RunFailure(
            "sink", "table-mismatch", f"the table `{load.table}` of connection `{label}` does not fit: {why}", fix
        )
    exact = exact_columns(load)
    for statement in missing_tables(session):
        _make(session, statement)
    if load.publish == "transaction":
        return _made(session, load.table, create_statement(load, exact))
    rows = with_numbers(load)
    _made(session, VERSIONS, DDL)
    there = _made(session, rows.table, create_statement(rows, exact))
    _made(session, load.table, view_statement(load))
    return there


def _made(session: Session, table: str, statement: str) -> Definition:
    """The table or view, made by `statement` where it is missing."""
    there = read_definition(session, table)
    if there is None:
        _make(session, statement)
        there = read_definition(session, table)
        assert there is not None
    return there


def _make(session: Session, statement: str) -> None:
    try:
        session.run(statement)
    except ServerError as error:
        if error.code not in DENIED:
            raise
        kind = "view" if statement.startswith("CREATE VIEW") else "table"
        right = "CREATE VIEW" if kind == "view" else "CREATE"
        raise RunFailure(
            "sink",
            "no-right",
            f"the account may not make a {kind} that is missing ({error.code})",
            f"grant it {right} for the first run, or let somebody run: {statement};",
        ) from error
