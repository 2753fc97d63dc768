"""`etlrun llm`: what models have answered, what it cost, how right it is, and whether they can be asked at all."""

from __future__ import annotations

import importlib

import click

from etlrun.diagnostics import nearest

COMMANDS = ("stats", "jobs", "review", "eval", "diff", "doctor", "retry", "forget", "prune")


class LlmCommands(click.Group):
    """One file is one command, loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"etlrun.cli.llm_{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"there is no command `llm {args[0]}` ({nearest(args[0], COMMANDS) or 'see etlrun llm --help'})")
        return super().resolve_command(ctx, args)


@click.group("llm", cls=LlmCommands)
def command() -> None:
    """Inspect the answers of models: cost, quality, corrections."""
