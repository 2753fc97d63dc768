"""What the 22 questions of TPC-H cost in verbs, against the same questions as plain SQL in DuckDB: processor time and memory.

`python bench/tpch.py` makes the eight tables at scale 1 (`python bench/tpch.py FOLDER q01 q21` takes those in a folder, and two questions) and
prints a table. Each question runs in a process of its own; what a run of a pipeline over the smallest table costs, and a query of it in DuckDB, is
taken off before the two are compared. `KEYS=no` leaves out the keys of the sources, which a run otherwise verifies.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
QUESTIONS = PROJECT / "tests" / "tpch"
TABLES = ("customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier")
TIMES = int(os.environ.get("TIMES", "3"))
SINK = "sinks:\n  answer: {files: {from: answer, path: out/answer.parquet, min_rows: 0}}\n"
PLAIN = """import duckdb, sys
connection = duckdb.connect()
for name in {tables}:
    connection.execute(f"create view {{name}} as select * from '{folder}/{{name}}.parquet'")
connection.execute("copy (" + open(sys.argv[1]).read().rstrip().rstrip(";") + ") to 'plain.parquet'")
"""
SMALLEST = "pipeline: fixed\nsources:\n  region: {use: tpch.region}\nsteps:\n  answer:\n    - from: region\n"


@dataclass(frozen=True)
class Cost:
    """Seconds of processor time, and the most memory in MB."""

    seconds: float
    memory: float


def measured(command: list[str], folder: Path) -> Cost:
    """The median of what a command costs in some processes, one after the other."""
    found = []
    for _ in range(TIMES):
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0, command
        found.append(Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))
    return Cost(statistics.median(one.seconds for one in found), statistics.median(one.memory for one in found))


def make_project(folder: Path, data: Path) -> None:
    shutil.copytree(QUESTIONS / "verbs", folder, dirs_exist_ok=True)
    shutil.copytree(QUESTIONS / "sql", folder / "sql")
    sources = folder / "sources" / "tpch.yaml"
    if os.environ.get("KEYS") == "no":
        sources.write_text(re.sub(r"(?m)^ +key: .*\n", "", sources.read_text()))
    (folder / "etlrun.yaml").write_text(f"data: {data}\nprofiles: {{local: {{engine: {{duckdb: {{}}}}}}}}\n")
    (folder / "plain.py").write_text(PLAIN.format(tables=TABLES, folder=data))
    (folder / "sql" / "fixed.sql").write_text("select * from region")
    (folder / "pipelines" / "fixed.yaml").write_text(SMALLEST)
    for path in (folder / "pipelines").glob("*.yaml"):
        path.write_text(path.read_text() + SINK)


def compare(folder: Path, names: list[str]) -> None:
    """Measure and print each question, and what all cost together."""
    costs: dict[str, tuple[Cost, Cost]] = {}
    print("| question | plain s | verbs s | plain MB | verbs MB | ratio |\n|---|---|---|---|---|---|")
    for name in ("fixed", *names):
        plain = measured([sys.executable, "plain.py", f"sql/{name}.sql"], folder)
        verbs = measured([sys.executable, "-m", "etlrun", "run", name], folder)
        costs[name] = plain, verbs
        numbers = f"{plain.seconds:.2f} | {verbs.seconds:.2f} | {plain.memory:.0f} | {verbs.memory:.0f}"
        print(f"| {name} | {numbers} | {verbs.memory / plain.memory:.2f} |", flush=True)
    fixed = costs.pop("fixed")
    plain_net, verbs_net = (sum(cost[side].seconds - fixed[side].seconds for cost in costs.values()) for side in (0, 1))
    memory = [verbs.memory / plain.memory for plain, verbs in costs.values()]
    print(f"processor time of all, net: {plain_net:.2f} and {verbs_net:.2f} s, ratio {verbs_net / plain_net:.2f}")
    print(f"memory: ratio {statistics.median(memory):.2f} in the median, {max(memory):.2f} at most")


def main(given: list[str]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder, data = Path(temporary), Path(given[0]).resolve() if given else Path(temporary) / "data"
        if not given:
            generator = Path(sys.executable).parent / "tpchgen-cli"
            subprocess.run([generator, "parquet", "-s", "1", "--output-dir", data], check=True, capture_output=True)
        make_project(folder, data)
        compare(folder, given[1:] or [path.stem for path in sorted((QUESTIONS / "sql").glob("q*.sql"))])


if __name__ == "__main__":
    main(sys.argv[1:])
