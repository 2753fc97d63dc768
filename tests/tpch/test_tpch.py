"""The 22 questions of TPC-H, as the benchmark puts them in the `sql` step and in verbs: both engines give what plain DuckDB gives."""

from __future__ import annotations

import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from etlrun.compiler.plan import Plan, make_plan
from etlrun.compiler.producers import check_file
from etlrun.compiler.statement import relation_statement

HERE = Path(__file__).parent
QUESTIONS = sorted((HERE / "sql").glob("q*.sql"))
KEYS = {
    "customer": "c_custkey",
    "lineitem": "l_orderkey, l_linenumber",
    "nation": "n_nationkey",
    "orders": "o_orderkey",
    "part": "p_partkey",
    "partsupp": "ps_partkey, ps_suppkey",
    "region": "r_regionkey",
    "supplier": "s_suppkey",
}
TYPES = {"DATE": "date", "INTEGER": "int", "BIGINT": "bigint", "VARCHAR": "string"}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The eight tables at scale 0.01, one pipeline with every question as a chain, and a pipeline in verbs for each."""
    folder = tmp_path_factory.mktemp("tpch")
    shutil.copytree(HERE / "verbs", folder, dirs_exist_ok=True)
    generator = shutil.which("tpchgen-cli", path=str(Path(sys.executable).parent))
    assert generator is not None, "tpchgen-cli is not installed"
    subprocess.run([generator, "parquet", "-s", "0.01", "--output-dir", str(folder)], check=True, capture_output=True)
    (folder / "etlrun.yaml").write_text("data: .\nprofiles: {local: {engine: {duckdb: {}}}}\n")
    (folder / "tpch.yaml").write_text(pipeline(folder))
    return folder


def pipeline(folder: Path) -> str:
    lines = ["pipeline: tpch", "sources:"]
    with duckdb.connect() as connection:
        for name, key in KEYS.items():
            described = connection.execute(f"describe select * from '{folder}/{name}.parquet'").fetchall()
            columns = ", ".join(f'{column}: "{TYPES.get(kind, kind.lower())}"' for column, kind, *_ in described)
            lines.append(f"  {name}: {{parquet: {{path: {name}.parquet, key: [{key}], columns: {{{columns}}}}}}}")
    lines.append("steps:")
    for path in QUESTIONS:
        lines += [f"  {path.stem}:", "    - sql: |", *(f"        {line}" for line in path.read_text().splitlines())]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def plan(data: Path) -> Plan:
    return make_plan(check_file(data / "tpch.yaml"))


@pytest.fixture(scope="session")
def plain(data: Path) -> Any:
    """DuckDB as it is, with the tables as views."""
    with duckdb.connect() as connection:
        for name in KEYS:
            connection.execute(f"create view {name} as select * from '{data}/{name}.parquet'")
        yield connection


def comparable(rows: list[Any], names: tuple[str, ...], wanted: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """The columns `wanted` of rows whose numbers are rounded to ten digits, in a fixed order: averages are doubles."""
    places = [names.index(name) for name in wanted]
    rounded = (tuple(_rounded(row[place]) for place in places) for row in rows)
    return sorted(rounded, key=repr)


def _rounded(value: Any) -> Any:
    return f"{value:.10g}" if isinstance(value, (int, float, Decimal)) else value


@pytest.mark.parametrize("name", [path.stem for path in QUESTIONS])
def test_a_question_in_plain_sql_and_in_verbs_has_the_same_answer_on_both_engines(
    name: str, plan: Plan, data: Path, plain: Any, duck: Any, spark: Any
) -> None:
    answer = plain.execute((HERE / "sql" / f"{name}.sql").read_text())
    names = tuple(column for column, *_ in answer.description)
    expected = comparable(answer.fetchall(), names, names)
    session = duck.cursor()
    for table in KEYS:
        session.execute(f"create or replace temp view {table} as select * from '{data}/{table}.parquet'")
        spark.read.parquet(str(data / f"{table}.parquet")).createOrReplaceTempView(table)
    verbs = make_plan(check_file(data / "pipelines" / f"{name}.yaml"))
    for asked, relation in ((plan, name), (verbs, "answer")):
        found = session.execute(whole(asked, relation, "duckdb"))
        assert comparable(found.fetchall(), tuple(column for column, *_ in found.description), names) == expected
        frame = spark.sql(whole(asked, relation, "spark"))
        assert comparable([tuple(row) for row in frame.collect()], tuple(frame.columns), names) == expected


def whole(plan: Plan, relation: str, engine: str) -> str:
    """One statement that makes a relation from the tables, the chains that it reads as CTEs."""
    return relation_statement(plan, relation, engine, set(KEYS)).text
