"""Adds the current profile, engine and params to the commands that a message suggests, if these commands accept them."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from etlrun.cli.command_names import COMMANDS
from etlrun.diagnostics import Diagnostic

_COMMAND = re.compile(r"(?P<before>`|: |then )?\betlrun(?P<words>(?: [\w./$=-]+)+)(?=[`;,:)]|$|\n)")
_CHOICES = {"--profile": "profile", "--engine": "engine", "--set": "settings"}


def same_choice(found: Diagnostic, arguments: Sequence[str] | None = None) -> Diagnostic:
    """A diagnostic whose commands repeat the options of the current command line; params only for the same pipeline."""
    message, fix = (_with_choices(text, arguments) for text in (found.message, found.fix))
    return replace(found, message=message, fix=fix)


def same_choice_object(found: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a run as `--json` prints it, the commands in its error as in `same_choice`."""
    if "error" not in found:
        return dict(found)
    error = found["error"]
    texts = {name: _with_choices(error[name]) for name in ("message", "fix") if name in error}
    return {**found, "error": {**error, **texts}}


def _with_choices(text: str, arguments: Sequence[str] | None = None) -> str:
    given = sys.argv[1:] if arguments is None else arguments
    chosen = tuple(_chosen(given))
    if not chosen or "etlrun " not in text:
        return text

    def with_choices(match: re.Match[str]) -> str:
        words = match["words"].split()
        more = _missing(words, chosen, given) if match["before"] or words[0] in COMMANDS else ()
        return match[0] + "".join(f" {option} {shlex.quote(value)}" for option, value in more)

    return _COMMAND.sub(with_choices, text)


def _chosen(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    for index, argument in enumerate(arguments):
        option, is_joined, value = argument.partition("=")
        if option in _CHOICES and (is_joined or index + 1 < len(arguments)):
            yield option, value if is_joined else arguments[index + 1]


def _missing(
    words: Sequence[str], chosen: Sequence[tuple[str, str]], given: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """The options that a command accepts and does not have yet. `etlrun NAME` runs a pipeline."""
    command = importlib.import_module(
        f"etlrun.cli.{words[0] if words[0] in COMMANDS else 'run'}".replace("-", "_")
    ).command
    for name in words[1:]:
        command = getattr(command, "commands", {}).get(name, command)
    taken = {param.name for param in command.params}
    names = {*takewhile(lambda word: not word.startswith("-"), words)} - {*COMMANDS}
    is_same = bool(names & {*given})
    for option, value in chosen:
        is_meant = is_same or option != "--set"
        if _CHOICES[option] in taken and option not in words and is_meant:
            yield option, value
