"""`etlrun explain`: shows how a row was computed, back to the rows of the sources."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etlrun.cli.options import PipelineFile, checked_pipeline, choosing
from etlrun.cli.reporting import reporting
from etlrun.cli.words import tell
from etlrun.diagnostics import counted, nearest

if TYPE_CHECKING:
    from etlrun.compiler.check import Checked
    from etlrun.runtime.key_trail import TrailRelation

DAYS = 6  # shown of a source, of more


@click.command("explain")
@click.argument("pipeline", metavar="PIPELINE", type=PipelineFile())
@click.argument("relation", metavar="[RELATION]", default="")
@click.option(
    "--key",
    "keys",
    multiple=True,
    required=True,
    metavar="[COLUMN=]VALUE",
    help="The key of the row; may be repeated. If the key is one column, VALUE alone is enough.",
)
@click.option("-n", "--rows", default=0, type=click.IntRange(0), help="Also show this many rows of each relation.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@choosing
def command(
    pipeline: Path,
    relation: str,
    keys: tuple[str, ...],
    rows: int,
    as_json: bool,
    profile: str,
    engine: str,
    settings: tuple[str, ...],
) -> None:
    """Show how one row was computed: its input rows after each step.

    RELATION is a sink or chain; default: the only sink. The command shows the values of the row with this key, and the number of
    rows that belong to it after each step, back to the sources.

    Rows are computed with DuckDB from the current sources; no model is called, and nothing is published. The command follows the
    key back until a relation does not have the key columns, or changes them.

    Exit code 1 if there is no such row.
    """
    from etlrun.runtime.key_trail import find_trail
    from etlrun.runtime.labels_now import with_labels_of_now

    checked = checked_pipeline(pipeline, profile, engine or "duckdb", settings)
    name = _relation(checked, relation)
    key = _key(checked, name, keys)
    with reporting(checked.pipeline.name, quiet=True) as reporter:
        checked = with_labels_of_now(checked, (name,), reporter)
        trail = find_trail(checked, name, key, max(rows, 1), reporter)
    if as_json:
        found = {
            "pipeline": checked.pipeline.name,
            "relation": name,
            "key": key,
            "trail": [asdict(one) for one in trail],
        }
        click.echo(json.dumps(found, ensure_ascii=False, default=str))
    else:
        tell("\n".join(_lines(checked, trail, key, rows)))
    raise SystemExit(0 if trail and trail[0].rows else 1)


def _relation(checked: Checked, text: str) -> str:
    """The chosen relation; for a sink, the relation that it publishes. Raises BadParameter."""
    sinks = {name: str(use.value.from_) for name, use in checked.pipeline.sinks.items()}
    known = {**{name: name for name in checked.columns}, **sinks}
    if text in known:
        return known[text]
    if text:
        fix = nearest(text, tuple(known)) or "choose one of " + ", ".join(known)
        raise click.BadParameter(f"there is no relation or sink `{text}` ({fix})", param_hint="RELATION")
    if len(set(sinks.values())) != 1:
        raise click.UsageError(f"name a relation: {', '.join(known)}")
    return next(iter(sinks.values()))


def _key(checked: Checked, relation: str, texts: tuple[str, ...]) -> dict[str, str]:
    """The columns of the key and their values. Raises BadParameter."""
    from etlrun.spec.literals import LiteralError, literal_of

    columns, found = checked.columns[relation], {}
    known = _known_key(checked, relation)
    for text in texts:
        name, equals, value = text.partition("=") if "=" in text or len(known) != 1 else (known[0], "=", text)
        item = columns.get(name.strip())
        if not equals or item is None:
            fix = nearest(name, columns.names) or "the columns are " + ", ".join(columns.names)
            example = " ".join(f"--key {column}=VALUE" for column in known or columns.names[:1])
            message = f"`{relation}` has no column `{name}` ({fix})" if equals else f"`{text}` has no column: {example}"
            raise click.BadParameter(message, param_hint="--key")
        try:
            literal_of(value, item.type)
        except LiteralError as error:
            raise click.BadParameter(f"{text}: {error}", param_hint="--key") from error
        found[item.name] = value
    return found


def _known_key(checked: Checked, relation: str) -> tuple[str, ...]:
    """The key of a relation: that of a table to which it is published, or one that follows from its steps."""
    sinks = (use.value for use in checked.pipeline.sinks.values() if use.value.from_ == relation)
    keys = (getattr(sink, "key_", ()) for sink in sinks)
    return next(filter(None, keys), checked.columns[relation].unique or ())


def _lines(checked: Checked, trail: list[TrailRelation], key: dict[str, str], rows: int) -> Iterator[str]:
    key_text = ", ".join(f"{name} = {value}" for name, value in key.items())
    for index, one in enumerate(trail):
        yield f"{one.name}: {counted(one.rows, 'row')}{f' where {key_text}' if index == 0 else ''}{_days(one)}"
        for row in one.sample[: rows or (1 if index == 0 else 0)]:
            yield "  " + "  ".join(f"{name} {_value(value)}" for name, value in row.items())
        yield from _steps(one)
        for end in one.ends:
            yield f"  `{end}` is read too, but its rows cannot be traced, because it has no column of the key"


def _steps(one: TrailRelation) -> Iterator[str]:
    for number, step in enumerate(one.steps):
        before = one.steps[number - 1].rows if number else None
        gone = f"   {before - step.rows:,} fewer" if before is not None and before > step.rows else ""
        yield f"  step {step.step} {step.kind} (line {step.line}): {counted(step.rows, 'row')}{gone}"


def _days(one: TrailRelation) -> str:
    if not one.days:
        return ""
    shown = ", ".join(f"{day} ({rows:,})" for day, rows in one.days[:DAYS])
    more = f" and {counted(len(one.days) - DAYS, 'day')} more" if len(one.days) > DAYS else ""
    return f" on {counted(len(one.days), 'day')}: {shown}{more}"


def _value(value: object) -> str:
    return "null" if value is None else str(value)
