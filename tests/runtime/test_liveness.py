"""A run is alive by its own process where that can be seen, and by its sign of life elsewhere."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from etlrun.runtime.liveness import is_alive, process_name
from etlrun.runtime.record import Record
from etlrun.runtime.run_folder import RunFolder

OWN = Record("p", "p.yaml", "r", "duckdb", "fast", "", socket.gethostname(), os.getpid(), "", "", process_name())
CONTAINER, _, STARTED = process_name().rpartition(" ")


@pytest.mark.parametrize(
    ("record", "silent", "alive"),
    [
        (OWN, 601, True),
        (replace(OWN, process=""), 601, True),
        (replace(OWN, pid=2**22), 0, False),
        (replace(OWN, process=f"{CONTAINER} {int(STARTED) - 1}"), 0, False),
        (replace(OWN, process=f"another-container {STARTED}"), 0, True),
        (replace(OWN, process=f"another-container {STARTED}"), 601, False),
        (replace(OWN, host="another-machine"), 0, True),
        (replace(OWN, host="another-machine"), 601, False),
    ],
)
def test_a_process_with_the_same_number_or_host_name_is_not_taken_for_that_of_a_run(
    record: Record, silent: int, alive: bool, tmp_path: Path
) -> None:
    path = tmp_path / "run.json"
    path.write_text("{}")
    os.utime(path, (time.time() - silent,) * 2)
    assert is_alive(RunFolder("r", tmp_path), record) is alive
