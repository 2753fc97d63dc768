"""The SQL of some pipelines in both dialects, and what each rewrite makes of a tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlglot import exp

from etlrun.compiler.checks import lower_check
from etlrun.compiler.plan import DIALECTS, Plan, make_plan
from etlrun.compiler.producers import check_file
from etlrun.compiler.rewrites import REWRITES, Rewrite
from etlrun.language.arrow import arrow_schema
from etlrun.language.columns import Column, Columns
from etlrun.language.dialects import duckdb_sql
from etlrun.language.expressions import parse_select
from etlrun.language.queries import check_query
from etlrun.spec.building import Origin
from etlrun.spec.located import Document
from etlrun.spec.mappings import Mapping
from etlrun.spec.scope import Scope
from golden import HOW, compare_with_file
from running import in_order
from tables import Table, read_example

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
MAPPING = Mapping("content", (("TV", ("CHANNEL", "KPLUS")), ("Film", ("VOD",)), ("Empty", ())))
DAYS = tuple(f"2022-04-{day:02}" for day in range(1, 31))


@pytest.mark.parametrize("pipeline", ["interaction", "behavior"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_pipelines_compile_to_this_text(dialect: str, pipeline: str) -> None:
    plan = make_plan(check_file(PROJECT / "pipelines" / f"{pipeline}.yaml"))
    compare_with_file(HERE / f"{pipeline}.{dialect}.sql", _text_of(plan, dialect))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_pivot_whose_labels_a_run_reads_compiles_to_this_text(dialect: str) -> None:
    plan = make_plan(check_file(PROJECT / "examples" / "weekly" / "pipelines" / "any_currency.yaml"))
    compare_with_file(HERE / f"any_currency.{dialect}.sql", _text_of(plan, dialect))


def _text_of(plan: Plan, dialect: str) -> str:
    write = DIALECTS[dialect]
    parts = [(relation.name, relation.tree) for relation in plan.relations if relation.tree is not None]
    for name, uses in plan.checked.pipeline.checks.items():
        parts += [(f"{name}: {use.kind}", lower_check(plan, name, position)) for position, use in enumerate(uses)]
    return "\n".join(f"-- {title}\n{write(tree, pretty=True)}\n" for title, tree in parts)


def _cases() -> Iterator[Any]:
    for rewrite in REWRITES:
        text = (HERE / "rewrites" / f"{rewrite.__name__}.sql").read_text(encoding="utf-8")
        for number, case in enumerate(re.split(r"^-- before\n", text, flags=re.MULTILINE)[1:]):
            yield pytest.param(rewrite, number, case.partition("-- after\n")[0], id=f"{rewrite.__name__}-{number}")


@pytest.mark.parametrize("rewrite", REWRITES, ids=lambda rewrite: rewrite.__name__)
def test_each_rewrite_turns_the_text_before_into_the_text_after(rewrite: Rewrite) -> None:
    path = HERE / "rewrites" / f"{rewrite.__name__}.sql"
    assert path.is_file(), f"{path.name} is missing: write `-- before`, a SELECT over `a`, then {HOW}"
    first, *cases = re.split(r"^-- before\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    table = _given(first)
    again = first
    for case in cases:
        before = case.partition("-- after\n")[0].strip()
        again += (
            f"-- before\n{before}\n-- after\n{_rewritten(rewrite, before, table.columns).sql('spark', pretty=True)}\n\n"
        )
    compare_with_file(path, again.rstrip("\n") + "\n")


@pytest.mark.parametrize(("rewrite", "number", "before"), list(_cases()))
def test_a_rewrite_keeps_the_rows(rewrite: Rewrite, number: int, before: str, duck: Any) -> None:
    import pyarrow as pa

    text = (HERE / "rewrites" / f"{rewrite.__name__}.sql").read_text(encoding="utf-8")
    table = _given(text.partition("-- before\n")[0])
    duck.register(
        "a",
        pa.Table.from_pylist(
            [dict(zip(table.columns.names, row, strict=True)) for row in table.rows], arrow_schema(table.columns)
        ),
    )
    rows = [f"('{code}', '{label}')" for label, codes in MAPPING.entries for code in codes]
    duck.execute(f"create table codes as select * from (values {', '.join(rows)}) as codes(one, label)")
    duck.execute("create macro label_of(wanted, mapping) as (select label from codes where one = wanted)")
    plain = _rewritten(_as_it_is, before, table.columns)
    changed = _rewritten(rewrite, before, table.columns)
    check_query(changed, {"a": table.columns})
    assert in_order(duck.sql(duckdb_sql(changed)).fetchall()) == in_order(duck.sql(duckdb_sql(plain)).fetchall())


def _given(comment: str) -> Table:
    """The table `a` of a file, written as comment lines before its first case; its `date` covers April 2022."""
    lines = "\n".join(line.removeprefix("-- ") for line in comment.splitlines() if line.startswith(("-- a: ", "-- |")))
    table = read_example("", lines + "\n").tables["a"]
    items = tuple(Column(item.name, item.type, domain=DAYS if item.name == "date" else None) for item in table.columns)
    return Table(Columns(items), table.rows)


def _rewritten(rewrite: Rewrite, text: str, columns: Columns) -> exp.Query:
    scope = Scope(Origin(Document("a.sql", text), {}), (), {}, {}, lambda name: MAPPING)
    return rewrite(parse_select(text), columns, scope)


def _as_it_is(query: exp.Query, columns: Columns, scope: Scope) -> exp.Query:
    return query
