"""How long a project takes: a new one, one of 50 pipelines in which nothing changed, and the check of 1,000 in one graph, as whole processes.

    python bench/project.py [--rounds 3]

Every round runs each command once, beside the imports alone that none can do without; the table gives medians. Chains of ten pipelines
read each other's tables.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from check_speed import BASE, CHECK, measure, print_table, with_bytecode

PROJECT = "profiles: {dev: {engine: {duckdb: {}}, connections: {warehouse: {duckdb: warehouse.duckdb}}}}\n"
FILE = "{csv: {path: rows.csv, columns: {id: bigint not null, shop: string, amount: bigint}}}"
PIPELINE = """\
pipeline: p{number}
sources:
  rows: {source}
steps:
  t{number}:
    - from: rows
    - derive: {{a: amount + 1}}
    - derive: {{b: amount + 2}}
    - derive: {{c: a * b}}
    - derive: {{d: "case when c > 3 then 'x' else shop end"}}
    - filter: amount > 0
    - select: [id, shop, amount, a, b]
    - rename: {{a: more}}
    - cast: {{b: "decimal(12,2)"}}
    - aggregate: {{by: [id, shop], columns: {{amount: sum(amount)}}}}
sinks:
  t{number}: {{table: {{from: t{number}, connection: warehouse, write: replace}}}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each command runs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        new, few, many = root / "new", write_project(root / "few", 50), write_project(root / "many", 1000)
        for arguments, place in ((["init", "new"], root), (["run", "-q"], few)):
            subprocess.run([sys.executable, "-c", CHECK, *arguments], cwd=place, check=True, capture_output=True)
        commands = {
            f"`{BASE}`": (["-c", BASE], root),
            "`etlrun run --full` of a new project": (["-c", CHECK, "run", "--full"], new),
            "`etlrun test` of a new project": (["-c", CHECK, "test"], new),
            "`etlrun run` of 50 pipelines, nothing changed": (["-c", CHECK, "run"], few),
            "`etlrun check` of 1,000 pipelines of ten steps in one graph": (["-c", CHECK, "check"], many),
        }
        print_table(measure(commands, options.rounds, with_bytecode(root)))


def write_project(folder: Path, count: int) -> Path:
    """A project of `count` pipelines, of which every tenth reads a file and each other one the table of the one before it."""
    (folder / "pipelines").mkdir(parents=True)
    (folder / "etlrun.yaml").write_text(PROJECT, encoding="utf-8")
    (folder / "rows.csv").write_text("id,shop,amount\n1,A,2\n2,B,3\n", encoding="utf-8")
    for number in range(count):
        source = FILE if number % 10 == 0 else f"{{table: {{pipeline: p{number - 1}}}}}"
        (folder / "pipelines" / f"p{number:04}.yaml").write_text(
            PIPELINE.format(number=number, source=source), encoding="utf-8"
        )
    return folder


if __name__ == "__main__":
    main()
