"""The source `iceberg`: one snapshot of a table as rows, and a project that runs again when there is another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog, load_catalog

from projects import Project, with_catalog

CORE = """pipeline: core
sources:
  sales: {csv: {path: sales.csv, columns: {month: string, units: bigint}}}
sinks:
  out: {iceberg: {from: sales, connection: lake, table: shop.sales, write: replace, partition_by: [month]}}
"""
MART = """pipeline: mart
sources:
  sales: {iceberg: {connection: lake, table: shop.sales, columns: {month: string, units: bigint}}}
sinks:
  out: {files: {from: sales, path: out/sales.csv}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    with_catalog(project)
    project.write("sales.csv", 'month,units\n2022-04,1\n"a/b %é",2\n,3\n')
    return project


@pytest.fixture
def catalog(project: Project) -> Iterator[Catalog]:
    (project.folder / "lake").mkdir()
    uri, warehouse = f"sqlite:///{project.folder}/lake/catalog.db", f"file://{project.folder}/lake/tables"
    catalog = load_catalog("default", type="sql", uri=uri, warehouse=warehouse)
    catalog.create_namespace("shop")
    yield catalog
    catalog.close()


def sales(months: list[str | None], units: list[int]) -> pa.Table:
    return pa.table({"month": pa.array(months, pa.string()), "units": pa.array(units, pa.int64())})


def test_a_project_runs_what_reads_a_table_after_what_writes_it_and_again_when_it_changed(
    project: Project, catalog: Catalog
) -> None:
    project.pipeline(CORE, "core")
    project.pipeline(MART, "mart")
    plan = project.run("plan", "pipelines/core.yaml")
    assert plan.code == 0 and "creates the Iceberg table lake.shop.sales" in plan.out
    assert project.run("run").code == 0
    out = project.folder / "out/sales.csv"
    assert out.read_text() == "month,units\n2022-04,1\na/b %é,2\n,3\n"
    again = project.run("run")
    assert again.code == 0 and len(catalog.load_table("shop.sales").snapshots()) == 1
    catalog.load_table("shop.sales").append(sales(["2022-05"], [5]))
    result = project.run("run")
    assert result.code == 0, result.err
    assert "2022-05,5" in out.read_text()
    doctor = project.run("doctor")
    assert "1 namespace" in doctor.out and "out can be published" in doctor.out


def test_an_older_snapshot_is_read_where_the_spec_names_it(project: Project, catalog: Catalog) -> None:
    table = catalog.create_table("shop.sales", sales([], []).schema)
    table.append(sales(["x"], [1]))
    table.overwrite(sales(["x"], [2]))
    first = table.snapshots()[0].snapshot_id
    spec = project.pipeline(MART.replace("shop.sales,", f"shop.sales, snapshot: {first},"), "mart")
    assert project.run(spec).code == 0
    assert (project.folder / "out/sales.csv").read_text() == "month,units\nx,1\n"
    wrong = project.run(project.pipeline(MART.replace("shop.sales,", "shop.sales, snapshot: 12,"), "mart"))
    assert wrong.code == 1 and "has no snapshot 12" in wrong.err


@pytest.mark.parametrize(
    ("columns", "part"),
    [
        ("month: string, unit: bigint", "there is no column `unit`"),
        ("month: string, units: int", "`units` is bigint, but int is declared"),
        ("month: string not null, units: bigint", "null"),
    ],
)
def test_columns_that_do_not_fit_are_refused(project: Project, catalog: Catalog, columns: str, part: str) -> None:
    table = catalog.create_table("shop.sales", sales([], []).schema)
    table.append(sales(["x", None], [1, 2]))
    result = project.run(project.pipeline(MART.replace("month: string, units: bigint", columns), "mart"))
    assert result.code == 1 and part in result.err, result.err


def test_a_column_that_joined_later_is_null_before_and_one_that_was_renamed_is_refused(
    project: Project, catalog: Catalog
) -> None:
    spec = project.pipeline(MART.replace("units: bigint}", "units: bigint, more: string}"), "mart")
    assert "there is no Iceberg table lake.shop.sales" in project.run(spec).err
    table = catalog.create_table("shop.sales", sales([], []).schema)
    table.append(sales(["x"], [1]))
    with table.update_schema() as update:
        from pyiceberg.types import StringType

        update.add_column("more", StringType())
    result = project.run(spec)
    assert result.code == 0, result.err
    assert (project.folder / "out/sales.csv").read_text() == "month,units,more\nx,1,\n"
    table.append(sales(["y"], [2]).append_column("more", pa.array(["z"])))
    result = project.run(spec)
    assert result.code == 0, result.err
    assert (project.folder / "out/sales.csv").read_text() == "month,units,more\nx,1,\ny,2,z\n"
    with table.update_schema() as update:
        update.rename_column("units", "pieces")
    result = project.run(project.pipeline(MART.replace("units:", "pieces:"), "mart"))
    assert result.code == 1 and "`units` had another name" in result.err


def test_a_connection_of_another_kind_is_refused_before_anything_runs(project: Project) -> None:
    wrong = MART.replace("connection: lake", "connection: warehouse")
    result = project.run("check", project.pipeline(wrong, "mart"))
    assert result.code == 2 and "`iceberg` needs Iceberg tables" in result.out, result.out
    table = MART.replace("iceberg:", "table:")
    result = project.run("check", project.pipeline(table, "mart"))
    assert result.code == 2 and "connection `lake` holds Iceberg tables" in result.out, result.out
