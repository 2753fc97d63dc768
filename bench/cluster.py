"""What a run on a cluster costs its driver and its workers: a standalone cluster with two workers, files and runs in an object store.

    python bench/cluster.py [--contracts 50000] [--rounds 2] [--files 30,1030]

Two pipelines read viewing logs: one aggregates in the tasks that read, one publishes all rows. Each runs with `read: tasks` and with
`read: driver`, in turn; the medians of processor seconds of driver and workers together are compared. Then the first pipeline runs over the
same rows in few and in many files: what the driver itself takes, and the peak memory of its Python process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from clusters import MASTER, QUIET, WORKER, free_port, is_open, serving
from object_server import ObjectServer, object_server
from projects import wait_for

BUCKET = "bench"
KEYS = {"LAKE_KEY": "key", "LAKE_SECRET": "secret"}
TICKS = os.sysconf("SC_CLK_TCK")
SETTINGS = """runs: s3://{bucket}/runs
storage: {{s3://{bucket}: {{s3: {{endpoint: '{url}', region: us-east-1, access_key: '${{LAKE_KEY}}', secret_key: '${{LAKE_SECRET}}'}}}}}}
profiles:
"""
PROFILE = "  {read}: {{engine: {{spark: {{master: '{master}', read: {read}, conf: {{spark.executor.memory: 900m}}}}}}, connections: {{}}}}\n"
SOURCE = """sources:
  views:
    json:
      path: s3://{bucket}/{files}/*.json
      record: _source
      columns: {{Contract: string, AppName: string, TotalDuration: bigint not null}}
      bad_rows: quarantine
"""
PIPELINES = {
    "aggregated": """steps:
  found:
    - from: views
    - filter: Contract <> '0'
    - aggregate: {by: [Contract, AppName], columns: {seconds: sum(TotalDuration)}}
""",
    "all rows": """steps:
  found:
    - from: views
    - filter: Contract <> '0'
""",
}
SINK = "sinks:\n  out: {{delta: {{from: found, path: s3://{bucket}/out/{name}, write: replace}}}}\n"


@dataclass
class Watch:
    """Processor seconds of each process below some processes, and the peak megabytes of the first of those."""

    roots: dict[str, list[int]]
    seconds: dict[str, dict[int, float]] = field(default_factory=dict)
    peak: dict[str, float] = field(default_factory=dict)

    def look(self) -> None:
        children: dict[int, list[int]] = {}
        ticks: dict[int, float] = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                fields = (path / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(path.name))
            ticks[int(path.name)] = (int(fields[11]) + int(fields[12])) / TICKS
        for name, waiting in ((name, list(pids)) for name, pids in self.roots.items()):
            while waiting:
                pid = waiting.pop()
                if pid in ticks:
                    self.seconds.setdefault(name, {})[pid] = ticks[pid]
                if pid == self.roots[name][0]:
                    self.peak[name] = max(self.peak.get(name, 0.0), _peak(pid))
                waiting += children.get(pid, [])

    def total(self, name: str) -> float:
        return sum(self.seconds.get(name, {}).values())


def run(folder: Path, pipeline: str, read: str, workers: list[int]) -> tuple[float, float, float]:
    """Processor seconds of the driver and of the workers, and the peak megabytes of the driver's Python."""
    before, done = Watch({"workers": workers}), threading.Event()
    before.look()
    command = [sys.executable, "-m", "etlrun", "run", pipeline, "--profile", read, "-q"]
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, **KEYS})
    watch = Watch({"driver": [process.pid], "workers": workers})

    def follow() -> None:
        while not done.wait(0.1):
            watch.look()

    follower = threading.Thread(target=follow)
    follower.start()
    code = process.wait()
    done.set()
    follower.join()
    assert code == 0, f"{pipeline} failed"
    return watch.total("driver"), watch.total("workers") - before.total("workers"), watch.peak["driver"]


def _peak(pid: int) -> float:
    """The peak of resident memory of a process, in megabytes; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """The address of a master, and the process ids of its two workers."""
    port = free_port()
    with ExitStack() as stack:
        stack.enter_context(serving(folder, MASTER, "--host", "127.0.0.1", "--port", str(port), *QUIET))
        wait_for(lambda: is_open(port), 120)
        master, workers = f"spark://127.0.0.1:{port}", []
        for number in range(2):
            home = folder / f"worker-{number}"
            home.mkdir()
            command = (WORKER, "--host", "127.0.0.1", "--cores", "1", "--memory", "1g", *QUIET, master)
            workers.append(stack.enter_context(serving(home, *command, SPARK_WORKER_DIR=str(home), **KEYS)).pid)
        time.sleep(5)
        yield master, workers


def upload(server: ObjectServer, logs: Path, name: str, count: int) -> None:
    """Put the lines of all logs into so many objects."""
    lines = [line for path in sorted((logs / "log_content").iterdir()) for line in path.read_bytes().splitlines(True)]
    for number in range(count):
        server.put(BUCKET, f"{name}/{number:05}.json", b"".join(lines[number::count]))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--contracts", type=int, default=50_000)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--files", default="30,1030")
    chosen = options.parse_args()
    counts = [int(text) for text in chosen.files.split(",")]
    with object_server() as server, tempfile.TemporaryDirectory(prefix="etlrun-bench-") as name:
        folder = Path(name)
        make = [sys.executable, "-m", "etlrun", "sample-data", str(folder / "logs"), "--users", "0"]
        subprocess.run([*make, "--contracts", str(chosen.contracts)], check=True, capture_output=True)
        server.make_bucket(BUCKET)
        for count in counts:
            upload(server, folder / "logs", f"raw-{count}", count)
        with cluster(folder) as (master, workers):
            profiles = "".join(PROFILE.format(read=read, master=master) for read in ("tasks", "driver"))
            (folder / "etlrun.yaml").write_text(SETTINGS.format(bucket=BUCKET, url=server.url) + profiles)
            (folder / "pipelines").mkdir()
            for title, steps in PIPELINES.items():
                for count in counts:
                    label = f"{title.replace(' ', '_')}_{count}"
                    text = SOURCE.format(bucket=BUCKET, files=f"raw-{count}") + steps
                    (folder / f"pipelines/{label}.yaml").write_text(
                        f"pipeline: {label}\n{text}" + SINK.format(bucket=BUCKET, name=label)
                    )
            print(
                "| pipeline | read | driver s | workers s | together | ratio | driver's Python MB |\n|---|---|---|---|---|---|---|"
            )
            for title in PIPELINES:
                compare(folder, title, counts[0], chosen.rounds, workers)
            for count in counts:
                driver, _, memory = medians(folder, f"aggregated_{count}", "tasks", chosen.rounds, workers)
                print(f"{count} files: driver {driver:.1f} s, {memory:.0f} MB", flush=True)


def compare(folder: Path, title: str, count: int, rounds: int, workers: list[int]) -> None:
    first = 0.0
    for read in ("driver", "tasks"):
        driver, others, memory = medians(folder, f"{title.replace(' ', '_')}_{count}", read, rounds, workers)
        first = first or driver + others
        cells = f"{driver:.1f} | {others:.1f} | {driver + others:.1f} | {(driver + others) / first:.2f} | {memory:.0f}"
        print(f"| {title} | {read} | {cells} |", flush=True)


def medians(folder: Path, pipeline: str, read: str, rounds: int, workers: list[int]) -> tuple[float, float, float]:
    found = [run(folder, pipeline, read, workers) for _ in range(rounds)]
    driver, others, memory = (median(values) for values in zip(*found, strict=True))
    return driver, others, memory


if __name__ == "__main__":
    main()
