"""The entry point of the process `etlrun`: handles signals from its first line on, then runs the command line.

No other module imports this one. Until the imports are loaded, a signal ends the process at once.
"""

from __future__ import annotations

import _signal  # `signal` itself would first have to be loaded
import os
import sys

SHOW_CURSOR = "\033[?25h"  # hidden by a live line
NAMES = {_signal.SIGINT: "interrupted", _signal.SIGTERM: "terminated", _signal.SIGHUP: "terminated"}
ERRORS = os.dup(2)  # while a JVM starts, the usual standard error goes to its log


def leave(number: int, frame: object = None) -> NoReturn:
    """End the process at once, with the exit code that shells use for a process ended by a signal."""
    word = NAMES[number]
    os.write(ERRORS, f"{SHOW_CURSOR if os.isatty(ERRORS) else ''}{word}: nothing more was published\n".encode())
    if "--json" in sys.argv:
        os.write(1, f'{{"error": {{"code": "{word}", "message": "{word}"}}}}\n'.encode())
    os._exit(128 + number)


for _number in NAMES:
    if _signal.getsignal(_number) != _signal.SIG_IGN:  # as `nohup` and background jobs of scripts require
        _signal.signal(_number, leave)

import atexit  # noqa: E402
from typing import NoReturn  # noqa: E402

from etlrun.collector import collect_seldom  # noqa: E402
from etlrun.stopping import Stopped, asked_by, run_until_stopped  # noqa: E402


def main() -> NoReturn:
    """Run the command line of this process."""
    ended: list[int] = []
    atexit.register(_leave_memory, ended)  # the first handler, which runs last
    try:
        code = run_until_stopped(_run, leave)
    except Stopped:
        sys.stdout.flush()
        leave(asked_by())
    except SystemExit as found:  # raised by a command
        if not isinstance(found.code, int):
            raise
        code = found.code
    ended.append(code)
    sys.exit(code)


def _leave_memory(ended: list[int]) -> None:
    """End the process, and leave its memory to the system: to free value after value takes a tenth of a short run."""
    if not ended:
        return
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # its reader has closed it, as Python then reports
        return
    os._exit(ended[0])


def _run() -> int:
    """Import and run the commands. The import takes longer than most commands, so it can be interrupted too."""
    collect_seldom()
    from etlrun.cli.command_line import run_command

    return run_command()
