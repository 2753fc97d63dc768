"""The kinds that engine/README.md adds in ten minutes each work as it says, from its text alone: each keeps the contract of its family."""

from __future__ import annotations

import inspect
import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import test_check_contract
import test_documentation_contract
import test_engine_contract
import test_model_contract
import test_reading_contract
import test_sink_contract
import test_source_contract
import test_step_contract
from examples_of import parameters
from planting import planted, readme_files

from commanding import etlrun
from etlrun.contracts.connection import Connection
from etlrun.contracts.engine import Workspace
from etlrun.diagnostics import SpecError, format_text
from etlrun.spec.registry import FAMILIES, Family, kinds
from projects import Project
from running import check
from tables import examples

FILES = readme_files()


@pytest.fixture
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The name of the kind that the README adds to a family, found by the product where kinds are found."""
    family: Family = request.param
    name, code = FILES[family]
    with planted(tmp_path, family, name, code):
        yield name


def of(family: Family) -> Any:
    return pytest.mark.parametrize("kind", [family], indirect=True)


def test_there_is_one_of_every_family() -> None:
    assert set(FILES) == set(FAMILIES)


@pytest.mark.parametrize(("family", "kind"), [(family, family) for family in FAMILIES], indirect=["kind"])
def test_each_is_documented(family: Family, kind: str) -> None:
    cls = kinds(family)[kind]
    test_documentation_contract.test_the_docstring_opens_with_the_key_and_what_it_does(family, kind, cls)
    test_documentation_contract.test_every_field_is_documented(family, kind, cls)


@pytest.mark.parametrize(
    ("family", "kind", "contract"),
    [("steps", "steps", test_step_contract), ("checks", "checks", test_check_contract)],
    indirect=["kind"],
)
def test_step_and_check_keep_their_contract(
    family: Family, kind: str, contract: Any, spark: Any, duck: Any, tmp_path: Path
) -> None:
    given = [parameter.values for parameter in parameters(family) if parameter.values[0] == kind]
    assert given
    tests = [test for name, test in inspect.getmembers(contract, inspect.isfunction) if name.startswith("test_")]
    for test, (name, example) in itertools.product(tests, given):
        names = inspect.signature(test).parameters
        marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.args[0] == "change"]
        for change in marks[0].args[1] if marks else [None]:
            values = {"name": name, "example": example, "change": change, "spark": spark, "duck": duck}
            if names:
                test(**{each: {**values, "tmp_path": tmp_path}[each] for each in names})


@of("steps")
def test_the_mistakes_of_the_step_are_shown_under_the_word(kind: str, tmp_path: Path) -> None:
    docstring = FILES["steps"][1].split('"""')[1]
    (example,) = examples(docstring.replace("[shop, units]", "[shop, unit]"))
    with pytest.raises(SpecError) as error:
        check(tmp_path, example)
    shown = format_text(error.value.diagnostics)
    assert "unknown-column: there is no column `unit` here" in shown
    assert "= did you mean `units`?" in shown


@of("sources")
def test_the_source_keeps_its_contract(kind: str, spark: Any, duck: Any, tmp_path: Path) -> None:
    reading = test_source_contract.read_example(kind, tmp_path)
    test_source_contract.test_every_record_is_a_row_a_broken_record_or_blank(kind, reading, tmp_path)
    test_source_contract.test_both_engines_give_the_rows_that_are_counted(kind, reading, spark, duck)


@of("sinks")
def test_the_sink_publishes_and_replaces_its_file(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(project: Project) -> list[tuple[Any, ...]]:
        return [(line,) for line in (project.folder / "out" / "names.txt").read_text().splitlines()]

    tried = test_sink_contract.Tried("{from: given, column: name, path: out/names.txt}", read)
    monkeypatch.setitem(test_sink_contract.SINKS, kind, tried)
    bench = test_sink_contract.Bench(tmp_path, kind)
    bench.publish(bench.publication([("A", 1), (None, 2), ("C", 3), ("B", 4)]))
    assert read(bench.project) == [("A",), ("B",), ("C",)]
    bench.publish(bench.publication(test_sink_contract.OLD))
    assert bench.rows() == [("A",), ("B",)]
    test_sink_contract.test_its_place_is_its_own(bench)


@of("connections")
def test_a_table_is_read_from_the_connection_and_none_is_published_to_it(kind: str, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(
        "etlrun.yaml",
        f"profiles: {{local: {{engine: {{duckdb: {{}}}}, connections: {{shop: {{{kind}: shop.db}}}}}}}}\n",
    )
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.execute('CREATE TABLE sales (shop TEXT, "the units" INTEGER)')
        shop.executemany("INSERT INTO sales VALUES (?, ?)", [("A", 3), (None, -(2**63))])
    shop.close()
    source = "sources:\n  s: {table: {connection: shop, table: TABLE, columns: {shop: string, the units: UNITS}}}\n"
    sink = "sinks:\n  out: {files: {from: s, path: out.csv}}\n"
    good = project.pipeline((source + sink).replace("TABLE", "sales").replace("UNITS", "bigint"), "good")
    assert etlrun(tmp_path, good).code == 0
    assert (tmp_path / "out.csv").read_text() == "shop,the units\nA,3\n,-9223372036854775808\n"
    other = project.pipeline((source + sink).replace("TABLE", "sale").replace("UNITS", "bigint"), "other")
    assert "connection `shop` has no table `sale`" in etlrun(tmp_path, other).err
    small = project.pipeline((source + sink).replace("TABLE", "sales").replace("UNITS", "int"), "small")
    assert "declare the types that its values have" in etlrun(tmp_path, small).err
    back = source.replace("TABLE", "sales").replace("UNITS", "bigint")
    wrong = project.pipeline(f"{back}sinks:\n  t: {{table: {{from: s, connection: shop, write: replace}}}}\n", "back")
    assert "is in connection `shop`, which is read-only" in etlrun(tmp_path, wrong).err


@of("connections")
def test_the_connection_keeps_the_contract_of_reading(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def make(folder: Path) -> Iterator[Connection]:
        with sqlite3.connect(folder / "shop.db") as shop:
            for table in ("sales", "no_sales"):
                shop.execute(f"CREATE TABLE {table} (shop TEXT, units INTEGER)")
            shop.executemany("INSERT INTO sales VALUES (?, ?)", test_reading_contract.SALES)
        shop.close()
        yield kinds("connections")[kind]("shop.db")

    monkeypatch.setitem(test_reading_contract.READ, kind, make)
    contract = test_reading_contract
    contract.test_every_row_is_read_once_as_it_is(kind, tmp_path / "a")
    contract.test_columns_come_as_they_are_declared_whatever_their_order_in_the_table(kind, tmp_path / "b")
    contract.test_a_table_without_rows_gives_none(kind, tmp_path / "c")
    contract.test_a_table_says_its_columns_and_what_is_missing_is_named(kind, tmp_path / "d")
    for number, declared in enumerate(contract.WRONG):
        contract.test_a_value_of_another_type_ends_the_read(kind, declared, tmp_path / f"e{number}")


@of("storages")
def test_objects_are_read_from_the_storage_below_its_prefix_only(kind: str, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(
        "etlrun.yaml",
        f"storage: {{{kind}://media/logs: {{{kind}: {{mounted: {tmp_path}}}}}}}\nprofiles: {{local: {{}}}}\n",
    )
    project.write("media/logs/a 1%20.csv", "shop\nA\nB\n")
    source = "sources:\n  s: {csv: {path: PATH, columns: {shop: string}}}\nsinks:\n  out: {files: {from: s, path: out.csv}}\n"
    good = project.pipeline(source.replace("PATH", f"{kind}://media/logs/*.csv"), "good")
    done = etlrun(tmp_path, good)
    assert (done.code, (tmp_path / "out.csv").read_text()) == (0, "shop\nA\nB\n")
    other = project.pipeline(source.replace("PATH", f"{kind}://media/other/*.csv"), "other")
    assert f"`storage: {{{kind}://media/other: {{{kind}: {{}}}}}}`" in etlrun(tmp_path, "check", other).out


@of("engines")
def test_the_engine_keeps_its_contract_and_logs(kind: str, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    session = kinds("engines")[kind](seconds=0).start(Workspace(tmp_path / "work"), str)
    contract = test_engine_contract
    contract.test_it_names_a_dialect_that_statements_are_written_in(kind)
    contract.test_files_are_one_relation_in_the_declared_order_without_the_rows_that_are_marked(session, tmp_path)
    contract.test_no_files_are_a_relation_of_no_rows(session)
    contract.test_rows_take_the_place_of_those_a_relation_had(session)
    contract.test_what_is_written_can_be_read_again_even_where_it_is_nothing(session, tmp_path, True)
    contract.test_it_says_its_name_and_version(kind, session)
    session.close()
    assert "SELECT k FROM given ORDER BY k" in (tmp_path / "work" / "slow.log").read_text()


@of("models")
def test_the_model_keeps_its_contract(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = kinds("models")[kind](output="category", labels={"Đảo": "Comedy"})
    monkeypatch.setitem(test_model_contract.OWN, kind, lambda folder: model)
    test_model_contract.test_a_model_of_ones_own_answers_only_what_it_knows_and_only_labels(kind, tmp_path)
    other = kinds("models")[kind](output="category", labels={"Đảo": "Drama"})
    assert model.identity(tmp_path, str) != other.identity(tmp_path, str)


def test_they_are_gone_afterwards() -> None:
    assert [name for family, (name, _) in FILES.items() if name in kinds(family)] == []  # type: ignore[arg-type]
