"""Aggregation by file: rows that are aggregated file by file give the rows of the plain plan, however they are divided into files."""

from __future__ import annotations

import datetime
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etlrun.compiler.file_aggregation import FileAggregation, find_file_aggregations
from etlrun.compiler.partial_aggregates import AGGREGATES, NotByFile
from etlrun.compiler.plan import Plan, make_plan
from etlrun.compiler.producers import check_file
from etlrun.compiler.read_columns import staged_relations
from etlrun.compiler.statement import relation_statement
from etlrun.contracts.engine import ParquetFiles
from etlrun.contracts.source import ReadLimits
from etlrun.engines._duckdb import DuckdbSession
from etlrun.engines._spark.session import SparkSessionAtWork
from etlrun.engines._sql_aggregation import SqlAggregation
from etlrun.language.arrow import arrow_schema
from etlrun.language.dialects import duckdb_sql
from etlrun.reading.rows import together
from golden import compare_with_file

HERE = Path(__file__).parent
SOURCE = """
sources:
  views:
    json:
      path: views/{date:yyyyMMdd}.json
      dates: 2022-04
      columns:
        who: string
        title: string
        live: boolean
        small: int
        number: bigint
        big: bigint
        price: decimal(12,2)
        score: double
        at: timestamp
  people: {csv: {path: people.csv, columns: {who: string}}}
"""
VALUES = {
    "sum": ("sum(number)", "sum(small)", "sum(price)", "sum(number) / nullif(count(score), 0)"),
    "count": ("count(*)", "count(title)", "count(distinct date)"),
    "count_if": ("count_if(live)",),
    "avg": ("avg(big)", "avg(small)", "mean(price)"),
    "min": ("min(name)", "min(score)", "min(price)", "min(date)"),
    "max": ("max(at)", "max(score)", "concat(who, max(title))"),
    "min_by": ("min_by(title, number)", "min_by(small, score)"),
    "max_by": ("max_by(title, small)", "max_by(at, price)"),
    "bool_and": ("bool_and(live)", "every(live or small > 0)"),
    "bool_or": ("bool_or(live)", "any(live and small > 0)"),
    "bit_and": ("bit_and(number)",),
    "bit_or": ("bit_or(small)",),
    "bit_xor": ("bit_xor(big)",),
}
WATCHED = """
steps:
  watched:
    - from: views
    - filter: small is null or small > -3
    - derive: {name: "coalesce(title, who)"}
"""
DAY, DAY_AND_TIME = datetime.date(2022, 4, 1), datetime.datetime(2022, 4, 1, 12, 30)
QUERY = "select r.who, sum(r.number) as total from rows r where r.live group by r.who having count(*) > 1"

ROWS = st.lists(
    st.tuples(
        st.none() | st.sampled_from(["A", "B", "C"]),
        st.none() | st.sampled_from(["TV", "Film", "ß", ""]),
        st.none() | st.booleans(),
        st.none() | st.integers(-4, 4),
        st.none() | st.integers(-(2**52), 2**52),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.decimals(-9999, 9999, places=2),
        st.none() | st.sampled_from([0.0, 1.5, -2.25, 1e20, float("inf"), float("nan")]),
        st.none() | st.datetimes(datetime.datetime(2022, 1, 1), datetime.datetime(2022, 12, 31)),
        st.dates(datetime.date(2022, 4, 1), datetime.date(2022, 4, 30)),
        st.integers(0, 3),  # the file
    ),
    max_size=12,
)


def plan_of(folder: Path, steps: str, rest: str = "") -> Plan:
    (folder / "etlrun.yaml").write_text("profiles: {local: {engine: {duckdb: {}}}}\n")
    path = folder / "p.yaml"
    sinks = "sinks:\n  profile: {files: {from: profile, path: out.csv}}\n"
    path.write_text(f"pipeline: p\n{SOURCE}{steps}{sinks}{rest}")
    return make_plan(check_file(path))


def aggregation_of(plan: Plan) -> FileAggregation | NotByFile:
    return find_file_aggregations(plan, staged_relations(plan), is_checked=True)["views"]


def aggregated(by: str, columns: str) -> str:
    keys = f"by: {by}, " if by else ""
    return f"{WATCHED}  profile:\n    - from: watched\n    - aggregate: {{{keys}columns: {{{columns}}}}}\n"


def all_columns() -> str:
    values = [value for some in VALUES.values() for value in some]
    return ", ".join(f'c{index}: "{value}"' for index, value in enumerate(values))


def test_every_aggregate_of_the_table_is_tried() -> None:
    assert set(VALUES) == set(AGGREGATES)


@pytest.mark.parametrize(
    "steps",
    [
        aggregated("[who, live]", all_columns()),
        aggregated("", all_columns().replace("concat(who, max(title))", "max(title)")),
        f"{WATCHED}  profile:\n    - from: watched\n    - sql: {{query: '{QUERY.replace('rows r', 'watched r')}'}}\n",
    ],
    ids=["by two keys", "all rows", "sql"],
)
def test_any_division_into_files_gives_the_rows_of_the_plain_plan(steps: str, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, steps)
    aggregation = aggregation_of(plan)
    assert isinstance(aggregation, FileAggregation), aggregation
    schema = arrow_schema(aggregation.source.columns)

    @settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(rows=ROWS)
    def compare(rows: list[tuple[Any, ...]]) -> None:
        def table(file: int | None) -> pa.Table:
            names = aggregation.source.columns.names
            return pa.Table.from_pylist(
                [dict(zip(names, row, strict=False)) for row in rows if file in (None, row[-1])], schema
            )

        import duckdb

        with duckdb.connect(":memory:") as connection, tempfile.TemporaryDirectory() as folder:
            session = DuckdbSession(connection)
            session.take_rows("views", table(None))
            plain = session.fetch(relation_statement(plan, "profile", "duckdb", {"views"}).text)
            for file in range(4):
                session.take_rows("views", table(file))
                session.write(aggregation.sql, Path(folder) / str(file))
            session.connection.unregister("views")
            statement = relation_statement(aggregation.applied(plan), "profile", "duckdb", {"views"}).text

            def merged(*names: str) -> pa.Table:
                """The result from the partial rows in these folders."""
                paths = (str(path) for name in names for path in Path(folder, name).glob("*.parquet"))
                session.read_files("views", aggregation.partial.columns, [ParquetFiles(tuple(paths))])
                return session.fetch(statement)

            results = [merged("0", "1", "2", "3")]
            merged("0", "1", "2")
            session.write(aggregation.combined_sql, Path(folder) / "combined")
            results.append(merged("combined", "3"))
        for result in results:
            assert result.schema == plain.schema
            assert shown(result) == shown(plain)

    compare()


SOME_ROWS = [
    ("A", "TV", True, 1, 2**52, 2**63 - 1, Decimal("9.25"), -2.25, DAY_AND_TIME, DAY, 0),
    ("A", "ß", False, -2, -(2**52), 2**63 - 1, Decimal("-0.50"), float("nan"), DAY_AND_TIME, DAY, 1),
    ("A", None, True, None, 7, -1, None, float("inf"), None, DAY, 1),
    (None, "", None, 4, None, None, Decimal("1.10"), 1e20, DAY_AND_TIME, DAY, 2),
    (None, "Film", None, 4, 3, 0, Decimal("1.10"), None, DAY_AND_TIME, datetime.date(2022, 4, 2), 0),
    ("B", "TV", False, -4, 1, 1, Decimal("3.00"), 0.0, DAY_AND_TIME, DAY, 3),
]


def test_spark_merges_the_partial_rows_of_duckdb_to_the_rows_of_the_plain_plan(spark: Any, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, aggregated("[who, live]", all_columns()))
    aggregation = aggregation_of(plan)
    assert isinstance(aggregation, FileAggregation), aggregation
    columns = aggregation.source.columns
    files: list[ParquetFiles] = []
    for file in range(4):
        rows = [dict(zip(columns.names, row, strict=False)) for row in SOME_ROWS if row[-1] == file]
        pq.write_table(pa.Table.from_pylist(rows, arrow_schema(columns)), tmp_path / f"{file}.parquet")
        given = (ParquetFiles((str(tmp_path / f"{file}.parquet"),)),)
        statement = SqlAggregation("views", columns, aggregation.sql)
        files += statement.write(given, tmp_path / f"partial-{file}", ReadLimits(threads=1))
    session = SparkSessionAtWork(spark, is_classic=True, end=lambda: None)
    session.read_files("views", aggregation.partial.columns, together(files))
    merged = session.fetch(relation_statement(aggregation.applied(plan), "profile", "spark", {"views"}).text)
    session.read_files("views", columns, [ParquetFiles(tuple(str(tmp_path / f"{file}.parquet") for file in range(4)))])
    plain = session.fetch(relation_statement(plan, "profile", "spark", {"views"}).text)
    assert len(plain) == 3
    assert shown(merged) == shown(plain)


def shown(table: pa.Table) -> list[str]:
    """The rows as text, in order: NaN is equal to itself."""
    return sorted(map(repr, table.to_pylist()))


def test_the_interaction_pipeline_is_split_like_this() -> None:
    plan = make_plan(check_file(HERE.parent.parent / "pipelines" / "interaction.yaml"))
    aggregation = aggregation_of(plan)
    assert isinstance(aggregation, FileAggregation)
    assert [each.name for each in aggregation.applied(plan).relations] == ["views", "profile"]
    text = "".join(
        f"-- {title}\n{duckdb_sql(tree, pretty=True)}\n\n"
        for title, tree in (
            ("for each file", aggregation.partial.pieces[-1].tree),
            ("for all of them", aggregation.final.pieces[0].tree),
            ("for several as for one", aggregation.combined),
        )
    )
    compare_with_file(HERE / "interaction.by_file.sql", text.rstrip("\n") + "\n")


TOTAL = aggregated("[who]", "total: sum(number)")
WHY = {
    "a sum of doubles": (
        aggregated("[who]", "total: sum(score)"),
        "the last digits of `sum` of double depend on the order of rows",
    ),
    "distinct values": (
        aggregated("[who]", "titles: count(distinct title)"),
        "`count(distinct ...)` of all rows does not follow from its values in each file",
    ),
    "a percentile": (
        aggregated("[who]", 'half: "percentile(number, 0.5)"'),
        "`percentile` of all rows does not follow from its values in each file",
    ),
    "a window before": (
        TOTAL.replace("- derive:", "- window: {per: [who], columns: {nth: count(*)}}\n    - derive:"),
        "a step of `watched` looks at several rows before they are aggregated",
    ),
    "a join before": (
        TOTAL.replace("- derive:", "- join: {with: people, on: who}\n    - derive:"),
        "`watched` also reads other relations",
    ),
    "no aggregate": (
        f"{WATCHED}  profile: [{{from: watched}}]\n",
        "`profile` is published or checked",
    ),
    "read again": (
        f"{TOTAL}    - join: {{with: watched, on: who, prefix: w_}}\n",
        "`profile` reads `watched` again after it has aggregated its rows",
    ),
    "twice": (
        f"{WATCHED}  profile:\n    - from: watched\n    - sql: {{query: 'select distinct who from watched'}}\n",
        "a step of `profile` looks at several rows before they are aggregated",
    ),
}


@pytest.mark.parametrize(("steps", "why"), WHY.values(), ids=WHY)
def test_rows_that_depend_on_others_are_not_aggregated_by_file(steps: str, why: str, tmp_path: Path) -> None:
    found = aggregation_of(plan_of(tmp_path, steps))
    assert isinstance(found, NotByFile)
    assert found.why == why


@pytest.mark.parametrize(
    ("checks", "is_split"),
    [
        ("profile: [{unique: [who]}]", True),
        ("profile: [{conserved: {left: sum(watched.number), right: sum(total)}}]", True),
        ("profile: [{conserved: {left: sum(watched.number), right: sum(total), where: total > 0}}]", False),
        ("watched: [{not_null: [who]}]", False),
        ("views: [{not_null: [who]}]", False),
    ],
)
def test_a_check_of_single_rows_needs_them_and_a_sum_rides_along(checks: str, is_split: bool, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, TOTAL, f"checks:\n  {checks}\n")
    assert isinstance(aggregation_of(plan), FileAggregation) is is_split
