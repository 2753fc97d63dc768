"""A command loads the kinds that its pipelines use, and no others: the files of all of them take longer than many a command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PIPELINE = """\
pipeline: sold
sources:
  sales: {csv: {path: sales.csv, columns: {shop: string, units: int}}}
steps:
  totals:
    - from: sales
    - aggregate: {by: [shop], columns: {units: sum(units)}}
"""
LISTED = """
import sys
from etlrun.compiler.producers import check_file
from pathlib import Path
check_file(Path("sold.yaml"))
print(*sorted(name for name in sys.modules if name.startswith(("etlrun.steps.", "etlrun.sources.", "etlrun.sinks.", "etlrun.checks."))))
"""


def test_a_check_loads_the_kinds_of_its_pipeline_only(tmp_path: Path) -> None:
    (tmp_path / "sold.yaml").write_text(PIPELINE)
    found = subprocess.run([sys.executable, "-c", LISTED], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["etlrun.sources.csv", "etlrun.steps.aggregate", "etlrun.steps.from_"]


def test_a_file_without_mistakes_needs_no_library_that_explains_them(tmp_path: Path) -> None:
    (tmp_path / "sold.yaml").write_text(PIPELINE)
    asked = LISTED.partition("print(")[0] + "print('jsonschema' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"


@pytest.mark.parametrize(("kind", "rows"), [("csv", "shop,units\nHue,2\n"), ("json", '{"shop": "Hue", "units": 2}\n')])
def test_a_run_on_a_small_text_file_does_not_import_pyarrow_compute(kind: str, rows: str, tmp_path: Path) -> None:
    sink = "sinks: {totals: {files: {from: totals, path: totals.parquet}}}\n"
    (tmp_path / "etlrun.yaml").write_text("profiles: {local: {engine: {duckdb: {}}}}\n")
    (tmp_path / "sold.yaml").write_text(PIPELINE.replace("csv", kind) + sink)
    (tmp_path / f"sales.{kind}").write_text(rows)
    program = (
        "import sys\n"
        "from etlrun.cli.command_line import group\n"
        "group(['run', 'sold.yaml', '-q'], standalone_mode=False)\n"
        "print('pyarrow.lib' in sys.modules, 'pyarrow.compute' in sys.modules)\n"
    )
    found = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "True False"
