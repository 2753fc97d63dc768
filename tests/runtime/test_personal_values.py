"""A failure quotes a value where that helps, and never an e-mail address or a number that could be somebody's."""

from __future__ import annotations

from pathlib import Path

import pytest

from etlrun.failures import without_personal
from projects import Project

PIPELINE = """
sources:
  s: {csv: {path: s.csv, columns: {k: string}}}
steps:
  x:
    - from: s
MORE
sinks:
  x: {table: {from: x, connection: warehouse, write: replace}}
"""


def test_addresses_and_long_numbers_are_masked_and_nothing_else() -> None:
    assert (
        without_personal("'goi 0912345678 a.b@c.vn' to INT32 at 2022-04-01") == "'goi *** ***' to INT32 at 2022-04-01"
    )
    assert without_personal("12345678 rows, 1,234,567,890 bytes, a @ b") == "12345678 rows, 1,234,567,890 bytes, a @ b"


@pytest.mark.parametrize(
    ("more", "code", "detail"),
    [
        ("    - cast: {k: int}", 1, "`goi *** ***` is not of type int"),
        ("checks:\n  x:\n    - accepted: {k: [a, b]}", 3, "e.g. `goi *** ***`"),
    ],
)
def test_neither_the_screen_nor_the_record_tells_who_a_row_is_about(
    tmp_path: Path, more: str, code: int, detail: str
) -> None:
    project = Project(tmp_path)
    project.write("s.csv", "k\ngoi 0912345678 a@b.vn\n")
    result = project.run("run", project.pipeline(PIPELINE.replace("MORE", more)), "--json")
    assert result.code == code, result.err
    assert detail in result.err
    records = [path.read_text() for path in tmp_path.glob(".etlrun/runs/*/run.json")]
    assert records
    for text in (result.out, result.err, *records):
        assert "0912345678" not in text
        assert "a@b.vn" not in text
