"""Writes a GitHub workflow that checks, tests and runs the project on a schedule, and a Kubernetes CronJob."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import yaml

from etlrun.deploy.deployment import FINAL, Deployment, plain_name

NOTE = "# Written by `etlrun deploy {target}`.\n"
LEFT_OUT = (".git", ".venv", ".env", ".etlrun", "build", "**/__pycache__")  # not for an image
_DOCKERFILE = """# Written by `etlrun deploy k8s`. In the project's folder: docker build -f deploy/k8s/Dockerfile -t NAME .
FROM python:3.12-slim
RUN useradd --create-home etl && install -d -o etl /project
WORKDIR /project
COPY --chown=etl . .
RUN pip install --no-cache-dir {install}
USER etl
ENTRYPOINT ["etlrun"]
CMD ["run"]
"""


def github_files(deployment: Deployment) -> dict[str, str]:
    """Checks, with SARIF, and tests for every change; a run of the project on schedule and by hand."""
    setup = [
        {"uses": "actions/checkout@v4"},
        {"uses": "actions/setup-python@v5", "with": {"python-version": "3.12"}},
        {"run": f"pip install {_shell(deployment.install)}"},
    ]
    check = [
        *setup,
        {"run": "etlrun check --format sarif > etlrun.sarif"},
        {
            "if": "always()",
            "uses": "github/codeql-action/upload-sarif@v3",
            "with": {"sarif_file": "etlrun.sarif"},
        },
        {"if": "hashFiles('pipelines/**/*.test.yaml') != ''", "run": "etlrun test"},
    ]
    workflow = {
        "name": "etlrun",
        "on": {"push": {}, "pull_request": {}, "workflow_dispatch": {}, "schedule": [{"cron": deployment.schedule}]},
        "permissions": {"contents": "read", "security-events": "write"},
        "concurrency": {"group": "etlrun-${{ github.ref }}"},
        "jobs": {
            "check": {"runs-on": "ubuntu-latest", "steps": check},
            "run": {
                "if": "github.event_name == 'schedule' || github.event_name == 'workflow_dispatch'",
                "needs": "check",
                "runs-on": "ubuntu-latest",
                "steps": [*setup, {"run": _shell(deployment.whole())}],
            },
        },
    }
    return {".github/workflows/etlrun.yml": _yaml("github", workflow)}


def k8s_files(deployment: Deployment) -> dict[str, str]:
    """A CronJob that never overlaps with itself, and does not retry after an exit code that would only repeat."""
    container = {
        "name": "etlrun",
        "image": deployment.image or "etlrun:latest",
        "command": deployment.whole(),
        "workingDir": "/project",
        "envFrom": [{"secretRef": {"name": f"{plain_name(deployment.project)}-secrets", "optional": True}}],
    }
    final = {"action": "FailJob", "onExitCodes": {"containerName": "etlrun", "operator": "In", "values": list(FINAL)}}
    job = {
        "backoffLimit": 3,
        "podFailurePolicy": {"rules": [final]},
        "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
    }
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": plain_name(deployment.project)},
        "spec": {"schedule": deployment.schedule, "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": job}},
    }
    dockerfile = _DOCKERFILE.format(install=_shell(deployment.install))
    return {
        "cronjob.yaml": _yaml("k8s", manifest),
        "Dockerfile": dockerfile,
        "Dockerfile.dockerignore": NOTE.format(target="k8s") + "".join(f"{name}\n" for name in LEFT_OUT),
    }


def _shell(words: Sequence[str]) -> str:
    return shlex.join(words)


class _Written(yaml.SafeDumper):
    """A YAML writer without anchors: `&id001` is hard to read for people, and not supported by every service."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _yaml(target: str, value: dict[str, Any]) -> str:
    text: str = yaml.dump(value, Dumper=_Written, sort_keys=False, allow_unicode=True, width=120)
    return NOTE.format(target=target) + text
