"""Run a `python` step: its function runs in a separate process, so that even a crash is only a failure of the step."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from etlrun.contracts.step import Apply
from etlrun.failures import RunFailure
from etlrun.language.arrow import arrow_schema
from etlrun.language.columns import Columns
from etlrun.secrets import hide_secrets
from etlrun.spec.functions import line_of_function
from etlrun.spec.project import Project
from etlrun.spec.secrecy import ENVIRONMENT, names_secret
from etlrun.stopping import cancelling

if TYPE_CHECKING:
    import subprocess

    import pyarrow

END_SECONDS = 5.0
LONGEST_REPLY = 1_000_000  # bytes
LOST_PIPE = 99  # the exit code of a process that cannot answer, as `function_process.py` has it


class FunctionProcess:
    """The process of a project's functions. It starts with the first call, and again after a function ended it."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.root = str(project.root.resolve())
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: IO[bytes]
        self._replies: IO[bytes]
        self._crash = ""
        self._number = 0  # of the last request: a reply repeats it

    def apply(self, apply: Apply, given: Sequence[str], columns: Columns, result: Path) -> None:
        """Run a function over the Parquet files in `given`, whose columns are `columns`; its rows go to the new file `result`.

        Raises RunFailure if it fails or returns something else than it declares.
        """
        self._number += 1
        request = {
            "number": self._number,
            "function": apply.function,
            "root": self.root,
            "batches": apply.batches,
            "files": [os.path.abspath(path) for path in given],
            "given": arrow_schema(columns).serialize().to_pybytes().hex(),
            "declared": arrow_schema(apply.columns).serialize().to_pybytes().hex(),
            "result": os.path.abspath(result),
        }
        process = self._process or self._start()
        with cancelling(self._kill), suppress(BrokenPipeError):
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()
        with cancelling(self._kill):
            line = self._replies.readline(LONGEST_REPLY)
            if not line:
                raise self._ended(apply.function, process)
        refuse_failed(apply.function, self._read(apply.function, line), self.project)

    def apply_to_rows(self, apply: Apply, rows: pyarrow.Table, columns: Columns) -> pyarrow.Table:
        """The rows that the function returns for these rows. Raises RunFailure like `apply`."""
        import pyarrow.parquet as pq

        with tempfile.TemporaryDirectory(prefix="etlrun-function-") as folder:
            given, result = Path(folder) / "given.parquet", Path(folder) / "result.parquet"
            pq.write_table(rows, given)
            self.apply(apply, [str(given)], columns, result)
            return pq.read_table(result, schema=arrow_schema(apply.columns))

    def close(self) -> None:
        """End the process, and those that it started."""
        if self._process is not None:
            self._kill()
            self._process.wait()
            self._requests.close()
            self._replies.close()
            os.unlink(self._crash)
            self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        import subprocess  # most runs call no function

        number, self._crash = tempfile.mkstemp(prefix="etlrun-crash-")
        os.close(number)
        their_requests, requests = os.pipe()
        replies, their_replies = os.pipe()
        arguments = [str(their_requests), str(their_replies), self._crash]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "etlrun.runtime.function_process", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=2,
            env=_shared_environment(self.project),
            pass_fds=(their_requests, their_replies),
            start_new_session=True,  # Ctrl-C is for the run, which ends this process
        )
        os.close(their_requests)
        os.close(their_replies)
        self._requests, self._replies = os.fdopen(requests, "wb"), os.fdopen(replies, "rb")
        return self._process

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _read(self, function: str, line: bytes) -> dict[str, Any]:
        """The reply to the last request. Raises RunFailure if the function has written something else to the pipe."""
        with suppress(ValueError):  # no JSON, and no UTF-8
            reply = json.loads(line)
            if isinstance(reply, dict) and reply.get("number") == self._number:
                return reply
        self.close()
        raise _failure(
            function,
            "it wrote to the pipe that its process uses for its results",
            "let it write only to files that it opened",
        )

    def _ended(self, function: str, process: subprocess.Popen[bytes]) -> RunFailure:
        """The failure if the process ended without an answer."""
        import subprocess

        with suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
        code, place = process.returncode, self._place_of_crash() or line_of_function(function, self.project.root)
        self.close()
        where = f" ({place})" if place else ""
        if code is None:
            return _failure(function, f"its process no longer answers{where}")
        if code == LOST_PIPE:
            return _failure(
                function,
                f"it closed files that it had not opened{where}",
                "let it close only files that it opened",
            )
        if code == -signal.SIGKILL:
            return RunFailure(
                "engine",
                "python-failed",
                f"the function `{function}` was killed, most likely because memory ran out{where}",
                "give it fewer rows at a time with `mode: batches`",
            )
        if code < 0:
            return _failure(function, f"it crashed ({signal.strsignal(-code)}){where}")
        return _failure(
            function, f"it ended its process with exit code {code}{where}", "let it return or raise an error instead"
        )

    def _place_of_crash(self) -> str:
        """The last line of the project before a crash, from the file that Python writes."""
        detail = Path(self._crash).read_text(encoding="utf-8", errors="replace")
        frames = re.findall(r'File "([^"]+)", line (\d+) in (\S+)', detail)
        own = [(Path(file), line, name) for file, line, name in frames if Path(file).is_relative_to(self.root)]
        return next((f"{file.relative_to(self.root)}:{line} in {name}" for file, line, name in own), "")


def refuse_failed(function: str, report: Mapping[str, Any], project: Project, fix: str = "fix the function") -> None:
    """Raises RunFailure if the report of a call is that of a failure."""
    if "lines" not in report:
        return
    last, *before = report["lines"] or [line_of_function(function, project.root)]
    where = (f" ({last})" if last else "") + "".join(f"\ncalled at {line}" for line in before)
    if "wrong-result" in report:
        detail = f"its result does not fit the declared columns: {report['wrong-result']}{where}"
        raise _failure(function, detail, "return what `columns` declares, or change `columns`")
    raise _failure(function, report["error"] + where, fix)


def _failure(function: str, message: str, fix: str = "fix the function") -> RunFailure:
    return RunFailure("engine", "python-failed", f"the function `{function}` failed: {message}", fix)


def variables_of(project: Project) -> frozenset[str]:
    """The environment variables that the project file refers to."""
    text = project.document.text if project.document else ""
    return frozenset(found.group(1) for found in ENVIRONMENT.finditer(text))


def _shared_environment(project: Project) -> dict[str, str]:
    """The environment without variables that may be secrets: by their name, because the project file refers to them, or because the run knows the value."""
    used = variables_of(project)
    return {
        name: value
        for name, value in os.environ.items()
        if name not in used and not names_secret(name) and hide_secrets(value) == value
    }
