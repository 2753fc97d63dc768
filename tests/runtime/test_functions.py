"""Functions run in a process of their own: whatever one does is a failure of its step, with its line, and the next call works."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from etlrun.contracts.step import Apply
from etlrun.failures import RunFailure
from etlrun.language.columns import Column, Columns
from etlrun.language.type_texts import parse_type
from etlrun.runtime.functions import FunctionProcess
from etlrun.secrets import Secret
from etlrun.spec.project_file import find_project

COLUMNS = Columns((Column("x", parse_type("bigint")),))
ROWS = pa.table({"x": [1, 2]})
MODULE = """import ctypes
import os
import signal
import sys
import threading

import pyarrow as pa


def leave(rows):
    sys.exit(0)


def leave_at_once(rows):
    os._exit(0)


def crash(rows):
    ctypes.string_at(0)


def kill(rows):
    os.kill(os.getpid(), signal.SIGKILL)


def divide(rows):
    return half(rows)


def half(rows):
    return 1 / 0


def wrong_cast(rows):
    return pa.table({"x": ["a"]})


def no_column(rows):
    return pa.table({"y": [1]})


def text(rows):
    return "rows"


def nothing(batches):
    return None


def large(rows):
    return bytearray(1 << 62)


def ask(rows):
    input()


def rude(rows):
    os.chdir("/")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=threading.Event().wait).start()
    sys.stdout.write("printed")
    sys.stdout.close()
    return rows


def polite(rows):
    assert os.path.exists("mine.py")
    return rows


def variables(rows):
    found = [name for name in ("PLANTED_API_KEY", "NAMED_IN_PROJECT", "HOLDS_IT", "HARMLESS") if name in os.environ]
    raise ValueError(" ".join(found))


def stuck(rows):
    while True:
        pass


def close_all(rows):
    os.closerange(3, 300)
    return rows


def write_everywhere(rows):
    for number in range(3, 300):
        try:
            os.write(number, b"[]\\n")
        except OSError:
            pass
    return rows


def twice(rows):
    os.fork()
    return rows


def fail_twice(rows):
    os.fork()
    raise ValueError("one of two")


def batches_twice(parts):
    for part in parts:
        os.fork()
        yield part
"""


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionProcess]:
    folder = tmp_path_factory.mktemp("functions")
    (folder / "etlrun.yaml").write_text(
        'profiles: {local: {engine: {duckdb: {}}, connections: {w: {duckdb: "${NAMED_IN_PROJECT}"}}}}\n'
    )
    (folder / "mine.py").write_text(MODULE)
    Secret("known-to-the-run")
    variables = {"PLANTED_API_KEY": "k", "NAMED_IN_PROJECT": "n", "HOLDS_IT": "known-to-the-run", "HARMLESS": "h"}
    with pytest.MonkeyPatch.context() as patch, closing(FunctionProcess(find_project(folder))) as found:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield found


def call(functions: FunctionProcess, name: str, *, batches: bool = False) -> pa.Table:
    return functions.apply_to_rows(Apply(f"mine:{name}", COLUMNS, batches=batches), ROWS, COLUMNS)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("leave", "SystemExit: 0 (mine.py:11 in leave)"),
        ("leave_at_once", "it ended its process with exit code 0 (mine.py:14 in leave_at_once)"),
        ("crash", "it crashed (Segmentation fault) (mine.py:19 in crash)"),
        ("kill", "was killed, most likely because memory ran out (mine.py:22 in kill)"),
        ("divide", "ZeroDivisionError: division by zero (mine.py:31 in half)\ncalled at mine.py:27 in divide"),
        ("wrong_cast", "does not fit the declared columns: Failed to parse string: 'a' as a scalar of type int64"),
        ("no_column", "its result has no column `x` (mine.py:38 in no_column)"),
        ("text", "it returned str, but a pyarrow.Table or RecordBatch is expected (mine.py:42 in text)"),
        ("large", "MemoryError (mine.py:51 in large)"),
        ("ask", "EOFError: EOF when reading a line (mine.py:55 in ask)"),
        ("close_all", "it closed files that it had not opened (mine.py:"),
        ("write_everywhere", "it wrote to the pipe that its process uses for its results"),
        ("fail_twice", "ValueError: one of two"),
        ("variables", "ValueError: HARMLESS (mine.py:74 in variables)"),
    ],
)
def test_whatever_a_function_does_is_a_failure_with_its_line(
    functions: FunctionProcess, name: str, message: str
) -> None:
    with pytest.raises(RunFailure) as caught:
        call(functions, name)
    assert (caught.value.code, bool(caught.value.fix)) == ("python-failed", True)
    assert f"the function `mine:{name}` " in caught.value.message
    assert message in caught.value.message
    assert call(functions, "polite") == ROWS


def test_batches_that_are_none_are_a_failure(functions: FunctionProcess) -> None:
    with pytest.raises(RunFailure, match="it returned NoneType, but it must yield batches"):
        call(functions, "nothing", batches=True)


def test_what_a_function_changes_in_its_process_does_not_reach_the_run_nor_the_next_call(
    functions: FunctionProcess, capfd: pytest.CaptureFixture[str]
) -> None:
    before = Path.cwd()
    assert call(functions, "rude") == ROWS
    assert call(functions, "polite") == ROWS
    assert Path.cwd() == before
    assert capfd.readouterr().out == ""


def test_a_copy_that_a_function_leaves_running_gives_no_rows(functions: FunctionProcess) -> None:
    for _ in range(3):
        assert call(functions, "twice") == ROWS
        assert call(functions, "batches_twice", batches=True) == ROWS
        assert call(functions, "polite") == ROWS


def test_a_function_that_never_ends_is_ended_with_its_run(functions: FunctionProcess) -> None:
    call(functions, "polite")
    process = functions._process
    assert process is not None
    threading.Timer(0.5, functions._kill).start()
    with pytest.raises(RunFailure, match="was killed"):
        call(functions, "stuck")
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
