"""What a scheduler must know about a project."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

RETRIED = (1, 4)  # a failure of a source, sink or engine, and an exhausted budget: a retry may succeed
FINAL = (2, 3)  # a mistake in the specification, and a failed check: a retry would fail again


@dataclass(frozen=True)
class Deployment:
    """A project to run: its pipelines, each after those that it reads; its schedule (a cron line) and its profile.

    `install` are the arguments of `pip install` in files that create an environment.
    """

    project: str
    pipelines: Mapping[str, tuple[str, ...]]
    schedule: str
    profile: str
    image: str = ""
    install: tuple[str, ...] = ("etlrun",)

    def arguments(self, pipeline: str) -> list[str]:
        """The command that runs one pipeline."""
        profile = ["--profile", self.profile] if self.profile else []
        return ["etlrun", "run", pipeline, *profile]

    def whole(self) -> list[str]:
        """The command that runs the project."""
        profile = ["--profile", self.profile] if self.profile else []
        return ["etlrun", "run", *profile]


def plain_name(text: str) -> str:
    """A name that every scheduler accepts: lower-case letters, digits and `-`, at most 50 characters."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:50].strip("-") or "etlrun"


@dataclass(frozen=True)
class Tasks:
    """The tasks of a project: the command of each, and the tasks on which each depends."""

    commands: Mapping[str, list[str]]
    after: Mapping[str, list[str]]


def tasks_of(deployment: Deployment, separator: str = "-") -> Tasks:
    """The tasks of a project with unique names; `separator` is between the words of a name."""
    names = _names_of(tuple(deployment.pipelines), separator)
    return Tasks(
        {name: deployment.arguments(pipeline) for pipeline, name in names.items()},
        {
            names[pipeline]: [names[other] for other in before]
            for pipeline, before in deployment.pipelines.items()
            if before
        },
    )


def _names_of(pipelines: Sequence[str], separator: str) -> dict[str, str]:
    """A unique name for each pipeline: if several have the same plain name, all but the first get a number."""
    plain = {pipeline: plain_name(pipeline).replace("-", separator) for pipeline in pipelines}
    names: dict[str, str] = {}
    for pipeline, name in plain.items():
        numbered = (f"{name}{separator}{number}" for number in count(2))
        free = (other for other in numbered if other not in {*plain.values(), *names.values()})
        names[pipeline] = name if name not in names.values() else next(free)
    return names
