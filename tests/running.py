"""Pipelines written in a test, checked as users' are and run on both engines over rows given as tables."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlglot import exp

from etlrun.compiler.check import Checked, check_file
from etlrun.compiler.checks import lower_check
from etlrun.compiler.plan import Plan, Relation, make_plan
from etlrun.enrich.asking import no_progress
from etlrun.enrich.keys import distinct_keys
from etlrun.language.arrow import arrow_schema, type_of_arrow
from etlrun.language.columns import Type
from etlrun.language.dialects import duckdb_sql, spark_sql
from etlrun.language.expressions import column
from etlrun.runtime.enrichment import open_enrichment
from etlrun.spec.kinds import Apply, Ask, Verdict, relation_table
from tables import Example, Row, Table


@dataclass(frozen=True)
class Rows:
    """Rows as an engine gave them, in a fixed order."""

    names: tuple[str, ...]
    types: tuple[Type | None, ...]
    rows: list[Row]


def write_project(folder: Path, example: Example, dates: Mapping[str, Any] | None = None) -> Path:
    """Write the example as a project in `folder`; `dates` gives sources a calendar. Returns the pipeline's file."""
    (folder / "mappings").mkdir(exist_ok=True)
    (folder / "pipelines").mkdir(exist_ok=True)
    (folder / "etlrun.yaml").write_text("profiles: {local: {engine: {duckdb: {}}, models: {titles: {catalogue: {titles: titles.csv}}}}}\n")
    for name, text in example.files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    for name, text in example.mappings.items():
        (folder / "mappings" / f"{name}.yaml").write_text(text + "\n")
    for name, text in example.modules.items():
        (folder / f"{name}.py").write_text(text)
    path = folder / "pipelines" / "example.yaml"
    path.write_text(f"pipeline: example\nsources:\n{_sources(example.tables, dates or {})}\n{example.yaml}")
    return path


def _sources(tables: Mapping[str, Table], dates: Mapping[str, Any]) -> str:
    lines = []
    for name, table in tables.items():
        calendar = dates.get(name)
        source: dict[str, Any] = {"path": f"{name}/{{date:yyyyMMdd}}" if calendar else name}
        if calendar:
            source["dates"] = calendar
        source["columns"] = {column.name: str(column.type) for column in table.columns if not (calendar and column.name == "date")}
        lines.append(f"  {name}: " + json.dumps({"parquet": source}, ensure_ascii=False))
    return "\n".join(lines)


def check(folder: Path, example: Example, dates: Mapping[str, Any] | None = None, **settings: str) -> Checked:
    return check_file(write_project(folder, example, dates), settings=settings)


def run_on_duckdb(connection: Any, plan: Plan, tables: Mapping[str, Table]) -> Bench:
    return Bench(duckdb_sql, lambda sql: connection.sql(sql).to_arrow_table(), _DuckNames(connection).define, plan).run(tables)


def run_on_spark(session: Any, plan: Plan, tables: Mapping[str, Table]) -> Bench:
    def define(name: str, rows: pa.Table | str) -> None:
        frame = session.sql(rows) if isinstance(rows, str) else session.createDataFrame(rows)
        frame.createOrReplaceTempView(f"`{name}`")

    return Bench(spark_sql, lambda sql: session.sql(sql).toArrow(), define, plan).run(tables)


class _DuckNames:
    """Defines relations in DuckDB: rows are registered, statements become views."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def define(self, name: str, rows: pa.Table | str) -> None:
        if isinstance(rows, str):
            quoted = name.replace('"', '""')
            self.connection.execute(f'create or replace temp view "{quoted}" as {rows}')
        else:
            self.connection.register(name, rows)


@dataclass
class Bench:
    """A plan set up on one engine."""

    dialect: Callable[..., str]
    fetch: Callable[[str], pa.Table]
    define: Callable[[str, pa.Table | str], None]
    plan: Plan
    given: Mapping[str, Table] = field(default_factory=dict)

    def run(self, tables: Mapping[str, Table]) -> Bench:
        for name, table in tables.items():
            schema = arrow_schema(table.columns)
            columns = list(zip(*table.rows, strict=True)) or [()] * len(schema)
            self.define(name, pa.table([pa.array(list(column), field.type) for column, field in zip(columns, schema, strict=True)], schema))
        for relation in self.plan.relations:
            if relation.apply is not None:
                self.apply(relation, relation.apply)
            elif relation.ask is not None:
                self.ask(relation, relation.ask)
            elif relation.tree is not None:
                self.define(relation.name, self.dialect(relation.tree))
        return self

    def apply(self, relation: Relation, apply: Apply) -> None:
        module, name = apply.function.split(":")
        spec = importlib.util.spec_from_file_location(module, self.plan.checked.project.root / f"{module}.py")
        assert spec is not None and spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        function = getattr(loaded, name)
        rows = self.fetch(self.dialect(exp.select("*").from_(relation_table(relation.reads[0]))))
        result = pa.Table.from_batches(function(iter(rows.to_batches()))) if apply.batches else function(rows)
        self.define(relation.name, result.cast(arrow_schema(apply.columns)))

    def ask(self, relation: Relation, ask: Ask) -> None:
        rows = self.fetch(self.dialect(exp.select(column(ask.key)).from_(relation_table(relation.reads[0]))))
        keys = distinct_keys(Counter(text for text in rows[ask.key].to_pylist() if text is not None).items())
        with open_enrichment(self.plan.checked.project, self.plan.checked.profile, ask) as enrichment:
            self.define(relation.name, enrichment.look_up(keys, "", no_progress).table(enrichment.prompt.outputs))

    def rows(self, name: str) -> Rows:
        """The declared columns of a relation, and its rows."""
        table = self.fetch(self.dialect(_select(self.plan.relation(name))))
        values = [column.to_pylist() for column in table.columns]
        return Rows(tuple(table.column_names), tuple(type_of_arrow(field.type) for field in table.schema), in_order(zip(*values, strict=True)))

    def verdict(self, name: str, position: int = 0) -> Verdict:
        """What the check at `position` of a relation finds."""
        table = self.fetch(self.dialect(lower_check(self.plan, name, position)))
        (row,) = table.to_pylist()
        verdict = self.plan.checked.pipeline.checks[name][position].value.judge(row)
        assert isinstance(verdict, Verdict)
        return verdict


def _select(relation: Relation) -> exp.Query:
    return exp.select(*(column(item.name) for item in relation.columns)).from_(relation_table(relation.name))


def in_order(rows: Any) -> list[Row]:
    """Rows by their text, so that equal relations compare equal; NaN equals itself."""
    plain = [tuple("NaN" if value != value else value for value in row) for row in rows]  # noqa: PLR0124
    return sorted(plain, key=repr)


def both(spark: Any, duck: Any, folder: Path, example: Example, dates: Mapping[str, Any] | None = None) -> tuple[Bench, Bench]:
    """The example, checked and set up on DuckDB and on Spark."""
    plan = make_plan(check(folder, example, dates))
    return run_on_duckdb(duck, plan, example.tables), run_on_spark(spark, plan, example.tables)
