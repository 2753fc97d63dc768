"""The command line: runs the subcommand, and turns failures into messages and an exit code."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

import click

import etlrun
from etlrun.cli.command_names import COMMANDS
from etlrun.cli.lazy_group import LazyGroup
from etlrun.cli.same_choice import same_choice
from etlrun.cli.words import failure_text, tell
from etlrun.diagnostics import SpecError, format_text, harmless, nearest
from etlrun.failures import RunFailure
from etlrun.secrets import hide_secrets


class Commands(LazyGroup):
    """The commands of etlrun. `etlrun FILE` means `etlrun run FILE`."""

    names = COMMANDS
    module = "etlrun.cli."

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            if not _is_pipeline(args[0]):
                fix = nearest(args[0], (*COMMANDS, *_pipelines())) or "see etlrun --help"
                ctx.fail(f"there is no command or pipeline `{args[0]}` ({fix})")
            args = ["run", *args]
        return super().resolve_command(ctx, args)


def _is_pipeline(text: str) -> bool:
    from etlrun.cli.options import named_pipeline

    return text.endswith((".yaml", ".yml")) or "/" in text or named_pipeline(text) is not None


def _pipelines() -> list[str]:
    from etlrun.cli.options import known_pipelines

    return [Path(path).stem for path in known_pipelines()]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(etlrun.__version__, prog_name="etlrun")
def group() -> None:
    """Check, run and publish data pipelines that are written in YAML.

    `etlrun PIPELINE...` runs pipelines by file or name. `etlrun run` runs the whole project.
    """


def run_command() -> int:
    """Run the command in `sys.argv`; returns its exit code. Raises Stopped after a signal, and unexpected exceptions."""
    sys.excepthook = _tell_of_a_bug
    as_json = "--json" in sys.argv
    try:
        code = group.main(prog_name="etlrun", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except SpecError as error:
        diagnostics = [same_choice(found) for found in error.diagnostics]
        first = diagnostics[0]
        place = {"file": first.file, "line": first.line, "column": first.column}
        _tell(
            format_text(diagnostics),
            {"code": first.code, "message": first.message, "fix": first.fix, **place},
            as_json=as_json,
        )
        return 2
    except RunFailure as failure:
        from etlrun.runtime.record import error_object

        failure.diagnostic = same_choice(failure.diagnostic)
        _tell(failure_text(failure), error_object(failure), as_json=as_json and not failure.is_printed)
        return failure.exit_code
    except click.ClickException as error:
        tell(_usage(error), err=True)
        return 2
    except (click.Abort, KeyboardInterrupt):  # if this process does not handle signals itself
        _tell("interrupted: nothing more was published", {"code": "interrupted"}, as_json=as_json)
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the output has closed it, as `head` does
        return 0
    except OSError as error:
        return _file_unusable(error, as_json=as_json)
    except RuntimeError as error:
        if not isinstance(error.__context__, OSError):
            raise
        return _file_unusable(error.__context__, as_json=as_json)  # `Path.resolve` raises it for circular links


def _file_unusable(error: OSError, *, as_json: bool) -> int:
    """Report a file that the account cannot use, or that is of the wrong kind; other errors are raised again."""
    if error.errno == errno.ENOSPC:
        sys.stderr.write("disk-full: there is not enough disk space for the output of this command\n")
        os._exit(1)  # buffered text of standard output cannot be written either
    if error.filename is None or error.strerror is None:
        raise error
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
    message = f"{error.strerror.lower()}: {name}"
    fix = "check the permissions and the owner of the file and of its folders"
    failure = RunFailure("usage", "file-unusable", message, fix)
    _tell(failure_text(failure), {"code": "file-unusable", "message": message, "fix": fix}, as_json=as_json)
    return failure.exit_code


def _usage(error: click.ClickException) -> str:
    """Report a mistake in the arguments of a command; it may quote names of the specification."""
    error.show(detail := io.StringIO())
    if (
        isinstance(error, click.NoSuchOption)
        and error.ctx
        and any(option.name == "settings" for option in error.ctx.command.params)
    ):
        detail.write(f"A param of a pipeline is set so: --set {error.option_name.lstrip('-')}=VALUE\n")
    return detail.getvalue().rstrip("\n")


def _tell_of_a_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Write the traceback of an unexpected exception, without secrets; Python then ends with exit code 1."""
    from etlrun.spec.plugins import plugin_in

    lines = "".join(traceback.format_exception(kind, error, trace))
    plugin = plugin_in(trace)
    culprit = f"the plugin {plugin}" if plugin else f"etlrun {etlrun.__version__}"
    plea = f"internal-error: this is a bug in {culprit}; please report it with the lines above\n"
    sys.stderr.write(harmless(hide_secrets(lines)) + plea)


def _tell(text: str, error: dict[str, Any], *, as_json: bool) -> None:
    tell(text, err=True)
    if as_json:
        click.echo(json.dumps({"error": error}, ensure_ascii=False))
