"""`etlrun show`: shows rows at any point of a pipeline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etlrun.cli.options import PipelineFile, checked_pipeline, choosing, complete_relation
from etlrun.cli.reporting import reporting
from etlrun.cli.where import read_condition
from etlrun.cli.words import row_json, table_text, tell
from etlrun.diagnostics import counted, nearest

if TYPE_CHECKING:
    from sqlglot import exp

    from etlrun.compiler.check import Checked
    from etlrun.language.columns import Column, Columns
    from etlrun.runtime.failing_rows import FailingRows

Found = tuple[list[str], list[dict[str, Any]], int]  # names, the first rows, and how many there are
Look = Callable[[tuple[Path, ...]], Found]


@click.command("show")
@click.argument("pipeline", metavar="PIPELINE", type=PipelineFile())
@click.argument("relation", metavar="RELATION", shell_complete=complete_relation)
@click.option(
    "-n",
    "--rows",
    default=20,
    show_default=True,
    type=click.IntRange(0),
    help="The largest number of rows; rows are sorted by all columns.",
)
@click.option("--where", default="", metavar="EXPR", help="Only rows for which this expression is true.")
@click.option(
    "--failing",
    default="",
    metavar="CHECK",
    help="Show the rows for which this check failed in the last run: `unique`. If several `unique` checks failed, `unique.2` is the second one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each row.")
@choosing
def command(
    pipeline: Path,
    relation: str,
    rows: int,
    where: str,
    failing: str,
    as_json: bool,
    profile: str,
    engine: str,
    settings: tuple[str, ...],
) -> None:
    """Show the rows of a source or a chain, also after its first steps.

    RELATION is a source, a chain, or a chain after its first steps: `profile.2` is the chain `profile` after two steps.

    No check runs and nothing is published. Rows are computed with DuckDB, unless --engine names another engine; Spark gives the
    same rows. With --failing nothing is computed: the rows come from the last run, which saved the first 1,000 rows that failed
    each check.
    """
    from etlrun.runtime.labels_now import with_labels_of_now

    checked, name = _cut(checked_pipeline(pipeline, profile, engine or "duckdb", settings), relation)
    kept = _kept(checked, relation, failing) if failing else None
    with reporting(checked.pipeline.name, quiet=True) as reporter:
        checked = with_labels_of_now(checked, (name,), reporter)
    if kept is not None:
        checked = replace(checked, columns={**checked.columns, name: kept.columns})
    condition = read_condition(checked, name, where)
    look = partial(_look, checked.columns[name], condition, rows)
    names, shown, total = _failing(kept, look) if kept is not None else _computed(checked, name, look)
    if as_json:
        for row in shown:
            click.echo(row_json(row))
        return
    click.echo(table_text(names, [[row[name] for name in names] for row in shown]))
    click.echo(f"{len(shown):,} of {counted(total, 'row')}", err=True)


def _computed(checked: Checked, name: str, look: Look) -> Found:
    from etlrun.runtime.run import RunOptions, run_pipeline

    found: list[Found] = []
    with reporting(checked.pipeline.name, quiet=True) as reporter:
        options = RunOptions(False, (name,), look=lambda staged: found.append(look(staged[name].paths)))
        run_pipeline(checked, reporter, options)
    return found[0]


def _kept(checked: Checked, relation: str, check: str) -> FailingRows:
    from etlrun.runtime.failing_rows import find_failing

    kept = find_failing(checked, relation, check)
    tell(f"check `{check}` of `{relation}` in the run {kept.run_id}: {kept.detail}", err=True)
    return kept


def _failing(kept: FailingRows, look: Look) -> Found:
    from etlrun.runtime.failing_rows import MOST_KEPT

    names, shown, total = look((kept.path,))
    if total == MOST_KEPT:
        tell(f"a run keeps only the first {MOST_KEPT:,} rows of a check", err=True)
    return names, shown, total


def _cut(checked: Checked, relation: str) -> tuple[Checked, str]:
    """The pipeline with the chain cut after the requested step; only parts that the relation needs are checked."""
    from etlrun.compiler.plan import prefix

    name, _, steps = relation.partition(".")
    if name not in checked.columns:
        known = tuple(checked.columns)
        raise click.BadParameter(
            f"there is no relation `{name}` ({nearest(name, known) or 'the relations are ' + ', '.join(known)})",
            param_hint="RELATION",
        )
    bare = replace(checked, pipeline=replace(checked.pipeline, checks={}, sinks={}))
    if not steps:
        return bare, name
    length = len(checked.pipeline.chains.get(name, ()))
    if not steps.isdigit() or not 1 <= int(steps) <= length:
        raise click.BadParameter(f"`{name}` has {length} steps: `{name}.1` to `{name}.{length}`", param_hint="RELATION")
    return prefix(bare, name, int(steps)), name


def _shown(item: Column) -> str:
    """A column for output: an instant gets a type with a time zone."""
    from etlrun.language.duckdb_words import name

    column = name(item.name)
    return f"CAST({column} AS VARCHAR) || 'Z' AS {column}" if item.type.name == "timestamptz" else column


def _look(columns: Columns, condition: exp.Expr | None, rows: int, paths: tuple[Path, ...]) -> Found:
    import duckdb

    from etlrun.language.dialects import duckdb_sql
    from etlrun.language.duckdb_words import name, only_these_files, parquet

    names = [item.name for item in columns]
    where = f" WHERE {duckdb_sql(condition)}" if condition is not None else ""
    with duckdb.connect(config={"python_enable_replacements": False}) as connection:
        connection.execute(only_these_files((), map(str, paths)))
        source = f"(SELECT {', '.join(name(found) for found in names)} FROM {parquet(paths)}){where}"
        shown = ", ".join(_shown(item) for item in columns)
        ((total,),) = connection.execute(f"SELECT count(*) FROM {source}").fetchall()
        table = connection.sql(
            f"SELECT {shown} FROM (SELECT * FROM {source} ORDER BY ALL LIMIT {rows})"
        ).to_arrow_table()
    return names, table.to_pylist(maps_as_pydicts="strict"), total
