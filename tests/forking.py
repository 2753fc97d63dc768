"""A process that has loaded what commands of `etlrun` need, and becomes one for each request: a command then starts in milliseconds.

`run_forked` runs `python -m etlrun ARGUMENTS` in a process of its own that starts as a copy of it: another folder, environment, memory
and exit code, as any process; only the loading of modules, which is most of the work of a small run, is done once for all tests.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO, Any

import etlrun

OTHERS = ("_strptime", "duckdb", "pandas", "pyarrow.compute", "pyarrow.dataset", "pyarrow.parquet", "sqlglot.optimizer")
STARTS = ("etlrun.cli.main", "etlrun.__main__")  # what the copy loads itself: they take signals
STARTS_PYTHON = ("PYTHON", "LANG", "LC_", "MALLOC_")  # variables that a process reads before its first line


def can_fork(environment: Mapping[str, str]) -> bool:
    """Whether a process of this environment is as good as one that is started afresh."""
    names = {name for name in {*environment, *os.environ} if name.startswith(STARTS_PYTHON)}
    return all(environment.get(name) == os.environ.get(name) for name in names)


def run_forked(
    arguments: tuple[str, ...], folder: Path, environment: Mapping[str, str], limit: float
) -> tuple[int, str, str]:
    """The exit code of a command, and what it wrote to its standard output and error."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given = {"arguments": arguments, "folder": str(folder), "environment": dict(environment)}
        ours, theirs = socket.socketpair()
        with ours:
            with theirs, tempfile.TemporaryFile() as request:
                request.write(json.dumps(given).encode())
                request.seek(0)
                socket.send_fds(_parent(), [b"r"], [file.fileno() for file in (request, out, err, theirs)])
            if not select.select([ours], [], [], limit)[0]:
                raise subprocess.TimeoutExpired(list(arguments), limit)
            status = int(ours.recv(20) or b"-1")
        return os.waitstatus_to_exitcode(status), _text(out), _text(err)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n").replace("\r", "\n")


@cache
def _parent() -> socket.socket:
    """The line to the process that forks."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, __file__, str(theirs.fileno())]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve(line: socket.socket) -> Mapping[str, Any] | None:
    """Fork for every request. Comes back in each copy with the request, and at the end of all with None."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the copies here
    while True:
        sign, files, _, _ = socket.recv_fds(line, 1, 4)
        if not sign:
            return None
        if os.fork():
            for file in files:
                os.close(file)
            continue
        line.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        request, out, err, answer = files
        child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
            os.write(answer, str(status).encode())
            os._exit(0)
        os.close(answer)
        os.dup2(out, 1)
        os.dup2(err, 2)
        with os.fdopen(request) as text:
            found: Mapping[str, Any] = json.load(text)
        os.close(out)
        os.close(err)
        return found


def main() -> None:
    for module in pkgutil.walk_packages(etlrun.__path__, "etlrun."):
        if module.name not in STARTS and ".samples.projects" not in module.name:
            importlib.import_module(module.name)
    for name in OTHERS:
        importlib.import_module(name)
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as line:
        request = _serve(line)
    if request is None:
        return
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    sys.path[0] = request["folder"]
    sys.argv = [etlrun.__file__.replace("__init__", "__main__"), *request["arguments"]]
    from etlrun.cli.main import main as run_etlrun

    run_etlrun()


if __name__ == "__main__":
    main()
