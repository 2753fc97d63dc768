"""Pipelines written in a test, checked as users' are and run on both engines over rows given as tables."""

from __future__ import annotations

import atexit
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from etlrun.compiler.case_rows import Given
from etlrun.compiler.check import Checked
from etlrun.compiler.checks import lower_failing
from etlrun.compiler.plan import DIALECTS, Plan, make_plan
from etlrun.compiler.producers import check_file
from etlrun.compiler.statement import query_statement
from etlrun.contracts.check import Verdict
from etlrun.contracts.engine import EngineSession
from etlrun.contracts.step import Ask
from etlrun.engines._duckdb import DuckdbSession
from etlrun.engines._spark.session import SparkSessionAtWork
from etlrun.enrich.enrichment import open_enrichment
from etlrun.enrich.keys import Keys
from etlrun.enrich.terms import no_progress
from etlrun.language.arrow import type_of_arrow
from etlrun.language.columns import LABEL, Type
from etlrun.language.influence import Lineage, RelationLineage
from etlrun.runtime.functions import FunctionProcess
from etlrun.runtime.in_memory_run import InMemoryRun
from etlrun.runtime.testing import table_of
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
    (folder / "etlrun.yaml").write_text(
        "profiles: {local: {engine: {duckdb: {}}, models: {titles: {catalogue: {titles: titles.csv}}}}}\n"
    )
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
        source["columns"] = {
            column.name: str(column.type) for column in table.columns if not (calendar and column.name == "date")
        }
        if table.columns.unique:
            source["key"] = list(table.columns.unique)
        lines.append(f"  {name}: " + json.dumps({"parquet": source}, ensure_ascii=False))
    return "\n".join(lines)


def check(folder: Path, example: Example, dates: Mapping[str, Any] | None = None, **settings: str) -> Checked:
    return check_file(write_project(folder, example, dates), settings=settings)


def run_on_duckdb(connection: Any, plan: Plan, tables: Mapping[str, Table]) -> Bench:
    return Bench(plan, DuckdbSession(connection), "duckdb", tables)


def run_on_spark(session: Any, plan: Plan, tables: Mapping[str, Table]) -> Bench:
    return Bench(plan, SparkSessionAtWork(session, is_classic=True), "spark", tables)


class Bench:
    """A plan set up on one engine as `etlrun test` sets it up; only its models are asked, which look up."""

    def __init__(self, plan: Plan, session: EngineSession, dialect: str, tables: Mapping[str, Table]) -> None:
        self.dialect = DIALECTS[dialect]
        given = {name: table_of(Given(table.columns, table.rows)) for name, table in tables.items()}
        functions = FunctionProcess(plan.checked.project)
        atexit.register(functions.close)
        self.in_memory_run = InMemoryRun(plan, session, dialect, given, self.ask, functions)

    @property
    def plan(self) -> Plan:
        """The plan, with the labels of those relations that were asked for."""
        return self.in_memory_run.plan

    def ask(self, ask: Ask, keys: Keys) -> pa.Table:
        with open_enrichment(self.plan.checked.project, self.plan.checked.profile, ask) as enrichment:
            return enrichment.look_up(keys, "", no_progress).table(enrichment.prompt.outputs)

    def rows(self, name: str) -> Rows:
        """The columns of a relation, hidden ones included, and its rows."""
        table = self.table(name)
        values = [column.to_pylist() for column in table.columns]
        return Rows(
            tuple(table.column_names),
            tuple(type_of_arrow(field.type) for field in table.schema),
            in_order(zip(*values, strict=True)),
        )

    def table(self, name: str) -> pa.Table:
        """The rows of a relation as the engine gave them."""
        self.in_memory_run.make([name])
        return self.in_memory_run.rows(name)

    def verdict(self, name: str, position: int = 0) -> Verdict:
        """What the check at `position` of a relation finds."""
        check = self.plan.checked.pipeline.checks[name][position].value
        self.in_memory_run.make([name, *(other for other, _ in check.reads())])
        return self.in_memory_run.verdict(name, position)

    def failing(self, name: str, position: int = 0) -> list[dict[str, Any]] | None:
        """The rows that a check, whose verdict is known, does not hold for; None where no single row is at fault."""
        query = lower_failing(self.plan, name, position, 100)
        run = self.in_memory_run
        if query is None:
            return None
        rows: list[dict[str, Any]] = run.session.fetch(
            query_statement(self.plan, query, run.dialect, run.ready).text
        ).to_pylist()
        return rows


def in_order(rows: Any) -> list[Row]:
    """Rows by their text, so that equal relations compare equal; NaN equals itself."""
    plain = [tuple("NaN" if value != value else value for value in row) for row in rows]  # noqa: PLR0124
    return sorted(plain, key=repr)


def both(
    spark: Any, duck: Any, folder: Path, example: Example, dates: Mapping[str, Any] | None = None
) -> tuple[Bench, Bench]:
    """The example, checked and set up on DuckDB and on Spark."""
    plan = make_plan(check(folder, example, dates))
    return run_on_duckdb(duck, plan, example.tables), run_on_spark(spark, plan, example.tables)


def lineage_of(lineage: RelationLineage, name: str) -> Lineage:
    """The lineage of a column, where its name holds a label that only a run finds that of the column that stands for it."""
    return lineage.columns.get(name) or next(found for open_, found in lineage.columns.items() if LABEL in open_)
