"""`etlrun llm eval`: measures how many answers of models are right, with a golden set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import click

from etlrun.cli.llm_options import AskingOptions, asking, chosen_models
from etlrun.cli.options import gathered
from etlrun.cli.reporting import reporting
from etlrun.cli.words import table_text, tell
from etlrun.diagnostics import counted
from etlrun.spec.normal_form import MAX_CHARACTERS, POSSIBLE_CHARACTERS
from etlrun.spec.project import Project
from etlrun.spec.project_file import find_project

if TYPE_CHECKING:
    from etlrun.enrich.evaluation import Evaluation
    from etlrun.enrich.scores import Score


@click.command("eval")
@click.argument("prompt", metavar="PROMPT")
@click.argument("golden", metavar="GOLDEN.csv", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@asking
@click.option(
    "--min-accuracy",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Exit with code 3 if the share of right answers is lower.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--junit",
    metavar="FILE.xml",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the result as JUnit XML, with one test for each output and each label.",
)
@click.option(
    "--max-characters",
    "characters",
    type=click.IntRange(POSSIBLE_CHARACTERS[0], POSSIBLE_CHARACTERS[-1]),
    default=MAX_CHARACTERS,
    show_default=True,
    help="The number of characters of a key that a model sees. Use the value of the `enrich` step.",
)
@gathered(AskingOptions)
def command(
    prompt: str,
    golden: Path,
    min_accuracy: float | None,
    as_json: bool,
    junit: Path | None,
    characters: int,
    options: AskingOptions,
) -> None:
    """Measure how many answers to a prompt are right, with a golden set.

    GOLDEN.csv lists keys; its other columns have the right answers.

    The models are asked about keys without an answer in the store. If a key still has no answer, it counts as wrong; overrides
    are not used. The printed interval contains the true accuracy with 95% confidence.
    """
    project = find_project(Path.cwd())
    names = chosen_models(project.profile(options.profile), options.models)
    found = _evaluated(project, prompt, golden, names, characters, options)
    if as_json:
        summary = {
            "prompt": prompt,
            "models": names,
            "requests": found.requests,
            "usd": round(found.usd, 6),
            "outputs": {name: _object(score) for name, score in found.scores.items()},
        }
        click.echo(json.dumps(summary, ensure_ascii=False))
    else:
        for name, score in found.scores.items():
            tell(_text(name, score))
    if junit:
        junit.write_text(_junit(prompt, found.scores, min_accuracy or 0.0), encoding="utf-8")
    if min_accuracy is not None and any(score.accuracy * 100 < min_accuracy for score in found.scores.values()):
        click.echo(f"below the required {min_accuracy:g}%", err=True)
        raise SystemExit(3)


def _evaluated(
    project: Project, prompt: str, golden: Path, models: tuple[str, ...], characters: int, options: AskingOptions
) -> Evaluation:
    from etlrun.enrich.enrichment import models_of, opened
    from etlrun.enrich.evaluation import evaluate
    from etlrun.enrich.terms import Budget

    profile, limit = project.profile(options.profile), project.settings.confirm_above_usd
    asked = models_of(profile, models)
    with reporting("llm eval") as reporter, opened(project, profile, prompt, asked, characters) as enrichment:
        return evaluate(enrichment, golden, options.consent(reporter), Budget(), limit, "eval", reporter.progress)


def _object(score: Score) -> dict[str, Any]:
    labels = [
        {
            "label": item.label,
            "given": item.given,
            "wanted": item.wanted,
            "right": item.right,
            "precision": item.precision,
            "recall": item.recall,
        }
        for item in score.labels
    ]
    confusion = [
        {"right": true, "given": detail or None, "keys": count}
        for (true, detail), count in sorted(score.confusion.items())
    ]
    return {
        "keys": score.keys,
        "answered": score.answered,
        "right": score.right,
        "accuracy": score.accuracy,
        "interval": score.interval,
        "precision": score.precision,
        "mean_error": score.mean_error,
        "labels": labels,
        "confusion": confusion,
    }


def _junit(prompt: str, scores: Mapping[str, Score], min_accuracy: float) -> str:
    """A JUnit test for each output, which fails if its accuracy is below the expected one, and one for each label with its figures."""
    suite = ElementTree.Element("testsuite", name=f"etlrun llm eval {prompt}")
    for name, score in scores.items():
        case = ElementTree.SubElement(suite, "testcase", classname=prompt, name=name)
        text = f"{score.right:,} of {counted(score.keys, 'key')} {'is' if score.right == 1 else 'are'} right ({score.accuracy:.1%})"
        if score.accuracy * 100 < min_accuracy:
            ElementTree.SubElement(case, "failure", message=f"{text}, but at least {min_accuracy:g}% are required")
        ElementTree.SubElement(case, "system-out").text = text
        for item in score.labels:
            label = ElementTree.SubElement(suite, "testcase", classname=f"{prompt}.{name}", name=item.label)
            figures = f"precision {_share(item.precision)}, recall {_share(item.recall)}, {item.wanted:,} golden keys"
            ElementTree.SubElement(label, "system-out").text = figures
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


def _text(name: str, score: Score) -> str:
    low, high = score.interval
    lines = [
        f"{name}: {score.right:,} of {score.keys:,} right ({score.accuracy:.1%}, 95% interval {low:.1%} to {high:.1%})",
        f"  {score.answered:,} answered, of which {score.precision:.1%} are right",
    ]
    if score.mean_error is not None:
        lines.append(f"  {score.mean_error:.4g} away from the right number on average")
    if score.labels:
        figures = [
            (item.label, item.wanted, item.given, item.right, _share(item.precision), _share(item.recall))
            for item in score.labels
        ]
        lines += ["", table_text(("label", "golden keys", "answers", "right", "precision", "recall"), figures)]
    wrong = sorted(
        ((count, true, detail) for (true, detail), count in score.confusion.items() if true != detail),
        key=lambda item: (-item[0], item[1:]),
    )
    if wrong:
        lines += [
            "",
            table_text(
                ("right label", "answer", "keys"),
                [(true, detail or "(no answer)", count) for count, true, detail in wrong],
            ),
        ]
    return "\n".join(lines) + "\n"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
