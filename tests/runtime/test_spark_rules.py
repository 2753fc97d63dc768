"""What a statement must not reach, a session of the product refuses too, whatever a profile says: classes of Java, and files by their path.

Expressions that ask for these never become a statement (tests/language); this is the wall behind that one.
"""

from __future__ import annotations

import json
from pathlib import Path

from clusters import connect_server
from projects import Project

PROFILE = """profiles:
  loose:
    engine:
      spark:
        master: "local[1]"
        memory: 512m
        conf: {spark.sql.runSQLOnFiles: true, spark.sql.reflect.allowList: ".*"}
    connections: {warehouse: {duckdb: warehouse.duckdb}}
  remote:
    engine: {spark: {conf: {spark.sql.runSQLOnFiles: true}}}
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
FILES = (
    "SELECT * FROM text.`{0}`",
    "SELECT * FROM csv.`file:{0}`",
    "SELECT * FROM parquet.`{0}`",
    "SELECT * FROM binaryFile.`{0}`",
)


def said_by_a_session(folder: Path, profile: str, **environment: str) -> dict[str, str]:
    """What a session of the product answers to each statement."""
    project = Project(folder)
    project.write("etlrun.yaml", PROFILE)
    project.write("sales.csv", "shop\nA\n")
    project.write("mine.py", TRY)
    project.write("secret.txt", "c4n4ry")
    project.write("statements.json", json.dumps(["SELECT 1 AS one", *CALLS, *files_below(folder)]))
    done = project.run(project.pipeline(SPEC), "--profile", profile, **environment)
    assert done.code == 0, done.err
    said: dict[str, str] = json.loads((folder / "said.json").read_text())
    assert said["SELECT 1 AS one"] == "[Row(one=1)]"
    return said


def files_below(folder: Path) -> tuple[str, ...]:
    return tuple(statement.format(folder / "secret.txt") for statement in FILES)


def test_a_session_calls_no_java_and_opens_no_file_that_a_statement_names(tmp_path: Path) -> None:
    said = said_by_a_session(tmp_path, "loose")
    for statement in CALLS:
        assert "METHOD_NOT_ALLOWED" in said[statement]
    for statement in files_below(tmp_path):
        assert said[statement].startswith("[TABLE_OR_VIEW_NOT_FOUND]")
    assert "c4n4ry" not in "".join(said.values())


def test_a_session_of_a_connect_server_opens_no_file_either(tmp_path: Path) -> None:
    with connect_server(tmp_path) as address:
        said = said_by_a_session(tmp_path, "remote", SPARK_REMOTE=address)
    for statement in files_below(tmp_path):
        assert said[statement].startswith("[TABLE_OR_VIEW_NOT_FOUND]")
    assert "c4n4ry" not in "".join(said.values())
