"""The process in which the functions of `python` steps run: a request is a line of JSON, and so is the reply.

Started by `runtime/functions.py` as `python -m etlrun.runtime.function_process REQUESTS REPLIES CRASH`: the numbers of two pipes, and the
file that says where a crash happened. What the functions print goes to standard error. The process ends with its parent.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from etlrun.function_calls import failure_report, fitting, results_of

LOST_PIPE = 99  # the exit code if a function closed the pipe of replies


def serve(requests: int, replies: int, crash: str) -> None:
    """Answer requests until the parent closes its end."""
    os.dup2(2, 1)
    waiting: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=_receive, args=(os.fdopen(requests, "rb"), waiting), daemon=True).start()
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")  # if memory runs out, this process is killed and not the run
    with open(crash, "w", encoding="utf-8") as place:
        faulthandler.enable(place)
        while True:
            request = waiting.get()
            reply = json.dumps({"number": request["number"], **_answer(request)}).encode() + b"\n"
            try:
                os.write(replies, reply)
            except OSError:
                os._exit(LOST_PIPE)


def _receive(stream: IO[bytes], waiting: SimpleQueue[dict[str, Any]]) -> None:
    """Hand requests on. At the end of them this process ends, whatever a function is doing."""
    for line in stream:
        waiting.put(json.loads(line))
    os._exit(0)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    own = os.getpid()
    try:
        return _judged(request)
    finally:
        _end_copies(own)


def _end_copies(own: int) -> None:
    """End a copy of this process that a function left running with `os.fork`: only the first of them gives the rows."""
    if os.getpid() != own:
        os._exit(0)


def _judged(request: dict[str, Any]) -> dict[str, Any]:
    """Call the function; returns what to report about it."""
    root = request["root"]
    try:
        os.chdir(root)
        if root not in sys.path:
            sys.path.insert(0, root)
        _call(request)
    except BaseException as error:  # noqa: BLE001 - whatever the function does is a failure of its step, `sys.exit` too
        return failure_report(error, lambda file: _place(file, root))
    return {}


def _call(request: dict[str, Any]) -> None:
    """Run the function over the Parquet files of the request; its rows go to a file."""
    module, _, name = request["function"].partition(":")
    function = getattr(importlib.import_module(module), name)
    columns, declared = _schema(request["given"]), _schema(request["declared"])
    rows = ds.dataset(request["files"], schema=columns, format="parquet")
    with pq.ParquetWriter(request["result"], declared) as writer:
        for part in _results(function, rows, batches=request["batches"]):
            writer.write_table(fitting(part, declared))


def _schema(text: str) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(text)))


def _results(function: Callable[[Any], Any], rows: ds.Dataset, *, batches: bool) -> Iterator[Any]:
    own = os.getpid()
    try:
        for part in _given(function, rows, batches=batches):
            _end_copies(own)  # before it writes into the file that both have open
            yield part
    finally:
        _end_copies(own)


def _given(function: Callable[[Any], Any], rows: ds.Dataset, *, batches: bool) -> Iterator[Any]:
    if not batches:
        yield function(rows.to_table())
        return
    yield from results_of(function, iter(rows.to_batches()))


def _place(file: str, root: str) -> str:
    """The path of a file of the project below its folder; empty for other files."""
    is_own = Path(file).is_relative_to(root) and "site-packages" not in file
    return str(Path(file).relative_to(root)) if is_own else ""


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
