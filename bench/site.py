"""How long it takes to ask where a number comes from: lineage and documentation of 100 pipelines, `diff` of 1.92 million rows, `explain`.

    python bench/site.py [--rounds 3] [--rows 1920000]

50 copies each of the two shipped pipelines; two Parquet files of ten columns that differ in a tenth of their rows; sample data of 2,000
contracts. Whole processes, and the walk over the plans alone. Prints medians, and the size of the largest page.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

from check_speed import CHECK, ROOT, measure, print_table, with_bytecode

FILES = ("before.parquet", "after.parquet")
GRAPH = """
from pathlib import Path
from etlrun.compiler.producers import ProjectPipelines
from etlrun.compiler.project_graph import read_graph
from etlrun.lineage.of_project import project_lineage
from etlrun.spec.project_file import find_project
graph = read_graph(ProjectPipelines(find_project(Path.cwd()), "", {}))
"""
WALK = "project_lineage(graph)"
DIFFERS = """
from etlrun.cli.main import main
try:
    main()
except SystemExit as end:
    assert end.code == 1, end.code
"""
ROWS = """
SELECT 'K' || lpad(i::VARCHAR, 8, '0') AS k, i * 7 % 1000 AS a, i * 11 % 5000 AS b, i + CASE WHEN i % 10 = 0 THEN {changed} ELSE 0 END AS c,
  (i % 977)::DOUBLE / 3 AS d, 'level ' || i % 3 AS e, 'type ' || i % 14 AS f, i % 30 AS g, i % 2 = 0 AS h, DATE '2022-04-01' + (i % 30)::INT AS j
FROM range({rows}) r(i)
"""
PIPELINE = """\
pipeline: wide
sources:
  rows:
    parquet:
      path: before.parquet
      columns: {k: string, a: bigint, b: bigint, c: bigint, d: double, e: string, f: string, g: bigint, h: boolean, j: date}
sinks:
  wide: {table: {from: rows, connection: warehouse, key: [k], write: replace}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each command runs")
    parser.add_argument("--rows", type=int, default=1_920_000, help="how many rows the two files have")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        many, sample = write_copies(root / "many", 50), write_sample(root / "sample")
        wide = write_wide(root / "wide", options.rows)
        (contract,) = one_contract(sample)
        commands = {
            "`etlrun --help`": (["-c", CHECK, "--help"], many),
            "the check of 100 pipelines alone": (["-c", GRAPH], many),
            "the same and `project_lineage`": (["-c", GRAPH + WALK], many),
            "`etlrun lineage --json` of 100 pipelines": (["-c", CHECK, "lineage", "--json"], many),
            "`etlrun docs build` of 100 pipelines": (["-c", CHECK, "docs", "build"], many),
            f"`etlrun diff` of {options.rows:,} rows of 10 columns": (["-c", DIFFERS, "diff", "wide", *FILES], wide),
            "`etlrun explain` on sample data": (["-c", CHECK, "explain", "interaction", "--key", contract], sample),
        }
        print_table(measure(commands, options.rounds, with_bytecode(root)))
        pages = sorted((page.stat().st_size, page.name) for page in (many / "build/docs").rglob("*.html"))
    size, name = pages[-1]
    print(f"{len(pages):,} pages; the largest, {name}, has {size / 1e3:.0f} kB")


def write_copies(folder: Path, count: int) -> Path:
    """A project with so many copies of each shipped pipeline, without data and without dashboards."""
    copy_project(folder)
    (folder / "pipelines").mkdir()
    for name in ("interaction", "behavior"):
        text = (ROOT / f"pipelines/{name}.yaml").read_text(encoding="utf-8")
        assert f"pipeline: {name}\n" in text and f"{name}_data:" in text
        for number in range(count):
            own = text.replace(f"pipeline: {name}\n", f"pipeline: {name}_{number}\n")
            own = own.replace(f"{name}_data:", f"{name}_data_{number}:")
            (folder / f"pipelines/{name}_{number:02}.yaml").write_text(own, encoding="utf-8")
    return folder


def write_sample(folder: Path) -> Path:
    """The shipped pipelines and sample logs of 2,000 contracts."""
    copy_project(folder)
    shutil.copytree(ROOT / "pipelines", folder / "pipelines")
    command = [sys.executable, "-c", CHECK, "sample-data", "data", "--contracts", "2000", "--users", "500"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def one_contract(folder: Path) -> list[str]:
    """A contract of the sample logs."""
    logs = str(folder / "data/log_content/20220401.json")
    query = 'SELECT min("_source".Contract) FROM read_json(?) WHERE "_source".Contract > \'A\''
    return [str(contract) for (contract,) in duckdb.execute(query, [logs]).fetchall()]


def write_wide(folder: Path, rows: int) -> Path:
    """A pipeline of ten columns, and its rows in two files: a tenth of them differs, by one column."""
    copy_project(folder)
    (folder / "pipelines").mkdir()
    (folder / "pipelines/wide.yaml").write_text(PIPELINE, encoding="utf-8")
    duckdb.execute("SET enable_progress_bar = false")
    for changed, name in enumerate(FILES):
        duckdb.execute(f"COPY ({ROWS.format(rows=rows, changed=changed)}) TO '{folder / name}'")
    return folder


def copy_project(folder: Path) -> None:
    folder.mkdir()
    shutil.copy(ROOT / "etlrun.yaml", folder)
    for name in ("mappings", "prompts"):
        shutil.copytree(ROOT / name, folder / name)


if __name__ == "__main__":
    main()
