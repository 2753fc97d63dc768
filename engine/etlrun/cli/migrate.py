"""`etlrun migrate`: changes tables so that changed pipelines can publish to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from etlrun.cli.options import PipelineFile, checked_pipeline, choosing
from etlrun.cli.reporting import reporting
from etlrun.cli.words import tell
from etlrun.diagnostics import counted

if TYPE_CHECKING:
    from etlrun.compiler.check import Checked


@click.command("migrate")
@click.argument("pipelines", metavar="[PIPELINE...]", nargs=-1, type=PipelineFile())
@choosing
@click.option("--apply", "applies", is_flag=True, help="Run the statements instead of printing them.")
@click.option("--allow-loss", is_flag=True, help="With --apply: also run statements that may lose existing values.")
def command(
    pipelines: tuple[Path, ...],
    profile: str,
    engine: str,
    settings: tuple[str, ...],
    applies: bool,
    allow_loss: bool,
) -> None:
    """Print the ALTER TABLE statements that existing tables need.

    PIPELINE is a file or name; default: all pipelines of the project.

    A run never alters an existing table: if a column is new or has another type, the run stops. `etlrun migrate` prints the
    statements that change the tables. With --apply it runs them, one table after another, while no run writes to the table. A
    statement that may lose values has a comment; then --apply runs nothing without --allow-loss. Missing tables are created by
    the next run.
    """
    from etlrun.cli.run_project import project_graph
    from etlrun.runtime.migrating import apply, find_migrations, refuse_loss

    if allow_loss and not applies:
        raise click.UsageError("--allow-loss needs --apply")
    if pipelines:
        checked = [checked_pipeline(path, profile, engine, settings) for path in pipelines]
    else:
        checked = list(project_graph(profile, engine, settings).pipelines.values())
    found = list(find_migrations([_with_labels(one) for one in checked]))
    if applies and not allow_loss:
        refuse_loss(found)
    for migration in found:
        tell(f"-- {migration.place} ({migration.checked.project.shown(migration.checked.pipeline.path)})")
        for why, statement in migration.changes:
            tell(f"-- {why}\n{statement};")
        if applies:
            apply(migration)
            tell(f"changed {migration.place}", err=True)
    if not found:
        tell("no existing table needs a change", err=True)
    elif not applies:
        tell(f"{counted(len(found), 'table')} to change; `--apply` runs these statements", err=True)


def _with_labels(checked: Checked) -> Checked:
    """The pipeline with the labels that its pivots find now."""
    from etlrun.runtime.labels_now import with_labels_of_now

    published = [use.value.from_ for use in checked.pipeline.sinks.values()]
    with reporting(checked.pipeline.name, quiet=True) as reporter:
        return with_labels_of_now(checked, published, reporter)
