"""What the server is asked for: the columns that a run needs, and no others."""

from __future__ import annotations

from pathlib import Path

from projects import Project

from .guarded import Guarded

PROJECT = """profiles:
  local: {engine: {duckdb: {}}, connections: {shop: {postgres: {url: "postgresql://root@127.0.0.1:PORT/w"}}}}
"""
PIPELINE = """sources:
  sales: {table: {connection: shop, table: sales, columns: {id: int, shop: string, units: int, note: string}}}
steps:
  done:
    - from: sales
    - aggregate: {by: [shop], columns: {units: sum(units)}}
sinks:
  out: {files: {from: done, path: out.csv}}
"""


def test_the_server_is_asked_for_the_columns_that_are_read(guarded: Guarded, tmp_path: Path) -> None:
    guarded.run(
        "CREATE TABLE sales (id INT, shop TEXT, units INT, note TEXT)",
        "INSERT INTO sales VALUES (1, 'A', 3, 'x'), (2, 'A', 4, 'y')",
        "ALTER DATABASE w SET log_statement = 'all'",
    )
    project = Project(tmp_path)
    project.write("etlrun.yaml", PROJECT.replace("PORT", str(guarded.server.port)))
    path = project.pipeline(PIPELINE)
    outcome = project.run("run", path)
    guarded.run("ALTER DATABASE w RESET log_statement")
    assert outcome.code == 0, outcome.err
    log = (guarded.server.folder / "log").read_text()
    asked = [line.partition("statement: ")[2] for line in log.splitlines() if "COPY (" in line]
    assert asked == ['COPY (SELECT "shop", "units" FROM "sales") TO STDOUT (FORMAT csv)']
    assert (tmp_path / "out.csv").read_text() == "shop,units\nA,7\n"
