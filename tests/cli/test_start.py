"""A command loads the kinds that its pipelines use, and no others: the files of all of them take longer than many a command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
