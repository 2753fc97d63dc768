"""`key` of a source: where it is known, what then needs no further order, and that a run verifies it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cases import Case, refused
from etlrun.cli.reporting import PlainReporter
from etlrun.compiler.producers import check_file
from etlrun.diagnostics import SpecError
from etlrun.failures import RunFailure
from etlrun.runtime.run import RunOptions, run_pipeline
from running import check
from tables import read_example

ORDERS = """
    orders: {id: int key, customer: int, total: int}
    | id | customer | total |
    | 1  | 7        | 5     |
    | 2  | 7        | 5     |
    | 3  | null     | 9     |
    lines: {order: int key, line: int key, units: int}
    | order | line | units |
    | 1     | 1    | 4     |
    | 1     | 2    | 4     |
    | 9     | 1    | 1     |
    people: {id: int key, name: string}
    | id | name |
    | 7  | An   |
"""


def steps(*rest: str, start: str = "orders") -> str:
    return f"steps:\n  out:\n    - from: {start}\n" + "".join(f"    - {step}\n" for step in rest)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (steps("filter: total > 1"), ("id",)),
        (steps("derive: {twice: total * 2}"), ("id",)),
        (steps("rename: {id: number}"), ("number",)),
        (steps("select: {number: id, total: total}"), ("number",)),
        (steps("select: {total: total}"), None),
        (steps("cast: {id: bigint}"), None),
        (steps("window: {columns: {n: row_number()}, order: [id]}"), ("id",)),
        (steps("join: {with: people, on: {customer: id}, how: left}"), ("id",)),
        (steps("join: {with: lines, on: {id: order}}"), ("id", "line")),
        (steps("join: {with: lines, on: {id: order}, how: left}"), ("id", "line")),
        (steps("join: {with: lines, on: {id: order}, columns: [units]}"), None),
        (steps("join: {with: lines, on: {id: order}, how: full}"), None),
        (steps("join: {with: lines, on: {id: order}, how: anti}"), ("id",)),
        (steps("join: {with: orders, on: {id: customer}, columns: {number: id}}", start="people"), ("number",)),
        (steps("aggregate: {by: [customer], columns: {n: count(*)}}"), ("customer",)),
        (steps("aggregate: {columns: {n: count(*)}}"), ()),
        (steps("top: {order: [id]}"), ()),
        ("steps:\n  out:\n    - from: [orders, orders]\n", None),
        ("steps:\n  out:\n    - sql: select id as number, total from orders\n", ("number",)),
        ("steps:\n  out:\n    - sql: select total from orders\n", None),
        ("steps:\n  out:\n    - sql: select max(total) as m from orders\n", ()),
        ("steps:\n  out:\n    - sql: select distinct total from orders\n", ("total",)),
    ],
)
def test_the_key_is_known_as_far_as_it_holds(text: str, key: tuple[str, ...] | None, tmp_path: Path) -> None:
    assert check(tmp_path, read_example(text, ORDERS)).columns["out"].unique == key


def test_an_order_is_asked_for_only_as_far_as_the_key_does_not_give_it(case: Case) -> None:
    case.gives(
        steps("join: {with: lines, on: {id: order}}", "top: {per: [id], order: [units, line]}"),
        ORDERS + "    ->\n    | id | customer | total | line | units |\n    | 1 | 7 | 5 | 1 | 4 |\n",
    )


def test_without_by_an_aggregate_is_one_row_that_matches_once(case: Case) -> None:
    total = "  total:\n    - from: orders\n    - aggregate: {columns: {most: max(total)}}\n"
    query = "select o.id, t.most from orders as o cross join total as t order by o.id limit 2"
    case.gives(
        f"steps:\n{total}  out:\n    - sql: {query}\n",
        ORDERS + "    ->\n    | id | most |\n    | 1 | 9 |\n    | 2 | 9 |\n",
    )


def test_the_key_of_a_full_join_may_be_null_on_both_sides(tmp_path: Path) -> None:
    query = "select p.id, o.total from people p full join orders o on p.id = o.customer order by p.id, o.id limit 1"
    assert refused(tmp_path, f"steps:\n  out:\n    - sql: {query}\n", ORDERS) == [("no-total-order", "id")]


@pytest.mark.parametrize(
    ("key", "code", "word"),
    [("[idd]", "unknown-column", "idd"), ("[id, ID]", "column-exists", "ID"), ("[tags]", "type-mismatch", "tags")],
)
def test_a_key_is_made_of_columns(tmp_path: Path, key: str, code: str, word: str) -> None:
    with pytest.raises(SpecError) as caught:
        check_file(write(tmp_path, key))
    (found,) = caught.value.diagnostics
    assert (found.code, found.source[found.column - 1 : found.end_column - 1]) == (code, word)


def test_a_run_publishes_nothing_where_two_rows_share_the_key(tmp_path: Path) -> None:
    path = write(tmp_path, "[id]")
    with pytest.raises(RunFailure) as caught:
        run_pipeline(check_file(path), PlainReporter("sums", io.StringIO()), RunOptions())
    assert caught.value.code == "check-failed"
    assert "check `unique` of `orders`: 2 of 3 rows have the same `id` as another row" in str(caught.value)
    assert not (tmp_path / "out.csv").exists()


def write(folder: Path, key: str) -> Path:
    """A project whose source has one id twice."""
    pq.write_table(
        pa.table({"id": pa.array([1, 2, 2], pa.int32()), "tags": [["a"], [], None]}), folder / "orders.parquet"
    )
    columns = {"id": "int", "tags": "array<string>"}
    source = json.dumps({"path": "orders.parquet", "columns": columns})[:-1] + f", key: {key}}}"
    (folder / "etlrun.yaml").write_text("profiles: {local: {engine: {duckdb: {}}}}\n")
    path = folder / "sums.yaml"
    path.write_text(
        f"pipeline: sums\nsources:\n  orders: {{parquet: {source}}}\n"
        "steps:\n  out:\n    - from: orders\n    - aggregate: {columns: {n: count(*)}}\n"
        "sinks:\n  out: {files: {from: out, path: out.csv}}\n"
    )
    return path
