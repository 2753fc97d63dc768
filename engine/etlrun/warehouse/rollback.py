"""`etlrun rollback`: makes earlier rows of a table with `publish: pointer` current again, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from etlrun.contracts.connection import Version, nothing_kept
from etlrun.failures import RunFailure
from etlrun.stopping import finishing
from etlrun.warehouse import versions
from etlrun.warehouse.faults import point
from etlrun.warehouse.ledger import forget, record
from etlrun.warehouse.server import AnyServer, ServerSession
from etlrun.warehouse.versions import VERSIONS, TableVersion

SHOWN = ("current", "earlier", "withdrawn")


def find_versions(server: AnyServer, session: ServerSession, table: str) -> Sequence[Version]:
    """The stored versions of a table, the latest publish first."""
    kept = versions.find(server, session, table) if server.describe(session, VERSIONS) is not None else []
    return tuple(
        Version(one.period, one.run_id, one.rows, one.state == "current") for one in kept if one.state in SHOWN
    )


def roll_back(server: AnyServer, session: ServerSession, table: str, period: str | None, run: str) -> Sequence[Version]:
    """Undo the last publish of a table, or of a period of it; with `run`, make the rows of that run current. Raises RunFailure, ServerError.

    The session must be closed after a failure: what is open in its transaction is rolled back then.
    """
    if not find_versions(server, session, table):
        raise nothing_kept(table)
    session.run("START TRANSACTION")
    kept = [
        one
        for one in versions.find(server, session, table, locked=True)
        if one.state in SHOWN and period in (None, one.period)
    ]
    if run:
        _show_again(server, session, table, kept, run)
    else:
        _undo(server, session, table, kept)
    point("rolled-back")
    with finishing():
        session.run("COMMIT")
    return find_versions(server, session, table)


def _undo(server: AnyServer, session: ServerSession, table: str, kept: list[TableVersion]) -> None:
    last = next((one for one in kept if one.state == "current"), None)
    if last is None:
        raise RunFailure(
            "usage",
            "unknown-period",
            f"no publish of the table `{table}` has this period",
            "`--dry-run` lists the versions that are kept",
        )
    changed = versions.withdraw(last, versions.find(server, session, table))
    if len(changed) == 1:
        raise RunFailure(
            "usage",
            "no-versions",
            f"no rows of `{table}` from before run {last.run_id} are kept",
            "`keep:` of the sink sets how many publishes are kept from now on",
        )
    versions.write(server, session, changed)
    forget(server, session, last)
    for restored in changed[1:]:
        record(server, session, restored)


def _show_again(server: AnyServer, session: ServerSession, table: str, kept: list[TableVersion], run: str) -> None:
    found = [one for one in kept if one.run_id.startswith(run)]
    if not found:
        known = ", ".join(dict.fromkeys(one.run_id for one in kept))
        raise RunFailure(
            "usage",
            "unknown-run",
            f"no rows of run `{run}` are kept for the table `{table}`",
            f"rows of these runs are kept: {known}" if known else "",
        )
    if len({(one.period, one.run_id) for one in found}) > 1:
        raise RunFailure(
            "usage",
            "several-runs",
            f"several publishes of `{table}` are of runs whose id begins with `{run}`",
            "write the whole id, and add `--period`",
        )
    if any(one.state == "current" for one in found):
        raise RunFailure(
            "usage",
            "already-current",
            f"the table `{table}` already shows the rows of run {found[0].run_id}",
            "`--dry-run` lists the versions that are kept",
        )
    again = versions.insert(server, session, replace(found[0], version=0))
    versions.write(server, session, versions.publish(again, versions.find(server, session, table)))
    record(server, session, again)
