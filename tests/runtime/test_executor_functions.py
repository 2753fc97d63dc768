"""Functions on the executors of Spark: the rows of the function's process, its failures with their line, and no secret."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from etlrun.contracts.engine import FAILED, StatementError
from etlrun.contracts.step import Apply
from etlrun.engines._spark.executor_calls import caller, crashes_of
from etlrun.engines._spark.session import SparkSessionAtWork
from etlrun.failures import RunFailure
from etlrun.language.arrow import arrow_schema
from etlrun.language.columns import Column, Columns
from etlrun.language.type_texts import parse_type
from etlrun.runtime.executor_functions import executor_rows, sent_function
from etlrun.runtime.functions import FunctionProcess
from etlrun.spec.project import Project
from etlrun.spec.project_file import find_project

TYPES = {
    "x": "bigint",
    "a.b `c`": "string",
    "at": "timestamptz",
    "day": "date",
    "price": "decimal(10,2)",
    "list": "array<string>",
    "map": "map<string, int>",
    "parts": "struct<x int, y array<double>>",
    "bytes": "binary",
}
COLUMNS = Columns(tuple(Column(name, parse_type(kind)) for name, kind in TYPES.items()))
VALUES = "CAST(id AS bigint), concat('r', id), timestamp_ntz'2022-04-01 10:00:00', date'2022-04-01', CAST(id / 2 AS decimal(10,2)), "
VALUES += "array('a', null), map('k', CAST(id AS int)), named_struct('x', CAST(id AS int), 'y', array(0.5D)), CAST('b' AS binary)"
NULLS = ", ".join("CAST(null AS {})".format(kind.replace("timestamptz", "timestamp_ntz")) for kind in TYPES.values())
NAMES = ", ".join("`{}`".format(name.replace("`", "``")) for name in TYPES)
ROWS = f"SELECT {VALUES} FROM range(0, 5, 1, 3) UNION ALL SELECT {NULLS}"
MODULE = """import os
import sys
import deep


def same(batches):
    for batch in batches:
        yield batch


def numbers(batches):
    for batch in batches:
        yield deep.numbers(batch)


def fail(batches):
    for batch in batches:
        if 4 in batch["x"].to_pylist():
            deep.fail()
        yield batch


def wrong_column(batches):
    for batch in batches:
        yield batch.select(["list"])


def no_batches(batches):
    return None


def leave(batches):
    sys.exit(3)
    yield


def no_package(batches):
    import not_installed_there
    yield


def crash(batches):
    os._exit(7)
    yield


def secrets(batches):
    raise ValueError(" ".join(name for name in ("PLANTED_API_KEY", "NAMED_IN_PROJECT", "HARMLESS") if name in os.environ))
    yield
"""
DEEP = """import pyarrow as pa


def numbers(batch):
    return batch.set_column(0, "x", pa.array([x and x * 2 for x in batch["x"].to_pylist()], pa.int64()))


def fail():
    raise ValueError("no such shop")
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "etlrun.yaml").write_text(
        'profiles: {local: {engine: {duckdb: {}}, connections: {w: {duckdb: "${NAMED_IN_PROJECT}"}}}}\n'
    )
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "deep.py").write_text(DEEP)
    return find_project(tmp_path)


@pytest.fixture(scope="module")
def session(spark: Any) -> Iterator[SparkSessionAtWork]:
    spark.sql(f"SELECT * FROM ({ROWS}) AS t({NAMES})").createOrReplaceTempView("given")
    yield SparkSessionAtWork(spark, is_classic=True)
    spark.catalog.dropTempView("given")


def call(session: SparkSessionAtWork, project: Project, name: str, statement: str = "SELECT * FROM given") -> pa.Table:
    """The rows that executors make of those of a statement, sorted by the first column."""
    apply = Apply(f"mine:{name}", COLUMNS, batches=True, on_executors=True)
    folder = project.root / f"rows-{name}"
    session.write_applied(statement, sent_function(apply, COLUMNS, project), folder)
    files = executor_rows(folder, apply.function, project)
    session.read_files("result", COLUMNS, [files])
    return session.fetch("SELECT * FROM result ORDER BY x")


@pytest.mark.parametrize("name", ["same", "numbers"])
def test_executors_give_the_rows_of_the_functions_process(
    session: SparkSessionAtWork, project: Project, name: str
) -> None:
    given = session.fetch("SELECT * FROM given ORDER BY x").cast(arrow_schema(COLUMNS))
    with closing(FunctionProcess(project)) as functions:
        expected = functions.apply_to_rows(Apply(f"mine:{name}", COLUMNS, batches=True), given, COLUMNS)
    found = call(session, project, name).cast(arrow_schema(COLUMNS))
    assert (found.num_rows, found.to_pylist()) == (6, expected.to_pylist())


def test_no_rows_give_no_rows(session: SparkSessionAtWork, project: Project) -> None:
    assert call(session, project, "numbers", "SELECT * FROM given WHERE x > 9").num_rows == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fail", "failed: ValueError: no such shop (deep.py:9 in fail)\ncalled at mine.py:19 in fail"),
        ("wrong_column", "does not fit the declared columns: its result has no column `x`, `a.b `c``"),
        ("no_batches", "it returned NoneType, but it must yield batches (mine.py:28 in no_batches)"),
        ("leave", "failed: SystemExit: 3 (mine.py:33 in leave)"),
        ("no_package", "No module named 'not_installed_there' (mine.py:38 in no_package)"),
        ("crash", "it ended or crashed its process on an executor, or memory ran out"),
        ("missing", "failed: AttributeError: module 'mine' has no attribute 'missing'"),
    ],
)
def test_whatever_a_function_does_on_an_executor_is_a_failure(
    session: SparkSessionAtWork, project: Project, name: str, message: str
) -> None:
    with pytest.raises(RunFailure) as caught:
        call(session, project, name)
    assert (caught.value.code, message in caught.value.message) == ("python-failed", True), caught.value.message
    assert ("etlrun pack OUT.tar.gz --with PACKAGE" in caught.value.fix) == (name == "no_package")


def test_an_error_of_the_statement_is_not_one_of_the_function(session: SparkSessionAtWork, project: Project) -> None:
    rest = NAMES.partition(", ")[2]
    with pytest.raises(StatementError) as caught:
        call(session, project, "same", f"SELECT x * 9223372036854775807 AS x, {rest} FROM given")
    assert caught.value.condition == "overflow"


def test_a_function_on_an_executor_sees_no_secret(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PLANTED_API_KEY", "NAMED_IN_PROJECT", "HARMLESS"):
        monkeypatch.setenv(name, "value")
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    function = sent_function(Apply("mine:secrets", COLUMNS), COLUMNS, project)
    schema = arrow_schema(COLUMNS)
    try:
        (failed,) = caller(function.reference, function.modules, function.hidden, schema, schema)(iter(()))
    finally:
        for name in ("mine", "deep"):
            sys.modules.pop(name, None)
    assert json.loads(failed[FAILED][0].as_py())["error"] == "ValueError: HARMLESS"
    assert os.environ["PLANTED_API_KEY"] == "value"


def test_a_changed_module_is_the_new_one_in_the_same_process(session: SparkSessionAtWork, project: Project) -> None:
    assert call(session, project, "numbers")["x"].to_pylist() == [None, 0, 2, 4, 6, 8]
    (project.root / "deep.py").write_text(DEEP.replace("x * 2", "x * 3"))
    (project.root / "rows-numbers").rename(project.root / "before")
    assert call(session, project, "numbers")["x"].to_pylist() == [None, 0, 3, 6, 9, 12]


@pytest.mark.parametrize(
    ("detail", "lack"),
    [
        ("ModuleNotFoundError: No module named 'pyarrow'", "the package pyarrow is missing there"),
        ("[PYTHON_VERSION_MISMATCH] Python in worker has different version", "Python has another version there"),
    ],
)
def test_an_executor_that_cannot_call_functions_is_named(detail: str, lack: str) -> None:
    with pytest.raises(RunFailure) as caught, crashes_of("mine:same"):
        raise StatementError("engine", detail)
    assert caught.value.code == "worker-mismatch"
    assert caught.value.message == f"an executor cannot call the function `mine:same`: {lack}"
    assert "where: driver" in caught.value.fix
