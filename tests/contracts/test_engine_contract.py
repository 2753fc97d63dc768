"""What every engine promises: the same statements over the same files give the same rows, files and failures.

It runs for every engine that the product finds; one that is not in `SESSIONS` fails here until somebody says how a test gets a session.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etlrun.compiler.plan import DIALECTS
from etlrun.contracts.engine import EngineSession, ParquetFiles, StatementError, Workspace
from etlrun.engines._spark.session import SparkSessionAtWork
from etlrun.engines.duckdb import Duckdb
from etlrun.language.columns import Column, Columns
from etlrun.language.type_texts import parse_type
from etlrun.spec.registry import kinds

COLUMNS = Columns(
    (Column("shop", parse_type("string")), Column("units", parse_type("bigint")), Column("day", parse_type("date")))
)
SESSIONS: dict[str, Callable[[pytest.FixtureRequest, Path], EngineSession]] = {
    "duckdb": lambda request, folder: Duckdb().start(Workspace(folder), str),
    "spark": lambda request, folder: SparkSessionAtWork(request.getfixturevalue("spark"), is_classic=True),
}
# Some seconds of work in words that both engines have. It has an end: Spark's tasks go on after a cancelled job until their loop is over.
LONG = "SELECT count(*) AS n FROM s AS a, s AS b WHERE a.k + b.k < 0"


@pytest.fixture(params=kinds("engines"))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def session(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EngineSession]:
    (tmp_path / "work").mkdir()
    found = SESSIONS[kind](request, tmp_path / "work")
    yield found
    if kind != "spark":  # the session of all tests
        found.close()


def parquet(path: Path, **columns: Any) -> str:
    pq.write_table(pa.table(columns), path)
    return str(path)


def rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


def test_it_names_a_dialect_that_statements_are_written_in(kind: str) -> None:
    assert kinds("engines")[kind].dialect in DIALECTS  # type: ignore[attr-defined]


def test_files_are_one_relation_in_the_declared_order_without_the_rows_that_are_marked(
    session: EngineSession, tmp_path: Path
) -> None:
    first = parquet(tmp_path / "1.parquet", units=pa.array([1, 2]), broken=[None, "x"], shop=["A", "B"], day=_days(2))
    second = parquet(
        tmp_path / "2.parquet", units=pa.array([3]), broken=pa.nulls(1, pa.string()), shop=["C"], day=_days(1)
    )
    session.read_files("sales", COLUMNS, [ParquetFiles((first, second), "broken")])
    found = session.fetch("SELECT * FROM sales ORDER BY units")
    assert found.column_names == list(COLUMNS.names)
    assert [row[:2] for row in rows(found)] == [("A", 1), ("C", 3)]


def test_nulls_and_odd_values_come_back_as_they_are(session: EngineSession, tmp_path: Path) -> None:
    units, shops = [None, -(2**63), 2**63 - 1, 0, None], ["", None, "a\n'\"b\\", "é😀", None]
    path = parquet(
        tmp_path / "1.parquet", units=pa.array(units, pa.int64()), shop=pa.array(shops), day=pa.nulls(5, pa.date32())
    )
    session.read_files("sales", COLUMNS, [ParquetFiles((path,))])
    session.take_rows("taken", pa.table({"shop": shops, "units": pa.array(units, pa.int64())}))
    expected = sorted(zip(shops, units, strict=True), key=repr)
    for relation in ("sales", "taken"):
        assert sorted(rows(session.fetch(f"SELECT shop, units FROM {relation}")), key=repr) == expected
    session.write("SELECT shop, units FROM sales", tmp_path / "work" / "kept")
    files = sorted((tmp_path / "work" / "kept").glob("*.parquet"))
    assert sorted((row for file in files for row in rows(pq.read_table(file))), key=repr) == expected


def test_no_files_are_a_relation_of_no_rows(session: EngineSession) -> None:
    session.read_files("nothing", COLUMNS, [])
    found = session.fetch("SELECT * FROM nothing")
    assert (found.column_names, found.num_rows) == (list(COLUMNS.names), 0)


def test_rows_take_the_place_of_those_a_relation_had(session: EngineSession) -> None:
    session.take_rows("given", pa.table({"k": pa.array([1], pa.int64())}))
    session.take_rows("given", pa.table({"k": pa.array([5, 6], pa.int64())}))
    assert rows(session.fetch("SELECT k FROM given ORDER BY k")) == [(5,), (6,)]


@pytest.mark.parametrize("kept", [True, False], ids=["rows", "no rows"])
def test_what_is_written_can_be_read_again_even_where_it_is_nothing(
    session: EngineSession, tmp_path: Path, kept: bool
) -> None:
    session.take_rows("given", pa.table({"k": pa.array([1, 2], pa.int64())}))
    session.write(f"SELECT k, 'á' AS t FROM given{'' if kept else ' WHERE k > 9'}", tmp_path / "work" / "made")
    files = sorted(map(str, (tmp_path / "work" / "made").glob("*.parquet")))
    assert sum(pq.read_metadata(file).num_rows for file in files) == (2 if kept else 0)
    columns = Columns((Column("k", parse_type("bigint")), Column("t", parse_type("string"))))
    session.read_files("made", columns, [ParquetFiles(tuple(files))] if files else [])
    assert rows(session.fetch("SELECT k, t FROM made ORDER BY k")) == ([(1, "á"), (2, "á")] if kept else [])


@pytest.mark.parametrize(
    ("statement", "condition"),
    [
        ("SELECT k % (k - 1) AS z FROM given", "division-by-zero"),
        ("SELECT CAST(t AS INT) AS z FROM given", "bad-cast"),
        ("SELECT CAST(9223372036854775807 AS BIGINT) + k AS z FROM given", "overflow"),
        ("SELECT missing FROM given", "engine"),
    ],
)
def test_a_statement_that_fails_says_what_kind_of_failure_it_is(
    session: EngineSession, tmp_path: Path, statement: str, condition: str
) -> None:
    session.take_rows("given", pa.table({"k": pa.array([1], pa.int64()), "t": ["x"]}))
    with pytest.raises(StatementError) as fetched:
        session.fetch(statement)
    with pytest.raises(StatementError) as written:
        session.write(statement, tmp_path / "work" / "made")
    assert (fetched.value.condition, written.value.condition) == (condition, condition)
    assert "\n" not in fetched.value.detail


def test_another_thread_may_watch_and_cancel(session: EngineSession) -> None:
    session.take_rows("s", pa.table({"k": pa.array(range(60_000), pa.int64())}))
    failures: list[StatementError] = []

    def work() -> None:
        try:
            session.fetch(LONG)
        except StatementError as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        done, total = session.progress()
        assert 0 <= done <= max(done, total)
        session.cancel()
        thread.join(0.2)
    assert [error.condition for error in failures] == ["interrupted"]
    assert rows(session.fetch("SELECT 1 AS one")) == [(1,)]


def test_it_says_its_name_and_version(kind: str, session: EngineSession) -> None:
    assert session.version.lower().startswith(kind)


def _days(count: int) -> pa.Array:
    return pa.array(range(count), pa.int32()).cast(pa.date32())
