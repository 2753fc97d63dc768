"""Writes an Airflow DAG: one task per pipeline, retried depending on its exit code. It runs on Airflow 2.4 and later, and 3."""

from __future__ import annotations

from etlrun.deploy.deployment import FINAL, Deployment, plain_name, tasks_of

_DAG = '''"""Runs the pipelines of {project}, each after those whose tables it reads. Written by `etlrun deploy airflow`."""

from __future__ import annotations

import os
import subprocess
from datetime import datetime, timedelta

try:
    from airflow.sdk import dag, task
    from airflow.sdk.exceptions import AirflowException, AirflowFailException
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.exceptions import AirflowException, AirflowFailException

PROJECT = os.environ.get("ETLRUN_PROJECT", ".")  # the project's folder on the workers
FINAL = {final}  # exit codes after which another try gives the same: a mistake in the specification, a check that refused
COMMANDS = {commands}
AFTER = {after}


def run(command: list[str]) -> None:
    code = subprocess.run(command, cwd=PROJECT, check=False).returncode
    if code in FINAL:
        raise AirflowFailException(f"{{command}} ended with exit code {{code}}")
    if code:
        raise AirflowException(f"{{command}} ended with exit code {{code}}; it goes on where it stopped")


@dag(
    dag_id={dag_id},
    schedule={schedule},
    start_date=datetime(2024, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={{"retries": 3, "retry_delay": timedelta(minutes=5), "retry_exponential_backoff": True}},
)
def pipelines() -> None:
    tasks = {{name: task(task_id=name)(run)(command) for name, command in COMMANDS.items()}}
    for name, before in AFTER.items():
        for other in before:
            tasks[other] >> tasks[name]


pipelines()
'''


def airflow_files(deployment: Deployment) -> dict[str, str]:
    """The DAG's file."""
    tasks = tasks_of(deployment)
    text = _DAG.format(
        project=plain_name(deployment.project),
        final=FINAL,
        commands=repr(tasks.commands),
        after=repr(tasks.after),
        dag_id=repr(plain_name(deployment.project)),
        schedule=repr(deployment.schedule),
    )
    return {f"{plain_name(deployment.project)}_dag.py": text}
