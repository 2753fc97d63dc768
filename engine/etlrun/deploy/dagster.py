"""Writes Dagster definitions: one asset per pipeline, which depends on the pipelines that it reads, a job and its schedule."""

from __future__ import annotations

from etlrun.deploy.deployment import FINAL, Deployment, plain_name, tasks_of

_DEFINITIONS = '''"""Runs the pipelines of {project}, each after those whose tables it reads. Written by `etlrun deploy dagster`."""

import os
import subprocess

import dagster

PROJECT = os.environ.get("ETLRUN_PROJECT", ".")  # the project's folder
FINAL = {final}  # exit codes after which another try gives the same: a mistake in the specification, a check that refused
COMMANDS = {commands}
AFTER = {after}


def asset_of(name, command):
    @dagster.asset(name=name, deps=AFTER.get(name, []), retry_policy=dagster.RetryPolicy(max_retries=3, delay=300))
    def run():
        code = subprocess.run(command, cwd=PROJECT, check=False).returncode
        if code:
            raise dagster.Failure(f"{{command}} ended with exit code {{code}}", allow_retries=code not in FINAL)

    return run


job = dagster.define_asset_job("etlrun")
defs = dagster.Definitions(
    assets=[asset_of(name, command) for name, command in COMMANDS.items()],
    jobs=[job],
    schedules=[dagster.ScheduleDefinition(job=job, cron_schedule={schedule})],
)
'''


def dagster_files(deployment: Deployment) -> dict[str, str]:
    """The file of definitions."""
    tasks = tasks_of(deployment, "_")
    text = _DEFINITIONS.format(
        project=plain_name(deployment.project),
        final=FINAL,
        commands=repr(tasks.commands),
        after=repr(tasks.after),
        schedule=repr(deployment.schedule),
    )
    return {"definitions.py": text}
