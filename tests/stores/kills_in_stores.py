"""kill -9 of a run when it writes to a store, before and after the store has done it: `python tests/stores/kills_in_stores.py` does so at each request.

Every run publishes other rows than are there. Whatever the moment, readers see the old rows or the new ones, each once; `etlrun resume`, where
it can, and the next run of the pipeline end well with the new ones. `python tests/stores/kills_in_stores.py spark 20` kills runs on Spark, each
with its driver, at 20 random moments in each way to publish a lake table: at a request that writes, or at any time; with `staging` in place
of `spark`, tasks hand over all rows through the store, and with `connect`, the driver is a server of Spark Connect that goes on.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from deltalake import DeltaTable
from pyiceberg.catalog import load_catalog
from store_projects import Lake, another_machine, lines, new_lake, with_runs

from clusters import connect_server
from object_server import WRITING, ObjectServer, object_server

ROWS = 40
NAMES = [f"shop {number:02}" for number in range(ROWS)]
STAYING = [(f"old shop {number:02}", 0) for number in range(ROWS)]
SPEC = """sources:
  logs: {json: {path: s3://BUCKET/raw/*.json, columns: {c: string not null, s: bigint}}}
sinks:
  out: SINK
"""
KEYS = {"LAKE_KEY": "key", "LAKE_SECRET": "secret"}
SPARK, IN_PROCESS = ("--profile", "local"), 'master: "local[2]", memory: 1g'
Rows = list[tuple[str, int]]


@dataclass(frozen=True)
class Way:
    """A way to publish: the sink, and how a reader finds the rows. If it `merges`, the rows STAYING stay from the first publish on."""

    sink: str
    rows: Callable[[Lake], Rows]
    adds: bool = False
    merges: bool = False


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


def rows_of_iceberg(lake: Lake) -> Rows:
    options = {
        "s3.endpoint": lake.server.url,
        "s3.region": "us-east-1",
        "s3.access-key-id": "key",
        "s3.secret-access-key": "secret",
    }
    catalog = load_catalog("default", type="sql", uri=catalog_of(lake), **options)
    try:
        table = catalog.load_table("gold.t").scan().to_arrow()
    finally:
        catalog.close()
    return sorted((row["c"], row["s"]) for row in table.to_pylist())


def catalog_of(lake: Lake) -> str:
    """The address of the catalog that all machines of a project share."""
    return f"sqlite:///{lake.project.folder.resolve()}/catalog.db"


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
    "iceberg": Way("{iceberg: {from: logs, connection: ice, table: gold.t, write: replace}}", rows_of_iceberg),
    "iceberg, append": Way(
        "{iceberg: {from: logs, connection: ice, table: gold.t, write: append}}", rows_of_iceberg, adds=True
    ),
    "delta, merge": Way(
        "{delta: {from: logs, path: s3://BUCKET/out/t, write: merge, key: [c]}}", rows_of_delta, merges=True
    ),
    "iceberg, merge": Way(
        "{iceberg: {from: logs, connection: ice, table: gold.t, write: merge, key: [c]}}", rows_of_iceberg, merges=True
    ),
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
    engine: tuple[str, ...] = ()
    spark: str = IN_PROCESS
    number: int = 0
    there: Rows = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = (self.lake.project.folder / "etlrun.yaml").read_text()
        ice = f"ice: {{iceberg: {{uri: '{catalog_of(self.lake)}', warehouse: 's3://{self.lake.bucket}/ice'}}}}"
        spark = f"local: {{engine: {{spark: {{{self.spark}, read: tasks}}}}, connections: {{{ice}}}}}"
        settings = settings.replace("connections: {", f"connections: {{{ice}, ")
        self.lake.project.write("etlrun.yaml", settings.replace("profiles: {", f"profile: fast\nprofiles: {{{spark}, "))
        self.pipeline = self.lake.project.pipeline(
            SPEC.replace("SINK", self.way.sink).replace("BUCKET", self.lake.bucket)
        )

    def next_rows(self) -> Rows:
        """Let the next run publish another number; the rows that readers see after it."""
        self.number += 1
        new = [(name, self.number) for name in NAMES]
        staying = STAYING if self.way.merges else []
        self.lake.put("raw/a.json", lines(*new, *(staying if self.number == 1 else ())))
        return sorted([*self.there, *new] if self.way.adds else [*new, *staying])

    def publish(self) -> int:
        """A run that nobody disturbs; how often it writes to the store."""
        new = self.next_rows()
        self.lake.server.log()
        done = self.lake.run(self.pipeline, "-q", *self.engine)
        assert done.code == 0, done.err
        self.there = new
        return sum(request.startswith(WRITING) for request in self.lake.server.log())

    def kill_at(self, request: int, *, is_applied: bool) -> Iterator[str]:
        """Kill a run when it writes for the time of that number, then run again; what was wrong."""
        new = self.next_rows()
        self.lake.server.hold(request, is_applied=is_applied)
        process = self._start()
        while process.poll() is None and not self.lake.server.is_held():
            time.sleep(0.05)
        yield from self._end(process, new)

    def kill_after(self, seconds: float) -> Iterator[str]:
        """Kill a run so many seconds after its start, then run again; what was wrong."""
        new = self.next_rows()
        process = self._start()
        time.sleep(seconds)
        yield from self._end(process, new)

    def _start(self) -> subprocess.Popen[str]:
        return self.machine(self.lake).project.start(self.pipeline, "-q", *self.engine, **KEYS)

    def _end(self, process: subprocess.Popen[str], new: Rows) -> Iterator[str]:
        """Kill a run, end its work, and compare the rows that readers see after each; what was wrong."""
        process.kill()
        _, err = process.communicate()
        self.lake.server.hold(0)
        found = self.way.rows(self.lake)
        if found not in (self.there, new):
            yield f"readers saw {_shown(found)} after {process.returncode} {err}"
        again = self.machine(self.lake)
        yield from self._resume(again, new)
        done = again.run(self.pipeline, "-q", *self.engine)
        if done.code != 0:
            yield f"the next run failed: {done.err}"
        self.there = self.way.rows(self.lake)
        if self.there != new:
            yield f"after the next run there are {_shown(self.there)}"

    def _resume(self, lake: Lake, new: Rows) -> Iterator[str]:
        """Resume the killed run if its rows are complete; what was wrong."""
        run = lake.run("runs", "--json").json["runs"][0]
        if run["status"] != "killed":
            return
        resumed = lake.run("resume", run["run_id"])
        found = self.way.rows(self.lake)
        if found != new and (resumed.code == 0 or found != self.there):
            yield f"after a resume that ended with {resumed.code} there are {_shown(found)}: {resumed.err}"


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


def kill_at_random(lake: Lake, way: Way, count: int, seed: int, spark: str = IN_PROCESS) -> Killed:
    """Kill runs on Spark, whose records are in the store, at `count` random moments."""
    publisher, found = Publisher(lake, way, another_machine, SPARK, spark), Killed()
    publisher.publish()
    began = time.monotonic()
    last = publisher.publish()
    seconds, chance = time.monotonic() - began, random.Random(seed)
    for _ in range(count):
        found.moments += 1
        if chance.random() < 0.7:
            request, is_applied = chance.randint(1, last), chance.random() < 0.5
            when = f"{'after' if is_applied else 'before'} write {request} of {last}"
            wrong = publisher.kill_at(request, is_applied=is_applied)
        else:
            share = chance.random()
            when = f"after {share:.0%} of the time of a run"
            wrong = publisher.kill_after(share * seconds)
        found.wrong += [f"killed {when}: {text}" for text in wrong]
    return found


def _shown(rows: Rows) -> str:
    return f"{len(rows)} rows of {sorted({number for _, number in rows})}"


def every_write(server: ObjectServer, folder: Path) -> Iterator[tuple[str, Killed]]:
    """What came of killing runs of DuckDB at every request that writes, in every way to publish."""
    for number, (name, way) in enumerate(WAYS.items()):
        yield name, kill_at_writes(new_lake(server, folder / str(number), f"kills-{number}"), way)
        there = with_runs(new_lake(server, folder / f"{number}-runs", f"kills-runs-{number}"))
        yield f"{name}, runs in the store", kill_at_writes(there, way, None, another_machine)


def random_moments(
    server: ObjectServer, folder: Path, count: int, seed: int, spark: str = IN_PROCESS
) -> Iterator[tuple[str, Killed]]:
    """What came of killing runs on Spark at `count` random moments, in every way to publish a lake table."""
    for number, (name, way) in enumerate(WAYS.items()):
        if name.startswith(("delta", "iceberg")):
            lake = with_runs(new_lake(server, folder / str(number), f"spark-{number}"))
            yield f"{name}, Spark, seed {seed}", kill_at_random(lake, way, count, seed, spark)


def tried(
    server: ObjectServer, folder: Path, engine: str = "duckdb", count: str = "20", seed: str = ""
) -> Iterator[tuple[str, Killed]]:
    """What came of killing runs of an engine, in one way to publish after the other."""
    chosen = int(seed or random.randrange(10_000))
    if engine == "duckdb":
        yield from every_write(server, folder)
    elif engine in ("spark", "staging"):
        settings = IN_PROCESS if engine == "spark" else f"{IN_PROCESS}, staging: store"
        yield from random_moments(server, folder, int(count), chosen, settings)
    else:
        os.environ.update(KEYS)  # which the tasks of the server need
        with connect_server(folder) as remote:
            yield from random_moments(server, folder, int(count), chosen, f"remote: '{remote}'")


def main(*arguments: str) -> int:
    """Kill runs as the arguments name them; the exit code is 1 where anything was wrong."""
    wrong = False
    with object_server() as server, tempfile.TemporaryDirectory(prefix="etlrun-kills-") as name:
        for title, found in tried(server, Path(name), *arguments):
            wrong = wrong or bool(found.wrong)
            sys.stdout.write(f"{title}: killed at {found.moments} moments, {len(found.wrong)} wrong\n")
            sys.stdout.writelines(f"  {re.sub(chr(10), ' ', line)}\n" for line in found.wrong)
            sys.stdout.flush()
    return int(wrong)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
