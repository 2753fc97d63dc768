"""Whole chains of steps over random tables: what passes the checker gives equal rows, or is an error, on both engines."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from sqlglot import exp

from etlrun.compiler.check import Checked
from etlrun.compiler.plan import Plan, make_plan
from etlrun.compiler.producers import check_file
from etlrun.contracts.engine import StatementError
from etlrun.diagnostics import SpecError
from etlrun.failures import RunFailure
from etlrun.language.columns import LABEL, Column, Columns
from etlrun.language.expressions import TYPE
from running import Bench, run_on_duckdb, run_on_spark, write_project
from tables import Example, Outcome, Table

from .engines import Engines, is_of_data, is_sum_on_the_way, sorted_rows
from .rows import COLUMNS, random_rows
from .steps import MAPPING, Chain, random_sources, random_step
from .trials import Trial

CHAINS, LONGEST = 4, 5  # of a trial; steps of a chain


def try_some(seed: int, engines: Engines) -> Trial:
    """Make a pipeline of a few chains from a seed, run it on both engines and compare every relation."""
    random = Random(seed)
    tables = {name: random_table(random) for name in ("one", "two")}
    with tempfile.TemporaryDirectory(prefix="etlrun-fuzz-") as folder:
        pipeline = _Pipeline(random, Path(folder), tables)
        for number in range(CHAINS):
            pipeline.add_chain(f"c{number}")
        if not pipeline.chains:
            return Trial(0)
        plan = make_plan(pipeline.checked())
        failing: list[str] = []
        findings = tuple(_differences(engines, plan, pipeline, failing))
    shown = "\n".join(f"{finding}\n{_shown(pipeline.chains, tables)}" for finding in findings)
    return Trial(len(pipeline.chains), (shown,) if findings else (), len(failing))


def random_table(random: Random) -> Table:
    """A table of some of the columns, always with the key `k`."""
    others = [item for item in COLUMNS if item.name != "k"]
    columns = Columns((COLUMNS.items[0], *random.sample(others, random.randint(4, 9))))
    columns = columns.with_unique(("k",)) if random.random() < 0.7 else columns
    return Table(columns, tuple(random_rows(random, random.choice([0, 1, 5, 9, 14]), columns)))


class _Pipeline:
    """A pipeline that grows step by step; a step that the checker refuses is left out."""

    def __init__(self, random: Random, folder: Path, tables: dict[str, Table]) -> None:
        self.random, self.folder, self.tables = random, folder, tables
        self.chains: dict[str, list[dict[str, Any]]] = {}
        self.columns = {name: table.columns for name, table in tables.items()}

    def add_chain(self, name: str) -> None:
        steps: list[dict[str, Any]] = []
        columns = self._add_step(steps, Columns(()))
        for _ in range(self.random.randint(1, LONGEST)):
            columns = self._add_step(steps, columns)
        if len(steps) > 1:
            self.chains[name] = steps
            if not columns.awaits_labels:  # its columns cannot be declared, as those of a table are
                self.columns[name] = columns

    def _add_step(self, steps: list[dict[str, Any]], columns: Columns) -> Columns:
        """Add the first of some random steps that the checker takes; gives the columns that the chain then has."""
        for _ in range(8):
            step = (
                random_step(self.random, Chain(_named(columns), self.columns))
                if steps
                else random_sources(self.random, self.columns)
            )
            given = {
                name: Table(known, ()) for name, known in self.columns.items()
            }  # a chain is read like a table here
            try:
                found = self._check({"new": [*steps, step]}, given).columns["new"]
            except SpecError:
                continue
            steps.append(step)
            return found
        return columns

    def checked(self) -> Checked:
        """Raises SpecError."""
        return self._check(self.chains, self.tables)

    def _check(self, chains: dict[str, list[dict[str, Any]]], tables: dict[str, Table]) -> Checked:
        steps = json.dumps({"steps": chains}, ensure_ascii=False)[1:-1]
        return check_file(write_project(self.folder, Example(steps, Outcome(verdict="-"), tables, MAPPING)))


def _named(columns: Columns) -> Columns:
    """The columns that a step can name: not those of labels that only a run knows."""
    return replace(columns, items=tuple(item for item in columns if LABEL not in item.name))


def _differences(engines: Engines, plan: Plan, pipeline: _Pipeline, failing: list[str]) -> Iterator[str]:
    """What differs; the chains that are an error on both engines are added to `failing`."""
    duck = run_on_duckdb(engines.connection, plan, pipeline.tables)
    spark = run_on_spark(engines.spark.spark, plan, pipeline.tables)
    failed: set[str] = set()
    for name, steps in pipeline.chains.items():
        if any(part in failed for part in _words(steps)):
            failed.add(name)  # what it reads differs already
            continue
        one, other = _rows(spark, name), _rows(duck, name)
        if one == other and not isinstance(one, str):
            continue
        if is_of_data(one) and is_of_data(other):
            failing.append(name)
            continue
        failed.add(name)
        trees = [relation.tree for relation in plan.relations if relation.tree is not None]
        if any(is_sum_on_the_way(tree, answer) for tree in trees for answer in (one, other)):
            continue
        if is_of_data(one) != is_of_data(other) and (
            any(_has_failing_constant(engines, tree) for tree in trees) or _fails_before(engines, pipeline, name)
        ):
            continue  # a step is an error on both, and one engine has no need of what it gives
        yield f"chain {name}:\n  spark\n{_listed(one)}\n  duckdb\n{_listed(other)}"


def _has_failing_constant(engines: Engines, tree: exp.Expr) -> bool:
    """Whether a part that reads no column is an error on both engines: Spark computes it also where there is no row."""
    constants = (part for part in tree.walk() if TYPE in part.meta and part.find(exp.Column) is None)
    whole = (
        part
        for part in constants
        if part.parent is None or TYPE not in part.parent.meta or part.parent.find(exp.Column)
    )
    return any(engines.fail_inside(part, "(select 1 as one_) as t") for part in whole)


def _fails_before(engines: Engines, pipeline: _Pipeline, name: str) -> bool:
    """Whether a chain that ends at one of its steps is an error on both engines, when all that it gives is asked for."""
    whole = pipeline.chains
    upto = list(whole).index(name)
    try:
        for chain in list(whole)[: upto + 1]:
            for length in range(2, len(whole[chain]) + 1):
                pipeline.chains = {**whole, chain: whole[chain][:length]}
                pipeline.chains = {
                    other: pipeline.chains[other] for other in list(whole)[: list(whole).index(chain) + 1]
                }
                plan = make_plan(pipeline.checked())
                benches = (
                    run_on_duckdb(engines.connection, plan, pipeline.tables),
                    run_on_spark(engines.spark.spark, plan, pipeline.tables),
                )
                if all(is_of_data(_rows(bench, chain)) for bench in benches):
                    return True
    finally:
        pipeline.chains = whole
    return False


def _words(chain: Any) -> Iterator[str]:
    if isinstance(chain, dict):
        for value in chain.values():
            yield from _words(value)
    elif isinstance(chain, list):
        for value in chain:
            yield from _words(value)
    else:
        yield str(chain)


def _rows(bench: Bench, name: str) -> tuple[tuple[str, ...], ...] | str:
    try:
        return sorted_rows(bench.table(name))
    except RunFailure as failure:
        return f"{failure.code}: {failure.message[:300]}"
    except StatementError as error:
        return f"{error.condition}: {error.detail[:300]}"


def _listed(rows: tuple[tuple[str, ...], ...] | str) -> str:
    return "    " + rows if isinstance(rows, str) else "\n".join("    " + " | ".join(row) for row in rows)


def _shown(chains: dict[str, Any], tables: dict[str, Table]) -> str:
    steps = "\n".join(
        f"  {name}:\n" + "\n".join(f"    - {json.dumps(step, ensure_ascii=False)}" for step in chain)
        for name, chain in chains.items()
    )
    given = "\n".join(
        f"  {name}: {{{', '.join(_declared(item) for item in table.columns)}}}\n"
        + "\n".join(f"    {row!r}" for row in table.rows)
        for name, table in tables.items()
    )
    return f"steps:\n{steps}\nrows:\n{given}"


def _declared(item: Column) -> str:
    return f"{item.name}: {item.type}"
