"""`etlrun llm doctor`: checks whether the models of a profile can be used."""

from __future__ import annotations

import json
from pathlib import Path

import click

from etlrun.cli.llm_options import chosen_models
from etlrun.cli.words import tell
from etlrun.spec.project_file import find_project


@click.command("doctor")
@click.argument("prompt", metavar="[PROMPT]", default="")
@click.option("--model", "models", multiple=True, metavar="NAME", help="A model of the profile. Default: all of them.")
@click.option("--profile", default="", envvar="ETLRUN_PROFILE", help="The profile of etlrun.yaml to use.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of findings.")
def command(prompt: str, models: tuple[str, ...], profile: str, as_json: bool) -> None:
    """Check the models of a profile with small requests.

    It checks settings, API key and model name, and sends three items of PROMPT in one request, which costs almost nothing.

    Answers are not saved. Without PROMPT, every prompt of the project is tried. Exit code 2 if a key, name or setting is wrong,
    4 if another model answers, 1 if a service fails or answers wrongly.
    """
    from etlrun.enrich.trying_models import examine
    from etlrun.spec.prompts import prompt_names

    project = find_project(Path.cwd())
    chosen = project.profile(profile)
    names = chosen_models(chosen, models) if models else tuple(chosen.models)
    if not names:
        raise click.BadParameter(f"the profile `{chosen.name}` has no models", param_hint="--profile")
    prompts = (prompt,) if prompt else prompt_names(project.root)
    findings = [finding for name in names for wanted in prompts for finding in examine(project, chosen, name, wanted)]
    if as_json:
        click.echo(json.dumps([finding.as_object() for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            tell(f"{'ok     ' if finding.code == 0 else 'trouble'} {finding.model} x {finding.prompt}: {finding.text}")
            if finding.fix:
                tell(f"        = {finding.fix}")
    raise SystemExit(max((finding.code for finding in findings), default=0))
