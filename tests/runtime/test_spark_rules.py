"""What a statement must not reach, a session of the product refuses too, whatever a profile says: classes of Java, and files by their path.

Expressions that ask for these never become a statement (tests/language); this is the wall behind that one.
"""

from __future__ import annotations

import json
from pathlib import Path

from projects import Project

PROFILE = """profiles:
  loose:
    engine:
      spark:
        master: "local[1]"
        memory: 512m
        conf: {spark.sql.runSQLOnFiles: true, spark.sql.reflect.allowList: ".*"}
    connections: {warehouse: {duckdb: warehouse.duckdb}}
"""
SPEC = """
sources:
  sales: {csv: {path: sales.csv, columns: {shop: string}}}
steps:
  seen:
    - from: sales
    - python: {function: "mine:try_all", columns: {shop: string}}
sinks:
  seen: {files: {from: seen, path: seen.csv}}
"""
TRY = """import json, pathlib

def said(spark, statement):
    try:
        return str(spark.sql(statement).collect())
    except Exception as error:
        return str(error)

def try_all(rows):
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.getOrCreate()
    found = {statement: said(spark, statement) for statement in json.loads(pathlib.Path("statements.json").read_text())}
    pathlib.Path("said.json").write_text(json.dumps(found))
    return rows
"""
CALL = "SELECT {}('java.lang.System', 'getProperty', 'user.dir')"
CALLS = tuple(CALL.format(function) for function in ("reflect", "java_method", "try_reflect"))
FILES = "SELECT * FROM text.`{0}`", "SELECT * FROM csv.`file:{0}`", "SELECT * FROM parquet.`{0}`", "SELECT * FROM binaryFile.`{0}`"


def test_a_session_calls_no_java_and_opens_no_file_that_a_statement_names(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("etlrun.yaml", PROFILE)
    project.write("sales.csv", "shop\nA\n")
    project.write("mine.py", TRY)
    (secret := tmp_path / "secret.txt").write_text("c4n4ry")
    files = tuple(statement.format(secret) for statement in FILES)
    project.write("statements.json", json.dumps(["SELECT 1 AS one", *CALLS, *files]))
    done = project.run(project.pipeline(SPEC), "--profile", "loose")
    assert done.code == 0, done.err
    said = json.loads((tmp_path / "said.json").read_text())
    assert said["SELECT 1 AS one"] == "[Row(one=1)]"
    for statement in CALLS:
        assert "METHOD_NOT_ALLOWED" in said[statement]
    for statement in files:
        assert said[statement].startswith("[TABLE_OR_VIEW_NOT_FOUND]")
    assert "c4n4ry" not in "".join(said.values())
