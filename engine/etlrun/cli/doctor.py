"""`etlrun doctor`: checks everything that a run needs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from etlrun.cli.words import tell
from etlrun.spec.project_file import find_project

SIGNS = {"ok": "ok     ", "warning": "warning", "trouble": "TROUBLE"}


@click.command("doctor")
@click.option("--profile", default="", envvar="ETLRUN_PROFILE", help="The profile to check.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def command(profile: str, as_json: bool) -> None:
    """Check Python, Java, disk, engine, connections and models of a profile.

    Nothing is changed, and no secret is shown.

    For a connection to a server, it also checks whether the sinks of the project could publish there. It lists the rights that
    the account lacks, and the GRANT statements that add them.

    Exit code 1 if something would make a run fail.
    """
    from etlrun.runtime.doctor import examine

    project = find_project(Path.cwd())
    findings = list(examine(project, project.profile(profile)))
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(found) for found in findings], ensure_ascii=False))
    else:
        for found in findings:
            tell(
                f"{SIGNS[found.level]}  {found.about}: {found.detail}"
                + (f"\n         = {found.fix}" if found.fix else "")
            )
    raise SystemExit(1 if any(found.level == "trouble" for found in findings) else 0)
