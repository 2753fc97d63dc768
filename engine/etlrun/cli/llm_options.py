"""Options of the commands that may call models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from etlrun.diagnostics import nearest
from etlrun.spec.project import Profile

if TYPE_CHECKING:
    from etlrun.cli.reporting import LiveReporter, PlainReporter
    from etlrun.enrich.consent import Consent

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class AskingOptions:
    """The options for models: which ones are called, and what they may cost."""

    models: tuple[str, ...]
    profile: str
    yes: bool
    max_usd: float | None

    def consent(self, reporter: PlainReporter | LiveReporter) -> Consent:
        """What the options allow."""
        from etlrun.enrich.consent import Consent

        return Consent(self.yes, self.max_usd, reporter.confirm)


def asking(command: Command) -> Command:
    """Add `--model`, `--profile`, `--yes` and `--max-usd`."""
    options = (
        click.option(
            "--model",
            "models",
            multiple=True,
            metavar="NAME",
            help="A model of the profile; may be repeated, models are asked in this order. Default: the only model.",
        ),
        click.option("--profile", default="", envvar="ETLRUN_PROFILE", help="The profile of etlrun.yaml to use."),
        click.option("--yes", is_flag=True, help="Call models without asking for confirmation."),
        click.option(
            "--max-usd",
            type=click.FloatRange(min=0),
            metavar="USD",
            help="Spend at most this amount on models.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def chosen_models(profile: Profile, models: tuple[str, ...]) -> tuple[str, ...]:
    """The names given, or the only model of the profile. Raises BadParameter."""
    known = tuple(profile.models)
    for name in models:
        if name not in known:
            fix = nearest(name, known) or f"the profile `{profile.name}` has {', '.join(known) or 'none'}"
            raise click.BadParameter(f"there is no model `{name}` ({fix})", param_hint="--model")
    if models:
        return models
    if len(known) != 1:
        raise click.BadParameter(
            f"the profile `{profile.name}` has {', '.join(known) or 'no models'}: name one", param_hint="--model"
        )
    return known
