"""A connection that breaks while rows are sent."""

from __future__ import annotations

import subprocess
import sys

from .guarded import Guarded

SEND = """
import sys
from pathlib import Path
from etlrun.connections.postgres import Postgres
from etlrun.warehouse.server import ServerError

database = Postgres(sys.argv[1]).open("warehouse", Path("/"), str, writing=True)

def rows(victim, other):
    yield memoryview(b"1\\n")
    other.run(f"SELECT pg_terminate_backend({victim.thread}, 5000)")
    while True:
        yield memoryview(b"1\\n" * 100_000)

victim, other = database.server.open(), database.server.open()
try:
    victim.send("COPY numbers FROM STDIN", rows(victim, other))
except ServerError as error:
    assert error.is_transient, error
else:
    raise AssertionError
"""


def test_only_etlrun_reports_a_connection_that_breaks(guarded: Guarded) -> None:
    guarded.run("CREATE TABLE numbers (n int)")
    url = f"postgresql://root@127.0.0.1:{guarded.server.port}/w"
    found = subprocess.run([sys.executable, "-c", SEND, url], check=False, capture_output=True, text=True)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
