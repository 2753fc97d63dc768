"""Before a publish: create a missing table, and compare an existing one with the load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlglot import exp

from etlrun.contracts.connection import Load
from etlrun.failures import Reason, RunFailure
from etlrun.warehouse.denied import missing_rights
from etlrun.warehouse.ledger import missing_tables
from etlrun.warehouse.references import refuse_cascades, refuse_triggers
from etlrun.warehouse.server import AnyServer, ServerError, ServerSession
from etlrun.warehouse.tables import Definition, StoredColumn
from etlrun.warehouse.versions import SUFFIX, VERSIONS, data_table, view_statement, with_numbers
from etlrun.warehouse.view_publish import misfits

AnyDefinition = Definition[StoredColumn]


def condition_columns(condition: exp.Expr | None) -> tuple[str, ...]:
    """The columns of a condition, in lower case."""
    found = condition.find_all(exp.Column) if condition is not None else ()
    return tuple(dict.fromkeys(column.name.lower() for column in found))


def exact_columns(load: Load) -> frozenset[str]:
    """The columns whose values must be compared exactly: those of the key and of the condition. In lower case."""
    return frozenset((*(key.lower() for key in load.key), *condition_columns(load.condition)))


def find_mismatches(server: AnyServer, session: ServerSession, load: Load) -> list[tuple[str, str]]:
    """Differences between `load` and the existing table, each with the statement that corrects it. Raises RunFailure for columns that no table can store."""
    for why in server.unfit(load.columns):
        raise RunFailure(
            "sink",
            "unfit-column",
            f"the table `{load.table}` cannot be created: {why}",
            "`cast` or `rename` the column in a step",
        )
    if load.condition is not None:
        server.condition(load.condition)
    _refuse_long_name(server, load)
    statement = server.missing_schema(session, load.table)
    if statement:
        raise missing_schema("sink", load.table, statement)
    if load.write == "view":
        return list(misfits(server, session, load))
    there = server.describe(session, load.table)
    if not is_by_pointer(server, load):
        if there is not None:
            _refuse_changes_elsewhere(server, session, load, there.table)
        return list(server.mismatches(load, there, exact_columns(load))) if there is not None else []
    rows = with_numbers(load)
    data = server.describe(session, rows.table)
    if data is not None:
        _refuse_changes_elsewhere(server, session, load, data.table)
    changes = list(server.mismatches(rows, data, exact_columns(load))) if data is not None else []
    return list(_with_view(server, load, there, changes))


def _refuse_long_name(server: AnyServer, load: Load) -> None:
    needed, fix = load.table, "choose a shorter name"
    if is_by_pointer(server, load):
        needed, fix = data_table(load.table), f"{fix}: `publish: pointer` adds `{SUFFIX}` to it"
    if server.is_too_long(needed.rpartition(".")[2]):
        message = (
            f"the table `{load.table}` cannot be created: `{needed}` is longer than a name may be in {server.product}"
        )
        raise RunFailure("sink", "unfit-name", message, fix)


def _refuse_changes_elsewhere(server: AnyServer, session: ServerSession, load: Load, table: str) -> None:
    refuse_cascades(load, table, server.references_to(session, table))
    refuse_triggers(load, table, server.triggers_of(session, load, table))


def missing_schema(reason: Reason, table: str, statement: str) -> RunFailure:
    """The failure of a table in a schema that does not exist."""
    schema = table.split(".", maxsplit=1)[0]
    return RunFailure(
        reason, "missing-schema", f"there is no schema `{schema}` for the table `{table}`", f"run: {statement};"
    )


def _with_view(
    server: AnyServer, load: Load, there: AnyDefinition | None, changes: list[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """The changes of the table of versions, and the differences of its view."""
    is_unlike = there is not None and [each.name for each in there.columns] != [item.name for item in load.columns]
    is_in_the_way = server.views_hold_columns and there is not None and there.is_view and bool(changes or is_unlike)
    if is_in_the_way:
        drop = f"DROP VIEW {server.table(load.table)} /* this also removes the grants on it */"
        yield "columns cannot be changed while its view shows them", drop
    yield from changes
    if there is not None and not there.is_view:
        others = (
            "; rows of other periods are missing there until their runs publish again"
            if load.write == "replace_where"
            else ""
        )
        why = f"it is a table, and `publish: pointer` needs a view with this name{others}"
        yield why, server.rename_statement(load.table, f"{load.table.rpartition('.')[2]}__before")
    elif is_in_the_way:
        yield "its view must then be created again", view_statement(server, load)
    elif is_unlike:
        yield "its view shows other columns", view_statement(server, load, replaces=True)


def refuse_shared(server: AnyServer, session: ServerSession, loads: Sequence[Load]) -> None:
    """Raises RunFailure if two loads write the same table under different names: the second could replace the rows of the first."""
    seen: dict[str, str] = {}
    for load in loads:
        first = seen.setdefault(server.lock_owner(session, load.table), load.table)
        if first != load.table:
            raise RunFailure(
                "sink",
                "shared-table",
                f"`{first}` and `{load.table}` are one table, and two sinks publish to it",
                f"write `table: {first}` in both, and `etlrun check` says whether they share rows",
            )


def prepare(server: AnyServer, session: ServerSession, load: Load, label: str) -> AnyDefinition:
    """Create missing tables, and compare existing ones. Raises RunFailure."""
    problems = find_mismatches(server, session, load)
    if problems:
        why = "; ".join(problem for problem, _ in problems)
        fix = "run: " + " ".join(f"{statement};" for _, statement in problems)
        raise RunFailure(
            "sink", "table-mismatch", f"the table `{load.table}` of connection `{label}` does not fit: {why}", fix
        )
    exact = exact_columns(load)
    for statement in missing_tables(server, session):
        _make(server, session, load, statement)
    if not is_by_pointer(server, load):
        return _made(server, session, load, load.table, server.create_statement(load, exact))
    rows = with_numbers(load)
    _made(server, session, load, VERSIONS, server.versions_table())
    there = _made(server, session, load, rows.table, server.create_statement(rows, exact))
    _made(server, session, load, load.table, view_statement(server, load))
    return there


def is_by_pointer(server: AnyServer, load: Load) -> bool:
    """Whether a load is published by pointer: it is requested, and the server supports it."""
    return load.publish == "pointer" and server.keeps_versions


def _made(server: AnyServer, session: ServerSession, load: Load, table: str, statement: str) -> AnyDefinition:
    """The table or view; `statement` creates it if it is missing."""
    there: AnyDefinition | None = server.describe(session, table)
    if there is None:
        _make(server, session, load, statement)
        there = server.describe(session, table)
        assert there is not None
        there = replace(there, is_new=True)
    return there


def _make(server: AnyServer, session: ServerSession, load: Load, statement: str) -> None:
    try:
        session.run(statement)
    except ServerError as error:
        if error.kind != "denied":
            raise
        kind = "view" if statement.startswith("CREATE VIEW") else "table"
        right = server.view_right if kind == "view" else "CREATE"
        what, fix = missing_rights(server, session, load, error) or (
            f"the account lacks a right ({error.code})",
            f"grant it {right} for the first run, or let an administrator run: {statement};",
        )
        raise RunFailure("sink", "no-right", f"the missing {kind} cannot be created: {what}", fix) from error
