"""Writes a line for crontab and its script, with a lock, so that runs never overlap, and retries depending on the exit code."""

from __future__ import annotations

import shlex

from etlrun.deploy.deployment import RETRIED, Deployment, plain_name

_SCRIPT = """#!/bin/sh
# Runs the project, and tries again by exit code. Written by `etlrun deploy cron`.
cd "$(dirname "$0")/${{ETLRUN_PROJECT:-.}}" || exit 1
exec 9>.etlrun.lock
flock -n 9 || {{ echo "a run is still at work" >&2; exit 0; }}
for pause in 0 60 300; do
  sleep "$pause"
  {command}
  code=$?
  case $code in
    {retried}) ;;
    *) exit $code ;;
  esac
done
exit $code
"""


def cron_files(deployment: Deployment) -> dict[str, str]:
    """The script, and the line for `crontab`."""
    script = f"{plain_name(deployment.project)}.sh"
    text = _SCRIPT.format(command=shlex.join(deployment.whole()), retried="|".join(map(str, RETRIED)))
    note = "replace /path/to; ETLRUN_PROJECT is the project's folder, seen from there"
    path = "# cron knows no PATH of yours: name the folder of the program etlrun\nPATH=/path/to/venv/bin:/usr/bin:/bin"
    return {script: text, "crontab": f"# {note}\n{path}\n{deployment.schedule} sh /path/to/{script}\n"}
