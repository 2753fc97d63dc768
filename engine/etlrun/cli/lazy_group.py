"""A group of commands, one file each, which are imported only when they are used."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import ClassVar

import click


class LazyGroup(click.Group):
    """Commands by their `names`; the file of a command is `module` followed by the command's name."""

    names: ClassVar[Sequence[str]]
    module: ClassVar[str]

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.names:
            return None
        command = importlib.import_module(f"{self.module}{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command
