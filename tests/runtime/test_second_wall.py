"""What a fault of the checker would let through: a statement in DuckDB's own words still opens no file, folder or setting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etlrun.connections._duckdb.warehouse_file import open_warehouse
from etlrun.contracts.engine import ParquetFiles, StatementError, Workspace
from etlrun.engines._duckdb import DuckdbSession, start_session
from etlrun.language.columns import Column, Columns
from etlrun.language.duckdb_words import only_these_files
from etlrun.language.type_texts import parse_type

COLUMNS = Columns((Column("k", parse_type("int")),))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[DuckdbSession]:
    """A session of a run that has read one file and made one relation."""
    for name in ("input.parquet", "other.parquet"):
        pq.write_table(pa.table({"k": pa.array([1, 2], pa.int32())}), tmp_path / name)
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "run").mkdir()
    found = start_session(Workspace(tmp_path / "run"), 1, "")
    found.read_files("source", COLUMNS, [ParquetFiles((str(tmp_path / "input.parquet"),))])
    found.write("SELECT k FROM source", tmp_path / "run" / "made")
    made = tuple(map(str, (tmp_path / "run" / "made").glob("*.parquet")))
    found.read_files("made", COLUMNS, [ParquetFiles(made)])
    yield found
    found.close()


def test_the_files_of_the_run_stay_in_reach(session: DuckdbSession, tmp_path: Path) -> None:
    session.take_rows("given", pa.table({"k": pa.array([5], pa.int32())}))
    rows = session.fetch("SELECT k FROM source UNION ALL SELECT k FROM made UNION ALL SELECT k FROM given ORDER BY k")
    assert rows.to_pydict() == {"k": [1, 1, 2, 2, 5]}
    session.write("SELECT k FROM made", tmp_path / "run" / "more")
    assert list((tmp_path / "run" / "more").glob("*.parquet"))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT content FROM read_text('{0}/secret.txt')",
        "SELECT content FROM read_blob('{0}/secret.txt')",
        "SELECT * FROM read_csv('{0}/secret.txt')",
        "SELECT * FROM read_json('{0}/secret.txt')",
        "SELECT * FROM sniff_csv('{0}/secret.txt')",
        "SELECT * FROM '{0}/secret.txt'",
        "SELECT * FROM read_parquet('{0}/other.parquet')",
        "SELECT * FROM read_parquet('{0}/*.parquet')",
        "SELECT * FROM parquet_metadata('{0}/other.parquet')",
        "SELECT * FROM read_text('{0}/run/../secret.txt')",
        "SELECT * FROM glob('{0}/*')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_text('/proc/self/environ')",
        "SELECT getenv('HOME')",
        "SELECT k FROM source LIMIT (SELECT unicode(content) FROM read_text('{0}/secret.txt'))",
        "COPY (SELECT 1) TO '{0}/out.csv'",
        "COPY source FROM '{0}/other.parquet'",
        "EXPORT DATABASE '{0}/all'",
        "ATTACH '{0}/other.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET allowed_paths = ['{0}/secret.txt']",
        "RESET allowed_directories",
        "SET lock_configuration = false",
        "SET temp_directory = '{0}'",
        "PRAGMA enable_logging",
        "SET log_query_path = '{0}/log'",
        "CREATE SECRET (TYPE s3)",
        "SELECT * FROM read_csv('https://127.0.0.1:1/x.csv')",
        "SELECT * FROM COLUMNS",
    ],
)
def test_a_hostile_statement_reaches_nothing(statement: str, session: DuckdbSession, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises((StatementError, duckdb.Error)):
        session.connection.execute(statement.format(tmp_path)).fetchall()
    with pytest.raises(StatementError):
        session.fetch(statement.format(tmp_path))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("done", range(1, 5))
def test_the_wall_stands_after_a_cancel_between_its_statements(done: int, tmp_path: Path) -> None:
    pq.write_table(pa.table({"k": pa.array([1, 2], pa.int32())}), tmp_path / "input.parquet")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "run").mkdir()
    with closing(start_session(Workspace(tmp_path / "run"), 1, "")) as session:
        session.read_files("source", COLUMNS, [ParquetFiles((str(tmp_path / "input.parquet"),))])
        for statement in only_these_files([str(tmp_path / "run")], session.inputs).split("; ")[:done]:
            session.connection.execute(statement)
        assert session.fetch("SELECT k FROM source").num_rows == 2
        for hostile in (f"SELECT * FROM read_text('{tmp_path}/secret.txt')", "SET threads = 1"):
            with pytest.raises(StatementError):
                session.fetch(hostile)


def test_a_warehouse_opens_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    for writing in (True, False):
        warehouse = open_warehouse("warehouse", tmp_path / "w.duckdb", writing=writing)
        for statement in ("SELECT * FROM read_text('{0}/secret.txt')", "ATTACH '{0}/b.duckdb'", "SET threads = 1"):
            with pytest.raises(duckdb.Error, match="disabled|locked"):
                warehouse.connection.execute(statement.format(tmp_path))
        if writing:
            warehouse.connection.execute("CREATE TABLE t AS SELECT i FROM range(500000) r(i); CHECKPOINT")
        assert warehouse.connection.execute("SELECT count(*) FROM t").fetchall() == [(500000,)]
        open_warehouse("warehouse", tmp_path / "w.duckdb", writing=writing).close()  # a second at the same time
        warehouse.close()
