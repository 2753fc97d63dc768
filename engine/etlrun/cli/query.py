"""`etlrun query`: queries published tables."""

from __future__ import annotations

import csv
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etlrun.cli.words import row_json, table_text
from etlrun.diagnostics import counted, nearest
from etlrun.spec.project import Profile
from etlrun.spec.project_file import find_project

if TYPE_CHECKING:
    from etlrun.runtime.querying import QueryRows


@click.command("query")
@click.argument("sql", metavar="SELECT")
@click.option("--connection", default="", help="A connection of the profile. Default: the only one, or `warehouse`.")
@click.option(
    "-n",
    "--rows",
    default=1000,
    show_default=True,
    type=click.IntRange(1, 1_000_000),
    help="The largest number of rows.",
)
@click.option(
    "--format",
    "form",
    default="table",
    show_default=True,
    type=click.Choice(["table", "csv", "json"]),
    help="The output format.",
)
@click.option("--json", "as_json", is_flag=True, help="Same as --format json: one object for each row.")
@click.option("--profile", default="", envvar="ETLRUN_PROFILE", help="The profile of etlrun.yaml to use.")
def command(sql: str, connection: str, rows: int, form: str, *, as_json: bool, profile: str) -> None:
    """Run a SELECT over published tables and show the rows.

    Write the SELECT as in a `sql` step; it cannot change anything. etlrun first copies the columns that it uses, with all rows.
    So if you need a few rows of a very large table, the client of the database is faster. Write a table of another schema in
    backticks: `marts.orders`.
    """
    from etlrun.runtime.querying import ask_database
    from etlrun.warehouse.opening import database_reader

    project = find_project(Path.cwd())
    chosen = project.profile(profile)
    with (
        tempfile.TemporaryDirectory(prefix="etlrun-query-") as work,
        closing(database_reader(project, chosen)(_connection(chosen, connection))) as database,
    ):
        answer = ask_database(sql, database, Path(work), rows)
    _print(answer, "json" if as_json else form)
    if answer.is_cut:
        click.echo(f"the first {counted(rows, 'row')}; there are more: --rows N", err=True)


def _connection(profile: Profile, name: str) -> str:
    """The chosen connection. Raises BadParameter."""
    known = tuple(profile.connections)
    if name in known:
        return name
    if not name and (len(known) == 1 or "warehouse" in known):
        return known[0] if len(known) == 1 else "warehouse"
    there = f"the profile `{profile.name}` has {', '.join(known) or 'none'}"
    if not name:
        raise click.UsageError(f"name a connection with --connection NAME: {there}")
    raise click.BadParameter(
        f"there is no connection `{name}` ({nearest(name, known) or there})", param_hint="--connection"
    )


def _print(answer: QueryRows, form: str) -> None:
    names = list(answer.columns.names)
    rows = answer.rows.to_pylist()
    if form == "json":
        for row in rows:
            click.echo(row_json(row))
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([row[name] for name in names] for row in rows)
    else:
        click.echo(table_text(names, [[row[name] for name in names] for row in rows]))
