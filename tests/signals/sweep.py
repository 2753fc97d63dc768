"""Send a signal at a random moment of a run, again and again: `python -m tests.signals.sweep 2000 --engine duckdb --seconds 3600`.

Every run publishes other rows than are there, to a table and to a file. Whatever the moment, the process must end within ten seconds with
the exit code of the signal, or be done; it shows no traceback; table and file hold the old rows or the new ones, and the new ones only
where the publish began before the signal; nothing is left between; and the next run works. A signal that comes while Python itself
still starts (`site`, `runpy`), before the first line of etlrun, ends it in Python's own way, and is counted apart.

One run in five gets a second signal soon after: it ends the process at once, so that files of the run may be left for the next to remove.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

PROJECT = """profile: duckdb
profiles:
  duckdb: {engine: {duckdb: {threads: 2}}, connections: {warehouse: {duckdb: warehouse.duckdb}}}
  spark: {engine: {spark: {master: "local[2]", memory: 1g}}, connections: {warehouse: {duckdb: warehouse.duckdb}}}
"""
PIPELINE = """pipeline: p
sources:
  sales: {csv: {path: sales.csv, columns: {shop: string not null, units: int}}}
steps:
  totals:
    - from: sales
    - python: {function: "mine:same", columns: {shop: string, units: int}}
    - aggregate: {by: [shop], columns: {units: sum(units)}}
checks:
  totals:
    - expression: units > 0
sinks:
  totals: {table: {from: totals, connection: warehouse, key: [shop], write: replace}}
  export: {files: {from: totals, path: out/totals.csv}}
"""
ROWS = 20_000
SIGNALS = (signal.SIGINT, signal.SIGTERM)
END_SECONDS = 10.0
SECOND_SIGNALS = 0.2  # the share of runs that get one
LATEST_SECOND = 2.0  # seconds after the first
EVERY = 20  # signals, after which the sweep says how far it is
BEFORE_OURS = "before the first line"


@dataclass
class Swept:
    """What came of a sweep: how runs ended, the longest time to an end, and what was wrong."""

    ends: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)


class Shop:
    """A project whose runs are signalled."""

    def __init__(self, folder: Path, engine: str) -> None:
        self.folder = folder
        self.engine = engine
        for name, text in {
            "etlrun.yaml": PROJECT,
            "pipelines/p.yaml": PIPELINE,
            "mine.py": "def same(rows):\n    return rows\n",
        }.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        self.errors = folder / "errors.txt"
        self.published = 0
        self.seconds = self.run_to_the_end(1)

    def start(self, version: int) -> subprocess.Popen[bytes]:
        self.sell(version)
        with self.errors.open(
            "w"
        ) as errors:  # the end of a pipe would be that of the JVM, which ends after the process
            return subprocess.Popen(
                [sys.executable, "-m", "etlrun", "pipelines/p.yaml", "-q", "--profile", self.engine],
                cwd=self.folder,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
                preexec_fn=_take_interrupts,
            )

    def sell(self, version: int) -> None:
        lines = "".join(f"S{number},{version}\n" for number in range(ROWS))
        (self.folder / "sales.csv").write_text("shop,units\n" + lines)

    def run_to_the_end(self, version: int) -> float:
        """Publish; the seconds that it takes."""
        began = time.monotonic()
        process = self.start(version)
        assert process.wait(timeout=300) == 0, self.errors.read_text()
        self.published = version
        return time.monotonic() - began

    def table(self) -> tuple[int, int, int]:
        """Rows, and the smallest and largest number of units."""
        with duckdb.connect(str(self.folder / "warehouse.duckdb"), read_only=True) as connection:
            found = connection.execute("SELECT count(*), min(units), max(units) FROM totals").fetchall()
        return found[0]

    def file(self) -> tuple[int, int, int]:
        lines = (self.folder / "out" / "totals.csv").read_text().splitlines()[1:]
        units = [int(line.rpartition(",")[2]) for line in lines]
        return len(units), min(units), max(units)

    def finished_at(self) -> str:
        with duckdb.connect(str(self.folder / "warehouse.duckdb"), read_only=True) as connection:
            return str(connection.execute("SELECT finished_at FROM _etlrun_loads").fetchall()[0][0])

    def left_behind(self) -> list[str]:
        """Files that only a run which is under way has. What a run leaves that is ended by force, or Spark after it, is removed by the next one."""
        runs = self.folder / ".etlrun" / "runs"
        patterns = ("*/work", "*/spill", "*/sources", "*/*.json.*")
        latest = max((path.parent for path in runs.glob("*/run.json")), default=runs)
        status = json.loads((latest / "run.json").read_text())["status"]
        if status == "running" or (self.engine == "spark" and status == "interrupted"):
            return []
        found = [path for pattern in patterns for path in runs.glob(pattern)]
        return [str(path) for path in (*found, *(self.folder / "out").glob(".*"))]


def _take_interrupts() -> None:
    """Let Ctrl-C count even where the sweep runs in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def sweep(shop: Shop, count: int, chance: random.Random, seconds: float = math.inf, longest: float = 1.15) -> Swept:
    """Signal at most `count` runs within `seconds`, each at a moment of its own within `longest` times the seconds that a run takes."""
    swept, deadline = Swept(), time.monotonic() + seconds
    for number in range(count):
        if time.monotonic() > deadline:
            break
        moment = Moment(
            chance.choice(SIGNALS),
            chance.uniform(0, longest * shop.seconds),
            chance.uniform(0, LATEST_SECOND) if chance.random() < SECOND_SIGNALS else None,
        )
        for wrong in _signal_once(shop, number + 2, moment, swept):
            swept.wrong.append(f"{moment}: {wrong}")
            sys.stderr.write(f"{swept.wrong[-1]}\n")
        if number % EVERY == EVERY - 1:
            sys.stderr.write(f"{number + 1} signals; {dict(sorted(swept.ends.items()))}\n")
    try:
        shop.run_to_the_end(count + 2)
    except AssertionError as error:
        swept.wrong.append(f"a run after all fails: {error}")
    return swept


@dataclass(frozen=True)
class Moment:
    """A signal, the seconds from the start of a run to it, and those from it to a second one."""

    number: signal.Signals
    delay: float
    second: float | None

    def __str__(self) -> str:
        again = f", and again after {self.second:.3f} s" if self.second is not None else ""
        return f"{self.number.name} after {self.delay:.3f} s{again}"


def _signal_once(shop: Shop, version: int, moment: Moment, swept: Swept) -> list[str]:
    started = time.monotonic()
    process = shop.start(version)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment.delay)
    if process.poll() == 0:
        shop.seconds = time.monotonic() - started  # the machine has more to do than before, or less
    process.send_signal(moment.number)
    sent, began = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", time.monotonic()
    if moment.second is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment.second)
        process.send_signal(moment.number)
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    seconds = time.monotonic() - began
    swept.slowest = max(swept.slowest, seconds)
    code, err = process.returncode, shop.errors.read_text()
    is_early = code == -moment.number or (code == 1 and "KeyboardInterrupt" in err and "etlrun/" not in err)
    swept.ends[f"{moment.number.name} {BEFORE_OURS if is_early else code}"] += 1
    return list(_wrong(shop, version, code, err, seconds, sent, moment.number, is_early=is_early))


def _wrong(
    shop: Shop, version: int, code: int, err: str, seconds: float, sent: str, number: signal.Signals, *, is_early: bool
) -> list[str]:
    """What is wrong with the end of a run."""
    wrong = []
    if not is_early and code not in (0, 128 + number):
        wrong.append(f"exit code {code}: {err[-500:]}")
    if not is_early and ("Traceback" in err or "internal-error" in err):
        wrong.append(f"a traceback: {err[-1500:]}")
    if seconds > END_SECONDS:
        wrong.append(f"it ended after {seconds:.1f} s")
    old, new = (ROWS, shop.published, shop.published), (ROWS, version, version)
    table, file = shop.table(), shop.file()
    if table not in (old, new) or file != (ROWS, file[1], file[1]):
        wrong.append(f"rows between: table {table}, file {file}, where {old} was")
    if code == 0 and (table, file) != (new, new):
        wrong.append(f"done, and not all is published: table {table}, file {file}")
    if table == new:
        shop.published = version
        if shop.finished_at() > sent:
            wrong.append(f"published at {shop.finished_at()}, after the signal of {sent}; exit code {code}")
    if left := shop.left_behind():
        wrong.append(f"left behind: {', '.join(left)}")
    if _is_alive(shop, seconds=END_SECONDS):
        wrong.append("a process is left")
    return wrong


def _is_alive(shop: Shop, seconds: float) -> bool:
    """Whether a process still works in the folder after so many seconds."""
    deadline = time.monotonic() + seconds
    while any(_works_in(shop.folder, path) for path in Path("/proc").glob("[0-9]*")):
        if time.monotonic() > deadline:
            return True
        time.sleep(0.05)
    return False


def _works_in(folder: Path, process: Path) -> bool:
    try:
        return os.readlink(process / "cwd") == str(folder)
    except OSError:
        return False


def main() -> None:
    """Sweep, and tell what was wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int, nargs="?", default=2000)
    parser.add_argument("--engine", choices=["duckdb", "spark"], default="duckdb")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=math.inf, help="start no further run after so many")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="etlrun-signals-") as folder:
        shop = Shop(Path(folder).resolve(), given.engine)
        sys.stdout.write(f"{given.engine}: a run takes {shop.seconds:.1f} s; at most {given.count} signals\n")
        sys.stdout.flush()
        swept = sweep(shop, given.count, random.Random(given.seed), given.seconds)
    sys.stdout.write(
        f"{swept.ends.total()} signals, slowest end {swept.slowest:.1f} s; {dict(sorted(swept.ends.items()))}\n"
    )
    sys.stdout.write("\n".join(swept.wrong or ["nothing was wrong"]) + "\n")
    sys.exit(bool(swept.wrong))


if __name__ == "__main__":
    main()
