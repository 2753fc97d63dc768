"""Before a publish: a table that is missing is made, one that is there must fit."""

from __future__ import annotations

from dataclasses import dataclass

from etlrun.connections._mysql.conditions import condition_columns, mysql_condition
from etlrun.connections._mysql.errors import ServerError
from etlrun.connections._mysql.ledger import missing_tables
from etlrun.connections._mysql.session import Session
from etlrun.connections._mysql.tables import Definition, create_statement, mismatches, read_definition, unfit
from etlrun.failures import RunFailure
from etlrun.spec.database import Load

DENIED = frozenset((1044, 1142, 1227))


@dataclass(frozen=True)
class Prepared:
    """The table as it is, and the columns of it that tell rows apart."""

    definition: Definition
    exact: frozenset[str]


def exact_columns(load: Load) -> frozenset[str]:
    """The columns whose values must be told apart to the last bit: those of the key, and of the condition. In lower case."""
    return frozenset((*(key.lower() for key in load.key), *condition_columns(load.condition)))


def find_mismatches(session: Session, load: Load) -> list[tuple[str, str]]:
    """Why `load` does not fit what is there, each with the statement that would mend it. Raises RunFailure for what no table can hold."""
    for why in unfit(load.columns):
        raise RunFailure("sink", "unfit-column", f"the table `{load.table}` cannot be made: {why}", "`cast` or `rename` the column before")
    if load.condition is not None:
        mysql_condition(load.condition)
    there = read_definition(session, load.table)
    return list(mismatches(load, there, exact_columns(load))) if there is not None else []


def prepare(session: Session, load: Load, label: str) -> Prepared:
    """Make what is missing, and compare what is there. Raises RunFailure."""
    problems = find_mismatches(session, load)
    if problems:
        why = "; ".join(problem for problem, _ in problems)
        fix = "run: " + " ".join(f"{statement};" for _, statement in problems)
        raise RunFailure("sink", "table-mismatch", f"the table `{load.table}` of connection `{label}` does not fit: {why}", fix)
    exact = exact_columns(load)
    for statement in missing_tables(session):
        _make(session, statement)
    there = read_definition(session, load.table)
    if there is None:
        _make(session, create_statement(load, exact))
        there = read_definition(session, load.table)
        assert there is not None
    return Prepared(there, exact)


def _make(session: Session, statement: str) -> None:
    try:
        session.run(statement)
    except ServerError as error:
        if error.code not in DENIED:
            raise
        raise RunFailure("sink", "no-right", f"the account may not make a table that is missing ({error.code})",
                         f"grant it CREATE for the first run, or let somebody run: {statement};") from error  # fmt: skip
