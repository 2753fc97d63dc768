"""`etlrun diff`: shows what changed between two sets of rows of one table."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etlrun.cli.options import PipelineFile, checked_pipeline, choosing, gathered, read_settings
from etlrun.cli.reporting import reporting
from etlrun.cli.where import read_condition
from etlrun.cli.words import tell
from etlrun.diagnostics import nearest

if TYPE_CHECKING:
    from etlrun.compiler.check import Checked
    from etlrun.language.columns import Columns
    from etlrun.runtime.result_causes import Causes
    from etlrun.runtime.table_diff import DiffOptions, TableDiff


@dataclass(frozen=True)
class ComparedRows:
    """The arguments and options that choose the compared rows and columns, and how many changed rows are shown."""

    before: str
    after: str
    against: str
    key: str
    column: tuple[str, ...]
    ignore: tuple[str, ...]
    where: str
    tolerance: float
    rows: int


@click.command("diff")
@click.argument("pipeline", metavar="PIPELINE", type=PipelineFile())
@click.argument("before", metavar="[BEFORE]", default="")
@click.argument("after", metavar="[AFTER]", default="now")
@click.option(
    "--against",
    default="",
    metavar="REV",
    help="Compare with the pipeline of this git revision, such as HEAD~1 or origin/main, on today's data.",
)
@click.option("--sink", default="", metavar="NAME", help="The sink to compare, if the pipeline has several.")
@click.option("--key", default="", metavar="A,B", help="The columns that identify a row. Default: the key of the sink.")
@click.option("--column", multiple=True, metavar="NAME", help="Compare only this column; may be repeated.")
@click.option("--ignore", multiple=True, metavar="COLUMN", help="Do not compare this column; may be repeated.")
@click.option("--where", default="", metavar="EXPR", help="Only rows for which this expression is true.")
@click.option(
    "--tolerance",
    default=0.0,
    metavar="SHARE",
    help="Treat numbers as equal if their relative difference is at most this, such as 0.001.",
)
@click.option(
    "-n",
    "--rows",
    default=10,
    show_default=True,
    type=click.IntRange(0),
    help="The largest number of changed rows to show.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    metavar="FILE",
    help="Also write the result as an HTML page that opens from disk.",
)
@choosing
@gathered(ComparedRows)
def command(
    pipeline: Path,
    sink: str,
    as_json: bool,
    html: Path | None,
    profile: str,
    engine: str,
    settings: tuple[str, ...],
    options: ComparedRows,
) -> None:
    """Compare a published table with the rows that a run would publish now.

    BEFORE and AFTER can be `published` (the rows of the table), `now` (the rows that a run would publish now, computed with
    DuckDB; nothing is published), the id of a run whose rows are kept (a run that failed or whose check failed), or a Parquet
    file. Default: `published` and `now`.

    `--against REV` shows the effect of an edit: it compares the rows of the pipeline in that git revision with the rows of the
    pipeline in the folder, both computed from today's data.

    If the sink uses `replace_where`, only the rows that a run would replace are compared; with `append` or `merge`, only rows
    with the keys of the run. With `merge_newer`, rows that a run would not write, because the table has newer ones, are listed as
    changed.

    Exit code 0 if both sides are equal, 1 if they differ, 2 or more if they could not be compared, as for the commands `diff` and
    `cmp` of Unix.
    """
    checked = checked_pipeline(pipeline, profile, engine or "duckdb", settings)
    chosen = _sink(checked, sink)
    checked = _with_labels(checked, chosen)
    revision = _Revision(options.against, pipeline, read_settings(settings))
    found = (
        _compare_revision(checked, chosen, revision, options) if options.against else _compare(checked, chosen, options)
    )
    title = f"{checked.pipeline.name}: {checked.pipeline.sinks[chosen].value.from_} -> {chosen}"
    _tell(checked.pipeline.name, chosen, title if not as_json else "", found)
    if html:
        _write_page(html, title, found)
    raise SystemExit(0 if found.is_equal else 1)


def _tell(pipeline: str, sink: str, title: str, found: TableDiff) -> None:
    """Print a comparison below its title, or as JSON without a title."""
    from etlrun.cli.diff_report import diff_object, diff_text

    if title:
        tell(diff_text(title, found))
    else:
        click.echo(json.dumps(diff_object(pipeline, sink, found), ensure_ascii=False, default=str))


@dataclass(frozen=True)
class _Revision:
    """A revision of git, the pipeline's file, and the values of its params."""

    name: str
    file: Path
    settings: dict[str, str]


@contextmanager
def _failing_with_two() -> Iterator[None]:
    """In this block, a failure exits with 2 or more, because 1 means that the rows differ. Raises RunFailure."""
    from etlrun.failures import RunFailure

    try:
        yield
    except RunFailure as failure:
        failure.exit_code = max(failure.exit_code, 2)
        raise


@_failing_with_two()
def _write_page(path: Path, title: str, found: TableDiff) -> None:
    """Raises RunFailure if the file cannot be written."""
    from etlrun.cli.diff_page import diff_page
    from etlrun.failures import RunFailure

    try:
        path.write_text(diff_page(title, found), encoding="utf-8")
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise RunFailure("usage", "not-writable", message, "name a file in an existing folder") from error
    tell(str(path), err=True)


@_failing_with_two()
def _with_labels(checked: Checked, sink: str) -> Checked:
    """The pipeline with the labels that its pivots find now."""
    from etlrun.runtime.labels_now import with_labels_of_now

    with reporting(checked.pipeline.name, quiet=True) as reporter:
        return with_labels_of_now(checked, (checked.pipeline.sinks[sink].value.from_,), reporter)


def _diff_options(checked: Checked, sink: str, options: ComparedRows) -> DiffOptions:
    """How rows are compared; for a table that keeps old rows, only the rows of a run are compared."""
    from etlrun.runtime.table_diff import DiffOptions

    value = checked.pipeline.sinks[sink].value
    _verify_names(options.column, checked.columns[value.from_], "--column")
    return DiffOptions(
        _key(checked, sink, options.key),
        options.ignore,
        options.tolerance,
        options.rows,
        read_condition(checked, value.from_, options.where),
        not options.against
        and options.before in ("", "published")
        and getattr(value, "mode", "") in ("append", "merge"),
        options.column,
    )


@_failing_with_two()
def _compare(checked: Checked, sink: str, options: ComparedRows) -> TableDiff:
    from etlrun.runtime.diff_sides import rows_of
    from etlrun.runtime.table_diff import compare_tables

    compared = _diff_options(checked, sink, options)
    with (
        tempfile.TemporaryDirectory(prefix="etlrun-diff-") as work,
        reporting(checked.pipeline.name, quiet=True) as reporter,
    ):
        before, after = (
            rows_of(text, checked, sink, Path(work) / str(number), reporter)
            for number, text in enumerate((options.before or "published", options.after))
        )
        return replace(compare_tables(before, after, compared), causes=_causes(checked, sink, options))


def _causes(checked: Checked, sink: str, options: ComparedRows) -> Causes | None:
    """What changed since the run whose rows are compared with the current ones; None if the run is not known."""
    from etlrun.runtime.result_causes import last_publishing, since_run
    from etlrun.runtime.run_place import run_place
    from etlrun.runtime.run_records import find_run

    if options.after != "now" or options.before == "now" or options.before.endswith(".parquet"):
        return None
    if options.before in ("", "published"):
        record = last_publishing(checked, sink)
    else:
        record = find_run(run_place(checked.project), options.before).record
    return since_run(record, checked) if record is not None else None


@_failing_with_two()
def _compare_revision(checked: Checked, sink: str, revision: _Revision, options: ComparedRows) -> TableDiff:
    """Compare the rows of a revision's pipeline with those of the current one, on the same data. Raises UsageError."""
    from etlrun.runtime.diff_sides import rows_now
    from etlrun.runtime.git_revision import pipeline_at
    from etlrun.runtime.result_causes import between_specifications
    from etlrun.runtime.table_diff import compare_tables

    if options.before:
        raise click.UsageError("--against cannot be combined with BEFORE and AFTER: remove one of them")
    compared = _diff_options(checked, sink, options)
    with (
        tempfile.TemporaryDirectory(prefix="etlrun-diff-") as work,
        reporting(checked.pipeline.name, quiet=True) as reporter,
    ):
        folder = Path(work).resolve()
        then = pipeline_at(revision.name, revision.file, checked, revision.settings, folder / "spec")
        if sink not in then.pipeline.sinks:
            raise click.UsageError(f"the pipeline of {revision.name} has no sink `{sink}`: compare another --sink")
        before = rows_now(then, sink, folder / "before", reporter, f"the specification of {revision.name}")
        after = rows_now(checked, sink, folder / "after", reporter, "the specification now")
        found = compare_tables(before, after, compared)
        return replace(found, causes=between_specifications(then, checked))


def _sink(checked: Checked, name: str) -> str:
    """The chosen sink. Raises UsageError."""
    sinks = tuple(checked.pipeline.sinks)
    if name in sinks:
        return name
    if name:
        fix = nearest(name, sinks) or "choose one of " + ", ".join(sinks)
        raise click.BadParameter(f"`{checked.pipeline.name}` has no sink `{name}` ({fix})", param_hint="--sink")
    if len(sinks) != 1:
        there = f"`{checked.pipeline.name}` has {', '.join(sinks) or 'no sinks'}"
        raise click.UsageError(f"{there}: --sink NAME" if sinks else there)
    return sinks[0]


def _key(checked: Checked, sink: str, text: str) -> tuple[str, ...]:
    """The key columns: those given, the sink's key, or a key that the pipeline knows. Raises UsageError."""
    use = checked.pipeline.sinks[sink]
    columns = checked.columns[use.value.from_]
    given = tuple(part.strip() for part in text.split(",") if part.strip())
    _verify_names(given, columns, "--key")
    found: tuple[str, ...] = given or getattr(use.value, "key_", ()) or columns.unique or ()
    if not found:
        raise click.UsageError(f"the sink `{sink}` has no `key`: name columns that identify a row with --key A,B")
    return tuple(item.name for name in found if (item := columns.get(name)) is not None)


def _verify_names(names: tuple[str, ...], columns: Columns, option: str) -> None:
    """Raises BadParameter for a name that is not a column."""
    for name in names:
        if name not in columns:
            fix = nearest(name, columns.names) or "the columns are " + ", ".join(columns.names)
            raise click.BadParameter(f"there is no column `{name}` ({fix})", param_hint=option)
