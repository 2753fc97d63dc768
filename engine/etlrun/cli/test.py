"""`etlrun test`: runs the tests of pipelines."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from etlrun.cli.options import choosing_engine, known_pipelines, project_folder, with_engine
from etlrun.cli.test_report import CaseReport, CaseSummary, Status, as_object
from etlrun.compiler.cases import CheckedCase, check_cases
from etlrun.diagnostics import Diagnostic, SpecError, nearest, shortened
from etlrun.spec.cases import case_files_below, is_case_file
from etlrun.spec.project_file import project_file

if TYPE_CHECKING:
    from etlrun.runtime.test_results import CaseResult
    from etlrun.runtime.testing import Outcome

EXAMPLE = """pipeline: {name}
tests:
  - name: what it shows
    given:
      SOURCE:
        - {{column: value}}
    expect:
      RELATION:
        - {{column: value}}
"""


class CasePath(click.ParamType[Path]):
    """A file of tests, or a folder; completion offers the files of pipelines/."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        if not path.exists():
            known = [str(found) for found in case_files_below(Path("pipelines"))]
            hint = nearest(str(value), known) or (f"the test files are {shortened(known)}" if known else "")
            self.fail(f"there is no file or folder {value}" + (f" ({hint})" if hint else ""), param, ctx)
        if path.is_file() and not is_case_file(path):
            self.fail(f"{value} is not a test file: their names end in .test.yaml", param, ctx)
        return path

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        ours = [
            CompletionItem(str(path))
            for path in case_files_below(Path("pipelines"))
            if str(path).startswith(incomplete)
        ]
        return ours or [CompletionItem(incomplete, type="file")]


@click.command("test")
@click.argument("paths", metavar="[PATH...]", nargs=-1, type=CasePath())
@click.option(
    "-k",
    "text",
    default="",
    metavar="TEXT",
    help="Run only tests with this text in their name or in the name of their pipeline.",
)
@click.option(
    "--update",
    is_flag=True,
    help="Write the actual rows into the `expect` of failing tests; nothing else in the files changes.",
)
@choosing_engine
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object to standard output, and the text to standard error."
)
def command(paths: tuple[Path, ...], text: str, update: bool, profile: str, engine: str, as_json: bool) -> None:
    """Run the tests of pipelines.

    PATH is a `*.test.yaml` file, or a folder of them. Default: pipelines/.

    A test lists input rows and expected output rows. It reads no data and calls no model or database. The results are saved in
    the folder of runs, for `etlrun docs build`. All tests are checked before the first one runs, with DuckDB unless --engine says
    otherwise. Exit codes: 0 all passed (or were updated), 1 some failed, 2 a mistake in a specification or the command, or there
    are no tests.
    """
    from etlrun.runtime.test_results import keep_results
    from etlrun.runtime.testing import run_cases

    started = time.monotonic()
    cases = _chosen(_checked(_files(paths), profile), text)
    report = CaseReport(is_result=not as_json)
    summaries: list[CaseSummary] = []
    outcomes = run_cases(cases, lambda case: with_engine(case.checked, engine or "duckdb").profile.engine.value)
    for item in (
        _updated(list(outcomes))
        if update
        else (CaseSummary(outcome, "ok" if outcome.is_ok else "failed") for outcome in outcomes)
    ):
        summaries.append(item)
        report.tell(item)
    keep_results((_result(item) for item in summaries), engine or "duckdb")
    seconds = time.monotonic() - started
    report.sum_up(summaries, seconds, updates=update)
    if as_json:
        click.echo(json.dumps(as_object(summaries, engine or "duckdb", seconds), ensure_ascii=False))
    raise SystemExit(1 if any(item.status == "failed" for item in summaries) else 0)


def _result(item: CaseSummary) -> CaseResult:
    from etlrun.runtime.test_results import CaseResult

    case = item.outcome.case
    return CaseResult(case.file, case.case.name, case.checked, item.status != "failed")


def _files(paths: Sequence[Path]) -> list[Path]:
    """The files of tests below the paths. Raises UsageError if there are none."""
    given = paths or (project_folder("pipelines"),)
    folders = {path: path / "pipelines" if project_file(path) else path for path in given}
    found = [
        file for path, folder in folders.items() for file in (case_files_below(folder) if path.is_dir() else (path,))
    ]
    if not found:
        name = next((Path(path).stem for path in known_pipelines()), "NAME")
        hint = EXAMPLE.format(name=name)
        raise click.UsageError(
            f"there is no test in {', '.join(map(str, given))}; write one, such as pipelines/{name}.test.yaml:\n\n{hint}"
        )
    return list(dict.fromkeys(found))


def _checked(files: Sequence[Path], profile: str) -> list[CheckedCase]:
    """The tests of all files. Raises SpecError with every mistake in them."""
    cases: list[CheckedCase] = []
    problems: list[Diagnostic] = []
    for file in files:
        try:
            cases += check_cases(file, profile).cases
        except SpecError as error:
            problems += error.diagnostics
    if problems:
        raise SpecError(problems)
    return cases


def _chosen(cases: Sequence[CheckedCase], text: str) -> list[CheckedCase]:
    """The tests that `-k` selects. Raises BadParameter if there are none."""
    chosen = [case for case in cases if text.lower() in f"{case.file.pipeline}: {case.case.name}".lower()]
    if not chosen:
        names = "".join(f"\n  {case.file.pipeline}: {case.case.name}" for case in cases)
        raise click.BadParameter(f"no test has `{text}` in its name; the tests are:{names or ' none'}", param_hint="-k")
    return chosen


def _updated(outcomes: Sequence[Outcome]) -> list[CaseSummary]:
    """Write the actual rows into the files, for tests in which only rows differ."""
    from etlrun.runtime.rewriting import CannotRewriteError, rewrite_expected

    differing = [outcome for outcome in outcomes if outcome.differences and not outcome.complaints]
    refused: dict[Path, str] = {}
    for path in dict.fromkeys(outcome.case.file.path for outcome in differing):
        ours = [outcome for outcome in differing if outcome.case.file.path == path]
        found = [(outcome.case.case.where, difference) for outcome in ours for difference in outcome.differences]
        try:
            rewrite_expected(ours[0].case.file, found)
        except CannotRewriteError as error:
            refused[path] = str(error)
    updated = [outcome for outcome in differing if outcome.case.file.path not in refused]
    summary = []
    for outcome in outcomes:
        status: Status = "ok" if outcome.is_ok else "updated" if outcome in updated else "failed"
        summary.append(
            CaseSummary(outcome, status, refused.get(outcome.case.file.path, "") if outcome in differing else "")
        )
    return summary
