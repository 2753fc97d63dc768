"""What the lineage of every kind of step promises: it names the columns that sqlglot's own lineage finds, and keeps apart what only decides.

It runs for every step that the product finds, over the example of its docstring.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from examples_of import parameters
from sqlglot import exp
from sqlglot.lineage import lineage as columns_found_by_sqlglot

from etlrun.compiler.found_labels import open_pivots
from etlrun.compiler.plan import Plan, Relation, make_plan
from etlrun.compiler.relation_lineage import plan_lineage, relation_lineage
from etlrun.language.influence import OriginColumn, RelationLineage, beginning
from running import check, lineage_of, run_on_duckdb
from tables import Example, Table

each_example = pytest.mark.parametrize(("name", "example"), parameters("steps"))


def one_hop(plan: Plan, relation: Relation) -> RelationLineage:
    """The lineage of a relation as if the trails began in those that it reads."""
    reads = {name: beginning("p", name, plan.relation(name).columns.names) for name in relation.reads}
    return relation_lineage(plan, relation, reads)


def leaves(plan: Plan, relation: Relation, column: str) -> set[str]:
    """The columns that sqlglot finds below a column of a relation, as `relation.column` in lower case."""
    tree = relation.tree
    assert tree is not None
    schema = {
        f'"{name}"'.lower(): {item.name.lower(): "string" for item in plan.relation(name).columns}
        for name in relation.reads
    }
    root = columns_found_by_sqlglot(column.lower(), lowered(tree), schema=schema, dialect="duckdb")
    ends = [node for node in root.walk() if not node.downstream and isinstance(node.source, exp.Table)]
    return {f"{node.source.name}.{node.name.split('.')[-1].strip(chr(34))}".lower() for node in ends}


def lowered(tree: exp.Query) -> exp.Query:
    """The tree with every name in lower case, as sqlglot's lineage compares them."""
    found = tree.copy()
    for name in found.find_all(exp.Identifier):
        name.set("this", name.name.lower())
    return found


@each_example
def test_each_column_has_the_origins_that_sqlglot_finds(name: str, example: Example, tmp_path: Path) -> None:
    plan = make_plan(check(tmp_path, example))
    for relation in plan.relations:
        if relation.is_made_outside:
            continue
        for column, lineage in one_hop(plan, relation).columns.items():
            ours = {f"{origin.relation}.{origin.column}".lower() for origin in lineage.origins}
            assert ours == leaves(plan, relation, column), column


@each_example
def test_no_other_column_of_a_source_changes_a_column(name: str, example: Example, duck: Any, tmp_path: Path) -> None:
    """A run builds on this: it does not read from a server what nothing is made from."""
    plan = make_plan(check(tmp_path, example))
    lineages = plan_lineage(plan, {})
    labels = label_origins(plan, lineages)
    for chain in plan.checked.pipeline.chains:
        expected = run_on_duckdb(duck.cursor(), plan, example.tables).table(chain)
        for column in expected.column_names:
            lineage = lineage_of(lineages[chain], column)
            read = {(one.relation, one.column) for one in lineage.origins | lineages[chain].rows.origins | labels}
            tables = {source: only_with(table, source, read) for source, table in example.tables.items()}
            found = run_on_duckdb(duck.cursor(), plan, tables).table(chain)
            assert sorted(map(repr, found[column].to_pylist())) == sorted(map(repr, expected[column].to_pylist()))


def label_origins(plan: Plan, lineages: Mapping[str, RelationLineage]) -> set[OriginColumn]:
    """What the labels are read from that only a run finds."""
    sources = [pivot.source for pivot in open_pivots(plan.checked)]
    return {one for source in sources for one in lineages[source.relation].columns[source.column].origins}


def only_with(table: Table, source: str, read: set[tuple[str, str]]) -> Table:
    """The rows of a source, whose columns that are not read are null."""
    keeps = [(source, name) in read for name in table.columns.names]
    rows = (tuple(value if kept else None for value, kept in zip(row, keeps, strict=True)) for row in table.rows)
    return Table(table.columns, tuple(rows))


@each_example
def test_every_column_of_every_relation_has_a_lineage(name: str, example: Example, tmp_path: Path) -> None:
    plan = make_plan(check(tmp_path, example))
    found = plan_lineage(plan, {})
    for relation, columns in plan.checked.columns.items():
        assert tuple(found[relation].columns) == columns.names
        assert found[relation].rows.direct == {}


@each_example
def test_a_step_that_keeps_its_rows_says_nothing_of_which_there_are(
    name: str, example: Example, tmp_path: Path
) -> None:
    plan = make_plan(check(tmp_path, example))
    found = plan_lineage(plan, {})
    for chain, uses in plan.checked.pipeline.chains.items():
        if all(use.value.keeps_rows or use.value.alias() in plan.checked.pipeline.sources for use in uses):
            assert not found[chain].rows.origins
