"""What a statement must not reach, a session of the product refuses too, whatever a profile says: classes of Java, and files by their path.

Expressions that ask for these never become a statement (tests/language); this is the wall behind that one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

# Run in a process of its own: a session there has no settings of another test's.
TRY = """import json, pathlib, sys
from etlrun.engines.spark import Spark
from etlrun.contracts.engine import Workspace

def answer(spark, statement):
    try:
        return str(spark.sql(statement).collect())
    except Exception as error:
        return str(error)

if __name__ == "__main__":
    given = json.load(sys.stdin)
    session = Spark(**given["engine"]).start(Workspace(pathlib.Path.cwd()), str)
    from pyspark.sql import SparkSession
    spark = SparkSession.active()
    print(json.dumps({statement: answer(spark, statement) for statement in given["statements"]}))
    session.close()
"""
LOOSE = {"spark.sql.runSQLOnFiles": "true", "spark.sql.reflect.allowList": ".*"}
CALL = "SELECT {}('java.lang.System', 'getProperty', 'user.dir')"
CALLS = tuple(CALL.format(function) for function in ("reflect", "java_method", "try_reflect"))
FILES = (
    "SELECT * FROM text.`{0}`",
    "SELECT * FROM csv.`file:{0}`",
    "SELECT * FROM parquet.`{0}`",
    "SELECT * FROM binaryFile.`{0}`",
)


def run_a_session(folder: Path, engine: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    (folder / "try.py").write_text(TRY)
    (folder / "secret.txt").write_text("c4n4ry")
    given = {"engine": engine, "statements": ["SELECT 1 AS one", *CALLS, *files_below(folder)]}
    return subprocess.run(
        [sys.executable, "try.py"], cwd=folder, input=json.dumps(given), capture_output=True, text=True, check=False
    )


def answers_of_a_session(folder: Path, **engine: Any) -> dict[str, str]:
    """What a session of the product answers to each statement."""
    done = run_a_session(folder, engine)
    assert done.returncode == 0, done.stderr
    answers: dict[str, str] = json.loads(done.stdout)
    assert answers["SELECT 1 AS one"] == "[Row(one=1)]"
    return answers


def files_below(folder: Path) -> tuple[str, ...]:
    return tuple(statement.format(folder / "secret.txt") for statement in FILES)


def test_a_session_calls_no_java_and_opens_no_file_that_a_statement_names(tmp_path: Path) -> None:
    answers = answers_of_a_session(tmp_path, master="local[1]", memory="512m", conf=LOOSE)
    for statement in CALLS:
        assert "METHOD_NOT_ALLOWED" in answers[statement]
    for statement in files_below(tmp_path):
        assert answers[statement].startswith("[TABLE_OR_VIEW_NOT_FOUND]")
    assert "c4n4ry" not in "".join(answers.values())
