"""kill -9 of a run when it writes to a store, before and after the store has done it: `python tests/stores/kills_in_stores.py` does so at each request.

Every run publishes other rows than are there. Whatever the moment, readers see the old rows or the new ones, each once, and the next run of
the pipeline ends well with the new ones.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from deltalake import DeltaTable
from store_projects import Lake, another_machine, lines, new_lake, with_runs

from object_server import WRITING, object_server

ROWS = 40
NAMES = [f"shop {number:02}" for number in range(ROWS)]
SPEC = """sources:
  logs: {json: {path: s3://BUCKET/raw/*.json, columns: {c: string not null, s: bigint}}}
sinks:
  out: SINK
"""
KEYS = {"LAKE_KEY": "key", "LAKE_SECRET": "secret"}
Rows = list[tuple[str, int]]


@dataclass(frozen=True)
class Way:
    """A way to publish: the sink, and how a reader finds the rows."""

    sink: str
    rows: Callable[[Lake], Rows]
    adds: bool = False


def rows_of_delta(lake: Lake) -> Rows:
    options = {
        "aws_endpoint_url": lake.server.url,
        "aws_region": "us-east-1",
        "aws_access_key_id": "key",
        "aws_secret_access_key": "secret",
        "aws_allow_http": "true",
    }
    table = DeltaTable(f"s3://{lake.bucket}/out/t", storage_options=options).to_pyarrow_table(columns=["c", "s"])
    return sorted((row["c"], row["s"]) for row in table.to_pylist())


def rows_of_folder(lake: Lake) -> Rows:
    pointer = json.loads(lake.server.get(lake.bucket, "out/set/_etlrun/current.json"))
    texts = [
        lake.server.get(lake.bucket, f"out/set/{pointer['folder']}/{file['path']}").decode()
        for file in pointer["files"]
    ]
    return sorted(_values(json.loads(line)) for text in texts for line in text.splitlines())


def rows_of_object(lake: Lake) -> Rows:
    text = lake.server.get(lake.bucket, "out/one.json").decode()
    return sorted(_values(json.loads(line)) for line in text.splitlines())


def _values(row: dict[str, object]) -> tuple[str, int]:
    return str(row["c"]), int(str(row["s"]))


WAYS: Mapping[str, Way] = {
    "files": Way("{files: {from: logs, path: s3://BUCKET/out/one.json}}", rows_of_object),
    "folder": Way("{files: {from: logs, path: s3://BUCKET/out/set/, format: json}}", rows_of_folder),
    "delta": Way("{delta: {from: logs, path: s3://BUCKET/out/t, write: replace}}", rows_of_delta),
    "delta, append": Way("{delta: {from: logs, path: s3://BUCKET/out/t, write: append}}", rows_of_delta, adds=True),
}


@dataclass
class Killed:
    """What came of killing runs: at how many moments, and what was wrong."""

    moments: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass
class Publisher:
    """Publishes one number in ROWS rows, again and again; `there` are the rows that readers see."""

    lake: Lake
    way: Way
    machine: Callable[[Lake], Lake] = lambda lake: (
        lake
    )  # where a run starts that is killed, and where the next one does
    number: int = 0
    there: Rows = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pipeline = self.lake.project.pipeline(
            SPEC.replace("SINK", self.way.sink).replace("BUCKET", self.lake.bucket)
        )

    def next_rows(self) -> Rows:
        """Let the next run publish another number; the rows that readers see after it."""
        self.number += 1
        self.lake.put("raw/a.json", lines(*((name, self.number) for name in NAMES)))
        new = [(name, self.number) for name in NAMES]
        return sorted([*self.there, *new] if self.way.adds else new)

    def publish(self) -> int:
        """A run that nobody disturbs; how often it writes to the store."""
        new = self.next_rows()
        self.lake.server.log()
        done = self.lake.run(self.pipeline, "-q")
        assert done.code == 0, done.err
        self.there = new
        return sum(request.startswith(WRITING) for request in self.lake.server.log())

    def kill_at(self, request: int, *, is_applied: bool) -> Iterator[str]:
        """Kill a run when it writes for the time of that number, then run again; what was wrong."""
        new = self.next_rows()
        self.lake.server.hold(request, is_applied=is_applied)
        process = self.machine(self.lake).project.start(self.pipeline, "-q", **KEYS)
        while process.poll() is None and not self.lake.server.is_held():
            time.sleep(0.05)
        process.kill()
        _, err = process.communicate()
        self.lake.server.hold(0)
        found = self.way.rows(self.lake)
        if found not in (self.there, new):
            yield f"readers saw {_shown(found)} after {process.returncode} {err}"
        again = self.machine(self.lake).run(self.pipeline, "-q")
        if again.code != 0:
            yield f"the next run failed: {again.err}"
        self.there = self.way.rows(self.lake)
        if self.there != new:
            yield f"after the next run there are {_shown(self.there)}"


def kill_at_writes(
    lake: Lake, way: Way, most: int | None = None, machine: Callable[[Lake], Lake] = lambda lake: lake
) -> Killed:
    """Kill runs at so many of their requests that write, from the first to the last, or at each of them."""
    publisher, found = Publisher(lake, way, machine), Killed()
    publisher.publish()
    last = publisher.publish()
    chosen = range(1, last + 1) if most is None else {1 + (last - 1) * at // (most - 1) for at in range(most)}
    for request in sorted(chosen):
        for is_applied in (False, True):
            found.moments += 1
            when = "after" if is_applied else "before"
            wrong = publisher.kill_at(request, is_applied=is_applied)
            found.wrong += [f"killed {when} write {request} of {last}: {text}" for text in wrong]
    return found


def _shown(rows: Rows) -> str:
    return f"{len(rows)} rows of {sorted({number for _, number in rows})}"


def main() -> int:
    """Kill runs at every request that writes, in every way to publish; the exit code is 1 where anything was wrong."""
    wrong = False
    with object_server() as server, tempfile.TemporaryDirectory(prefix="etlrun-kills-") as folder:
        for number, (name, way) in enumerate(WAYS.items()):
            here = new_lake(server, Path(folder) / str(number), f"kills-{number}")
            there = with_runs(new_lake(server, Path(folder) / f"{number}-runs", f"kills-runs-{number}"))
            killed = {
                name: kill_at_writes(here, way),
                f"{name}, runs in the store": kill_at_writes(there, way, None, another_machine),
            }
            for title, found in killed.items():
                wrong = wrong or bool(found.wrong)
                sys.stdout.write(f"{title}: killed at {found.moments} moments, {len(found.wrong)} wrong\n")
                sys.stdout.writelines(f"  {re.sub(chr(10), ' ', line)}\n" for line in found.wrong)
            sys.stdout.flush()
    return int(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
