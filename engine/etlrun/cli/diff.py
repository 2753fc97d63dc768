"""`etlrun diff`: what changed between two sets of rows of one table."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etlrun.cli.options import PipelineFile, checked_pipeline, choosing, gathered
from etlrun.cli.reporting import reporting
from etlrun.cli.where import read_condition
from etlrun.cli.words import tell
from etlrun.diagnostics import nearest

if TYPE_CHECKING:
    from etlrun.compiler.check import Checked
    from etlrun.runtime.table_diff import DiffOptions, TableDiff


@dataclass(frozen=True)
class ComparedRows:
    """Which rows and columns are compared, and how many changed rows are shown, as the options say it."""

    key: str
    ignore: tuple[str, ...]
    where: str
    tolerance: float
    rows: int


@click.command("diff")
@click.argument("pipeline", metavar="PIPELINE", type=PipelineFile())
@click.argument("before", metavar="[BEFORE]", default="published")
@click.argument("after", metavar="[AFTER]", default="now")
@click.option(
    "--sink", default="", metavar="NAME", help="The sink whose rows are compared, where the pipeline has several."
)
@click.option("--key", default="", metavar="A,B", help="The columns that tell rows apart; the sink's key if not given.")
@click.option("--ignore", multiple=True, metavar="COLUMN", help="A column that is not compared; may be repeated.")
@click.option("--where", default="", metavar="EXPR", help="Only rows for which this expression is true.")
@click.option(
    "--tolerance",
    default=0.0,
    metavar="SHARE",
    help="Numbers whose difference is at most this share, such as 0.001, count as equal.",
)
@click.option(
    "-n", "--rows", default=10, show_default=True, type=click.IntRange(0), help="How many changed rows at most."
)
@click.option("--json", "as_json", is_flag=True, help="Print one object.")
@choosing
@gathered(ComparedRows)
def command(
    pipeline: Path,
    before: str,
    after: str,
    sink: str,
    as_json: bool,
    profile: str,
    engine: str,
    settings: tuple[str, ...],
    options: ComparedRows,
) -> None:
    """Compare two sets of rows of a table that PIPELINE publishes, by its key, and show what changed.

    BEFORE and AFTER are each `published` (what the table holds), `now` (what a run would give now, computed by duckdb; nothing is published),
    the id of a run whose rows were kept (refused or failed), or a Parquet file. Without them: what a run now would change.

    With `replace_where`, only the rows that a run replaces are compared; with `append` or `merge`, only those with the keys that a run gives.

    Exit code 0 when they are equal, 1 when they differ.
    """
    from etlrun.cli.diff_report import diff_object, diff_text

    checked = checked_pipeline(pipeline, profile, engine or "duckdb", settings)
    chosen = _sink(checked, sink)
    found = _compare(checked, chosen, (before, after), _diff_options(checked, chosen, options))
    if as_json:
        click.echo(json.dumps(diff_object(checked.pipeline.name, chosen, found), ensure_ascii=False, default=str))
    else:
        relation = checked.pipeline.sinks[chosen].value.from_
        tell(diff_text(f"{checked.pipeline.name}: {relation} -> {chosen}", found))
    raise SystemExit(0 if found.is_equal else 1)


def _diff_options(checked: Checked, sink: str, options: ComparedRows) -> DiffOptions:
    from etlrun.runtime.table_diff import DiffOptions

    value = checked.pipeline.sinks[sink].value
    return DiffOptions(
        _key(checked, sink, options.key),
        options.ignore,
        options.tolerance,
        options.rows,
        read_condition(checked, value.from_, options.where),
        getattr(value, "write", "") in ("append", "merge"),
    )


def _compare(checked: Checked, sink: str, sides: tuple[str, str], options: DiffOptions) -> TableDiff:
    from etlrun.runtime.diff_sides import rows_of
    from etlrun.runtime.table_diff import compare_tables

    with (
        tempfile.TemporaryDirectory(prefix="etlrun-diff-") as work,
        reporting(checked.pipeline.name, quiet=True) as reporter,
    ):
        before, after = (
            rows_of(text, checked, sink, Path(work) / str(number), reporter) for number, text in enumerate(sides)
        )
        return compare_tables(before, after, options)


def _sink(checked: Checked, name: str) -> str:
    """The sink that is meant. Raises UsageError."""
    sinks = tuple(checked.pipeline.sinks)
    if name in sinks:
        return name
    if name:
        fix = nearest(name, sinks) or "there is " + ", ".join(sinks)
        raise click.BadParameter(f"`{checked.pipeline.name}` has no sink `{name}` ({fix})", param_hint="--sink")
    if len(sinks) != 1:
        there = f"`{checked.pipeline.name}` has {', '.join(sinks) or 'no sinks'}"
        raise click.UsageError(f"{there}: --sink NAME" if sinks else there)
    return sinks[0]


def _key(checked: Checked, sink: str, text: str) -> tuple[str, ...]:
    """The columns that tell rows apart: those given, the sink's key, or what the pipeline knows. Raises UsageError."""
    use = checked.pipeline.sinks[sink]
    columns = checked.columns[use.value.from_]
    given = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in given:
        if name not in columns:
            fix = nearest(name, columns.names) or "the columns are " + ", ".join(columns.names)
            raise click.BadParameter(f"there is no column `{name}` ({fix})", param_hint="--key")
    found: tuple[str, ...] = given or getattr(use.value, "key_", ()) or columns.unique or ()
    if not found:
        raise click.UsageError(f"the sink `{sink}` has no `key`: name the columns that tell rows apart with --key A,B")
    return tuple(item.name for name in found if (item := columns.get(name)) is not None)
