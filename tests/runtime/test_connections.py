"""A connection whose package is not installed says which one, and how to get it."""

from __future__ import annotations

from pathlib import Path

import pytest

from projects import Project

PROJECT = """profile: prod
profiles:
  prod: {engine: {duckdb: {}}, connections: {warehouse: {mysql: {url: "mysql+pymysql://etl@127.0.0.1/w"}}}}
"""
SPEC = """
sources:
  sales: {csv: {path: sales.csv, columns: {shop: string}}}
sinks:
  sales: {table: {from: sales, connection: warehouse, write: replace}}
"""


@pytest.mark.parametrize(
    ("words", "code"),
    [(("run", "PIPELINE"), 2), (("plan", "PIPELINE"), 1), (("rollback", "sales"), 2), (("doctor",), 1), (("runs",), 0)],
)
def test_a_package_that_is_missing_is_named_with_the_way_to_get_it(
    tmp_path: Path, words: tuple[str, ...], code: int
) -> None:
    project = Project(tmp_path)
    project.write("etlrun.yaml", PROJECT)
    project.write("sales.csv", "shop\nA\n")
    project.write("absent/pymysql.py", "raise ModuleNotFoundError(\"No module named 'pymysql'\", name='pymysql')\n")
    pipeline = project.pipeline(SPEC)
    result = project.run(
        *(pipeline if word == "PIPELINE" else word for word in words), PYTHONPATH=str(project.folder / "absent")
    )
    assert result.code == code, result.err
    detail = result.out + result.err
    assert "connection `warehouse` needs the package pymysql" in detail
    assert code == 0 or "pip install 'etlrun[mysql]'" in detail
    assert "Traceback" not in detail
