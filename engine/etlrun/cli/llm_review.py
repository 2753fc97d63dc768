"""`etlrun llm review`: exports the most important keys for a person to label or correct, and imports the corrections."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etlrun.cli.options import PipelineFile, checked_pipeline, choosing
from etlrun.cli.reporting import reporting
from etlrun.cli.words import tell
from etlrun.diagnostics import SpecError, counted, harmless
from etlrun.spec.normal_form import PART

if TYPE_CHECKING:
    from etlrun.compiler.check import Checked
    from etlrun.enrich.keys import Keys
    from etlrun.enrich.review import Review, ReviewLine
    from etlrun.spec.outputs import Output

STEPS = (150, 500, 1_000)  # numbers of keys for which the summary shows the gain of labelling them
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # first characters that make a cell a formula in a spreadsheet


@click.command("review")
@click.argument("pipeline", metavar="PIPELINE", type=PipelineFile())
@click.option(
    "-n",
    "--rows",
    "count",
    default=200,
    show_default=True,
    type=click.IntRange(1),
    help="The largest number of keys; keys with the most rows come first.",
)
@click.option(
    "--open",
    "only_open",
    is_flag=True,
    help="Only keys without an answer, and how many rows get an answer if you label them.",
)
@click.option("--users", default="", metavar="COLUMN", help="Also count users; COLUMN identifies the user of a row.")
@click.option("--prompt", default="", metavar="NAME", help="The prompt, if the pipeline uses several.")
@click.option(
    "-o",
    "--output",
    metavar="FILE.csv",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a CSV file for a spreadsheet.",
)
@click.option(
    "--take",
    metavar="FILE.csv",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Copy the labels that you wrote into such a file to overrides/PROMPT.csv.",
)
@choosing
def command(
    pipeline: Path,
    count: int,
    only_open: bool,
    users: str,
    prompt: str,
    output: Path | None,
    take: Path | None,
    profile: str,
    engine: str,
    settings: tuple[str, ...],
) -> None:
    """Print the keys of a pipeline with their answers as CSV, to correct them.

    Each line has a key, its answer, the source of the answer, and the number of rows with the key. A key without an answer is
    open. If you label this key and the open keys above it, `row_points` percent more of all rows get an answer; with --users,
    `user_points` is the same for users.

    Write missing labels into the file, correct wrong ones, and read the file with --take. Labels that differ from the answers of
    models are saved in overrides/PROMPT.csv and have priority over every model. Keys are computed with DuckDB; no model is called.
    """
    from etlrun.enrich.review import read_rows, review
    from etlrun.runtime.asked_keys import look_at_asked

    checked = checked_pipeline(pipeline, profile, engine, settings)
    if take:
        _take(checked, take, prompt)
        return
    _check_users(checked, users)
    with reporting(checked.pipeline.name, quiet=True) as reporter:
        rows = look_at_asked(checked, reporter, lambda ask, paths: read_rows(ask, paths, users))
        reviews = [found for found in review(checked, rows) if not prompt or found.prompt == prompt]
    if output and len({found.prompt for found in reviews}) > 1:
        names = ", ".join(dict.fromkeys(found.prompt for found in reviews))
        raise click.BadParameter(
            f"the pipeline uses the prompts {names}, and a file is for one of them: name it", param_hint="--prompt"
        )
    _show(reviews, count, only_open, bool(users), output)


def _check_users(checked: Checked, users: str) -> None:
    from etlrun.compiler.plan import make_plan
    from etlrun.diagnostics import nearest
    from etlrun.enrich.bills import asking_relations

    relations = {relation.name: relation for relation in make_plan(checked).relations}
    for asking in asking_relations(checked) if users else ():
        names = [column.name for column in relations[asking.reads[0]].columns]
        if users not in names:
            fix = nearest(users, names) or f"the rows have {', '.join(names)}"
            raise click.BadParameter(f"there is no column `{users}` ({fix})", param_hint="--users")


def _show(reviews: Sequence[Review], count: int, only_open: bool, has_users: bool, output: Path | None) -> None:
    written: set[str] = set()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for found in reviews:
        chosen = [line for line in found.lines if not only_open or line.answer.status != "ok"]
        if found.prompt not in written:
            writer.writerow(_header(found, has_users))
            written.add(found.prompt)
        for line in chosen[:count]:
            cells = _cells(line, found.outputs, has_users)
            writer.writerow([f"'{cell}" if output and cell.startswith(FORMULA) else cell for cell in cells])
        if output is None:
            content = text.getvalue()
            click.echo(harmless(content) if sys.stdout.isatty() else content, nl=False)
            text.seek(0)
            text.truncate()
        shown = f"{min(count, len(chosen)):,} of {counted(len(chosen), 'key')}"
        tell(f"{shown}; corrections go into overrides/{found.prompt}.csv", err=True)
        for gain in _gains(found, count, has_users):
            tell(gain, err=True)
    if output:
        # The byte order mark, by which spreadsheets recognize UTF-8.
        output.write_text(text.getvalue(), encoding="utf-8-sig")
        tell(f"written to {output}; after your edits, copy the labels with --take {output}", err=True)


def _header(found: Review, has_users: bool) -> list[str]:
    users = ["user_points"] if has_users else []
    return [*found.keys, *(output.name for output in found.outputs), "rows", "row_points", *users, "status", "source"]


def _cells(line: ReviewLine, outputs: Sequence[Output], has_users: bool) -> list[str]:
    answer = line.answer
    points = [line.row_gain, *([line.user_gain] if has_users else [])]
    return [
        *line.text.split(PART),
        *(_cell(answer.values.get(output.name)) for output in outputs),
        str(line.key.rows),
        *("" if share is None else f"{share * 100:.2f}" for share in points),
        answer.status,
        answer.source if answer.status == "ok" else answer.doubt,
    ]


def _cell(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _gains(found: Review, shown: int, has_users: bool) -> Iterator[str]:
    """Lines with the gain of labelling the most frequent open keys: for the number shown, and for more."""
    is_open = [line for line in found.lines if line.answer.status != "ok"]
    for count in sorted({min(step, len(is_open)) for step in (shown, *STEPS) if is_open}):
        last = is_open[count - 1]
        users = f", +{(last.user_gain or 0) * 100:.1f} of users" if has_users else ""
        tell_of = f"{found.prompt}: labelling {counted(count, 'open key')}"
        yield f"{tell_of} gains +{(last.row_gain or 0) * 100:.1f} points of rows{users}"


def _take(checked: Checked, file: Path, prompt: str) -> None:
    """Merge the labels of a reviewed file into the overrides of its prompt. Raises SpecError with every mistake; then nothing is saved."""
    from etlrun.enrich.bills import asking_relations
    from etlrun.enrich.enrichment import open_enrichment
    from etlrun.enrich.review import changed_keys, corrections, not_stored
    from etlrun.spec.answer_files import overrides_path, read_answers, write_overrides

    asks = {relation.ask.prompt: relation.ask for relation in asking_relations(checked) if relation.ask}
    if prompt not in asks and (prompt or len(asks) != 1):
        raise click.BadParameter(
            f"the pipeline uses {', '.join(asks) or 'no prompts'}: name one", param_hint="--prompt"
        )
    ask = asks[prompt] if prompt else next(iter(asks.values()))
    with open_enrichment(checked.project, checked.profile, ask) as enrichment:
        labelled = read_answers(file, str(file), enrichment.prompt.outputs, enrichment.prompt.keys)
        unknown = not_stored(enrichment, labelled)
        if unknown and (changed := changed_keys(str(file), unknown, _keys_of(checked, ask.prompt))):
            raise SpecError(changed)
        new = corrections(enrichment, labelled)
        write_overrides(checked.project.root, ask.prompt, enrichment.prompt.outputs, enrichment.prompt.keys, new)
    where = os.path.relpath(overrides_path(checked.project.root, ask.prompt))
    tell(
        f"{counted(len(new), 'label')} copied to {where}; {counted(len(labelled) - len(new), 'line')} had no new label"
    )


def _keys_of(checked: Checked, prompt: str) -> list[Keys]:
    """The keys that the steps with a prompt have now."""
    from etlrun.enrich.enrichment import read_keys
    from etlrun.runtime.asked_keys import look_at_asked

    with reporting(checked.pipeline.name, quiet=True) as reporter:
        found = look_at_asked(checked, reporter, lambda asked, paths: (asked, read_keys(paths, asked)))
    return [keys for asked, keys in found.values() if asked.prompt == prompt]
