"""`etlrun llm`: commands about models: their answers, cost and quality, and whether they can be reached."""

from __future__ import annotations

import click

from etlrun.cli.lazy_group import LazyGroup
from etlrun.diagnostics import nearest


class LlmCommands(LazyGroup):
    """The commands of `etlrun llm`."""

    names = ("stats", "jobs", "review", "eval", "diff", "doctor", "retry", "forget", "prune")
    module = "etlrun.cli.llm_"

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.names and not args[0].startswith("-"):
            ctx.fail(f"there is no command `llm {args[0]}` ({nearest(args[0], self.names) or 'see etlrun llm --help'})")
        return super().resolve_command(ctx, args)


@click.group("llm", cls=LlmCommands)
def command() -> None:
    """Inspect the answers of models: cost, quality, corrections."""
