"""The contracts can fail: each kind here tells a lie of its family, and a test of the contract says so."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import test_check_contract
import test_connection_contract
import test_engine_contract
import test_model_contract
import test_reading_contract
import test_sink_contract
import test_source_contract
import test_step_contract
from examples_of import parameters, with_nulls
from sqlglot import exp
from warehouses import Target

from etlrun.checks.not_null import NotNull
from etlrun.connections._duckdb import DuckdbServer
from etlrun.contracts.check import Verdict
from etlrun.contracts.connection import Copy
from etlrun.contracts.engine import Workspace
from etlrun.contracts.model import LookupResult
from etlrun.contracts.relation import named
from etlrun.engines._duckdb import DuckdbSession
from etlrun.engines.duckdb import Duckdb
from etlrun.language.expressions import column
from etlrun.models._catalogue import TitleFinder
from etlrun.models._gemini import GeminiClient
from etlrun.sinks.files import Files
from etlrun.sources.csv import Csv
from etlrun.steps.dedupe import Dedupe
from etlrun.warehouse.database import Warehouse

Lie = Callable[..., Any]


@pytest.fixture
def lie(monkeypatch: pytest.MonkeyPatch) -> Callable[[type, str, Lie], None]:
    """Puts a method that lies into the place of an honest one, which it is given."""

    def put(cls: type, name: str, method: Lie) -> None:
        honest = getattr(cls, name)
        monkeypatch.setattr(cls, name, lambda *given, **named: method(honest, *given, **named))

    return put


def examples_of_kind(family: Any, kind: str) -> list[Any]:
    return [parameter.values[1] for parameter in parameters(family) if parameter.values[0] == kind]


def test_a_step_whose_rows_depend_on_their_order(lie: Any, duck: Any, tmp_path: Path) -> None:
    lie(Dedupe, "lower", lambda honest, step, relation: relation.select(*relation.all()).limit(1))
    with pytest.raises(AssertionError):
        for example in examples_of_kind("steps", "dedupe"):
            test_step_contract.test_the_order_of_rows_changes_nothing("dedupe", example, duck, tmp_path)


def test_a_check_whose_verdict_depends_on_the_order_of_rows(lie: Any, duck: Any, tmp_path: Path) -> None:
    def lower(honest: Lie, check: NotNull, relation: Any) -> exp.Query:
        return relation.select(named(column(check.columns[0]), "first")).limit(1)  # type: ignore[no-any-return]

    lie(NotNull, "lower", lower)
    lie(NotNull, "judge", lambda honest, check, row: Verdict(row["first"] is not None, ""))
    with pytest.raises(AssertionError):
        for example, change in itertools.product(examples_of_kind("checks", "not_null"), (tuple, with_nulls)):
            test_check_contract.test_the_order_of_rows_changes_no_verdict("not_null", example, change, duck, tmp_path)


def test_a_source_that_counts_rows_which_it_does_not_give(lie: Any, duck: Any, tmp_path: Path) -> None:
    lie(Csv, "read", lambda honest, *given: replace(honest(*given), files=()))
    reading = test_source_contract.read_example("csv", tmp_path)
    with pytest.raises(AssertionError):
        test_source_contract.test_both_engines_give_the_rows_that_are_counted("csv", reading, None, duck)


def test_a_source_that_forgets_its_broken_records(lie: Any, tmp_path: Path) -> None:
    lie(Csv, "read", lambda honest, *given: replace(honest(*given), bad_rows=0))
    reading = test_source_contract.read_example("csv", tmp_path)
    with pytest.raises(AssertionError):
        test_source_contract.test_every_record_is_a_row_a_broken_record_or_blank("csv", reading, tmp_path)


def test_a_sink_that_publishes_half(lie: Any, tmp_path: Path) -> None:
    lie(Files, "_sorted_rows", lambda honest, *given: f"{honest(*given)} LIMIT 2")
    with pytest.raises(AssertionError):
        test_sink_contract.test_it_publishes_every_row_and_says_how_many(test_sink_contract.Bench(tmp_path, "files"))


def test_a_sink_that_removes_the_old_rows_first(lie: Any, tmp_path: Path) -> None:
    def publish(honest: Lie, sink: Files, publication: Any) -> Any:
        (publication.root / sink.path).unlink(missing_ok=True)
        return honest(sink, publication)

    lie(Files, "publish", publish)
    with pytest.raises(AssertionError):
        test_sink_contract.test_where_it_fails_the_old_rows_stay(test_sink_contract.Bench(tmp_path, "files"))


@pytest.fixture
def target(tmp_path: Path) -> Any:
    made = Target(
        "duckdb", {"path": str(tmp_path / "w.duckdb")}, lambda: None, lambda schema: f"CREATE SCHEMA {schema}"
    )
    yield made
    made.close()


def test_a_connection_whose_merge_loses_rows(lie: Any, target: Target, tmp_path: Path) -> None:
    def delete_keys(honest: Lie, server: DuckdbServer, session: Any, table: str, *given: Any) -> None:
        session.run(f"DELETE FROM {table}")

    lie(DuckdbServer, "delete_keys", delete_keys)
    with pytest.raises(AssertionError):
        test_connection_contract.test_merge_replaces_rows_of_equal_key(target, tmp_path)


@pytest.mark.parametrize(
    "lies",
    [
        lambda honest, *given: replace(honest(*given), rows=7),
        lambda honest, *given: replace(honest(*given), files=()),
        lambda honest, database, table, *given: Copy((), 0),
    ],
)
def test_a_connection_that_counts_rows_which_it_does_not_give(lie: Any, lies: Lie, tmp_path: Path) -> None:
    lie(Warehouse, "copy", lies)
    with pytest.raises(AssertionError):
        test_reading_contract.test_every_row_is_read_once_as_it_is("duckdb", tmp_path)


def test_an_engine_that_drops_nulls(lie: Any, tmp_path: Path) -> None:
    def fetch(honest: Lie, session: DuckdbSession, statement: str) -> Any:
        return honest(session, statement).drop_null()

    (tmp_path / "work").mkdir()
    session = Duckdb().start(Workspace(tmp_path / "work"), str)
    lie(DuckdbSession, "fetch", fetch)
    with pytest.raises(AssertionError):
        test_engine_contract.test_nulls_and_odd_values_come_back_as_they_are(session, tmp_path)
    session.close()


def test_a_model_that_answers_under_another_name(lie: Any, tmp_path: Path) -> None:
    def find(honest: Lie, *given: Any) -> Any:
        found = honest(*given)
        return found and LookupResult({"kind": found.answer["category"]}, found.reason)

    lie(TitleFinder, "find", find)
    with pytest.raises(AssertionError):
        test_model_contract.test_a_model_of_ones_own_answers_only_what_it_knows_and_only_labels("catalogue", tmp_path)


def test_a_model_that_hides_that_another_one_answered(lie: Any, tmp_path: Path) -> None:
    async def answer(honest: Lie, client: Any, request: Any) -> Any:
        return replace(await honest(client, request), version="gemini-2.5-flash")

    lie(GeminiClient, "answer", answer)
    with pytest.raises(AssertionError):
        test_model_contract.test_another_model_in_its_place_gives_no_label("gemini", tmp_path)
