"""Publish one load in a process of its own: `python publish_process.py FOLDER PORT DATABASE SETTINGS`, which a test may kill.

FOLDER holds a stage that `make_load` wrote, SETTINGS is JSON for `make_load`, rows left out. Prints what was published.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))

from mysql.loads import Place, make_load  # noqa: E402 - the tests are no package that is installed
from mysql.server import Server  # noqa: E402


def start(place: Place, folder: Path, *, fault: str = "", **settings: object) -> subprocess.Popen[str]:
    """Start such a process; `fault` arms a fault point in it."""
    command = [sys.executable, __file__, str(folder), str(place.port), place.database, json.dumps(settings)]
    environment = {**os.environ, "ETLRUN_FAULT": fault}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def main(folder: str, port: str, database: str, settings: str) -> None:
    given = json.loads(settings)
    rows = given.pop("rows")
    made = [("2022-04", f"C{number:06}", given["seconds"]) for number in range(rows)]
    load = make_load(Path(folder), made, run_id=given["run_id"], where=given["where"])
    load = dataclasses.replace(load, publish=given.get("publish", "transaction"), keep=given.get("keep", 1))
    published = Place(Server(Path(folder)), database, int(port)).warehouse().publish(load)
    sys.stdout.write(json.dumps(dataclasses.asdict(published)))


if __name__ == "__main__":
    main(*sys.argv[1:])
