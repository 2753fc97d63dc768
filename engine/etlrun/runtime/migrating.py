"""`etlrun migrate`: the changes that existing tables need before a changed pipeline can publish to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from etlrun.compiler.check import Checked
from etlrun.contracts.connection import Load, may_lose
from etlrun.failures import RunFailure
from etlrun.runtime.blame import located
from etlrun.runtime.publishing import planned_load
from etlrun.spec.project import Use
from etlrun.warehouse.opening import database_writer


@dataclass(frozen=True)
class Migration:
    """The changes that a table needs: why, and the statement, in the order in which they work."""

    checked: Checked
    sink: str
    use: Use
    load: Load
    changes: tuple[tuple[str, str], ...]

    @property
    def lossy(self) -> tuple[str, ...]:
        """The statements that may lose existing values."""
        return tuple(statement for _, statement in self.changes if may_lose(statement))

    @property
    def place(self) -> str:
        return f"{self.use.value.place(self.sink)[0]}.{self.load.table}"


def find_migrations(pipelines: Sequence[Checked]) -> Iterator[Migration]:
    """The changes that the tables of pipelines need. Raises RunFailure if a table cannot be inspected."""
    for checked in pipelines:
        for sink, use in checked.pipeline.sinks.items():
            load = planned_load(checked, sink, use)
            if load is None:
                continue
            database = database_writer(checked.project, checked.profile)(use.value.place(sink)[0])
            try:
                changes = tuple(database.mismatches(load))
            except RunFailure as failure:
                raise located(checked, use.where, failure) from failure.__cause__
            finally:
                database.close()
            if changes:
                yield Migration(checked, sink, use, load, changes)


def refuse_loss(migrations: Sequence[Migration]) -> None:
    """Raises RunFailure for changes that may lose values."""
    lossy = [(found, statement) for found in migrations for statement in found.lossy]
    if lossy:
        found, statement = lossy[0]
        others = f", and {len(lossy) - 1} more" if len(lossy) > 1 else ""
        message = f"a change of {found.place} may lose values that are there: {statement}{others}"
        fix = "nothing was changed; add `--allow-loss` to run it, or change the pipeline so that its columns fit"
        failure = RunFailure("sink", "lossy-change", message, fix)
        raise located(found.checked, found.use.where, failure)


def apply(migration: Migration) -> None:
    """Change a table, while no other run may write to it. Raises RunFailure."""
    checked = migration.checked
    database = database_writer(checked.project, checked.profile)(migration.use.value.place(migration.sink)[0])
    try:
        database.change(migration.load, [statement for _, statement in migration.changes])
    except RunFailure as failure:
        raise located(checked, migration.use.where, failure) from failure.__cause__
    finally:
        database.close()
