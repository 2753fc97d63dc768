"""The contracts can fail: each kind here tells a lie of its family, and a test of the contract says so."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
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
from etlrun.connections._duckdb.server import DuckdbLoader, DuckdbServer
from etlrun.connections._duckdb.session import DuckdbServerSession
from etlrun.contracts.check import Verdict
from etlrun.contracts.connection import Copy, Load, Published
from etlrun.contracts.engine import Workspace
from etlrun.contracts.model import LookupResult
from etlrun.contracts.relation import named
from etlrun.engines._duckdb import DuckdbSession
from etlrun.engines.duckdb import Duckdb
from etlrun.failures import RunFailure
from etlrun.language.expressions import column
from etlrun.models._catalogue import TitleFinder
from etlrun.models._gemini import GeminiClient
from etlrun.sinks.files import Files
from etlrun.sources.csv import Csv
from etlrun.steps.dedupe import Dedupe
from etlrun.warehouse.database import Warehouse
from etlrun.warehouse.publish import _Publish

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


def test_a_check_whose_verdict_depends_on_the_order_of_tied_rows(lie: Any, duck: Any, tmp_path: Path) -> None:
    """It sorts, by what many rows are equal in."""

    def lower(honest: Lie, check: NotNull, relation: Any) -> exp.Query:
        value = column(check.columns[0])
        return relation.select(named(value, "first")).order_by(value.copy().is_(exp.null())).limit(1)  # type: ignore[no-any-return]

    lie(NotNull, "lower", lower)
    lie(NotNull, "judge", lambda honest, check, row: Verdict(True, str(row["first"])))
    with pytest.raises(AssertionError):
        for example, change in itertools.product(examples_of_kind("checks", "not_null"), (tuple, with_nulls)):
            test_check_contract.test_the_order_of_rows_changes_no_verdict("not_null", example, change, duck, tmp_path)


def test_a_source_that_reads_its_rows_twice(lie: Any, tmp_path: Path) -> None:
    def read(honest: Lie, *given: Any) -> Any:
        result = honest(*given)
        return replace(result, files=result.files * 2, rows=result.rows and result.rows * 2)

    lie(Csv, "read", read)
    reading = test_source_contract.read_example("csv", tmp_path)
    with pytest.raises(AssertionError):
        test_source_contract.test_every_record_is_a_row_a_broken_record_or_blank("csv", reading, tmp_path)


def test_a_source_that_forgets_its_broken_records(lie: Any, tmp_path: Path) -> None:
    lie(Csv, "read", lambda honest, *given: replace(honest(*given), bad_rows=0))
    reading = test_source_contract.read_example("csv", tmp_path)
    with pytest.raises(AssertionError):
        test_source_contract.test_every_record_is_a_row_a_broken_record_or_blank("csv", reading, tmp_path)


def test_a_sink_that_publishes_half(lie: Any, tmp_path: Path) -> None:
    lie(Files, "_sorted_rows", lambda honest, *given: f"{honest(*given)} LIMIT 2")
    with pytest.raises(RunFailure, match="2 rows of 4 were written"):
        test_sink_contract.test_it_publishes_every_row_and_says_how_many(test_sink_contract.Bench(tmp_path, "files"))


def test_a_sink_that_removes_the_old_rows_first(lie: Any, tmp_path: Path) -> None:
    def publish(honest: Lie, sink: Files, publication: Any) -> Any:
        (publication.root / sink.path).unlink(missing_ok=True)
        return honest(sink, publication)

    lie(Files, "publish", publish)
    with pytest.raises(AssertionError):
        test_sink_contract.test_where_it_fails_the_old_rows_stay(test_sink_contract.Bench(tmp_path, "files"))


def test_a_sink_that_shows_rows_which_are_not_proved(lie: Any, tmp_path: Path) -> None:
    def publish(honest: Lie, sink: Files, publication: Any) -> Any:
        (publication.root / "out").mkdir(exist_ok=True)
        (publication.root / sink.path).write_bytes(publication.files[0].read_bytes())
        return honest(sink, publication)

    lie(Files, "publish", publish)
    with pytest.raises(AssertionError):
        test_sink_contract.test_where_it_fails_the_old_rows_stay(test_sink_contract.Bench(tmp_path, "files"))


def test_a_sink_that_writes_when_it_looks_ahead(lie: Any, tmp_path: Path) -> None:
    def look_ahead(honest: Lie, sink: Files, publication: Any) -> Any:
        (publication.root / f"{sink.path}.next").write_text("ahead")
        return honest(sink, publication)

    lie(Files, "look_ahead", look_ahead)
    with pytest.raises(AssertionError):
        test_sink_contract.test_looking_ahead_changes_nothing(test_sink_contract.Bench(tmp_path, "files"))


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


def test_a_connection_that_loses_a_row(lie: Any, target: Target, tmp_path: Path) -> None:
    def publish_all(honest: Lie, warehouse: Warehouse, loads: Sequence[Load]) -> list[Published]:
        published: list[Published] = honest(warehouse, loads)
        target.run("DELETE FROM profile WHERE contract = 'C000001'")
        return published

    lie(Warehouse, "publish_all", publish_all)
    with pytest.raises(AssertionError):
        test_connection_contract.test_replace_puts_the_new_rows_in_the_place_of_all_old_ones(target, tmp_path)


def test_a_server_that_loses_a_row_while_it_loads(lie: Any, target: Target, tmp_path: Path) -> None:
    """The proof of the protocol finds it: nothing is published, which is no promise kept either."""

    def load(honest: Lie, loader: Any, session: Any, table: str, *given: Any) -> int:
        loaded: int = honest(loader, session, table, *given)
        session.run(f"DELETE FROM {table} WHERE contract = 'C000001'")
        return loaded

    lie(DuckdbLoader, "load", load)
    with pytest.raises(RunFailure, match="the server received 2 rows of 3"):
        test_connection_contract.test_replace_puts_the_new_rows_in_the_place_of_all_old_ones(target, tmp_path)


def test_a_connection_that_appends_twice(lie: Any, target: Target, tmp_path: Path) -> None:
    lie(_Publish, "holder", lambda honest, *given: "")
    with pytest.raises((AssertionError, RunFailure)):
        test_connection_contract.test_append_adds_once_per_run(target, tmp_path)


def test_a_connection_that_lets_an_older_run_publish(lie: Any, target: Target, tmp_path: Path) -> None:
    lie(_Publish, "holder", lambda honest, *given: "")
    with pytest.raises(pytest.fail.Exception):
        test_connection_contract.test_an_older_run_is_refused(target, tmp_path, "replace")


def test_a_connection_whose_rollback_keeps_what_was_done(
    lie: Any, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def abort(honest: Lie, session: DuckdbServerSession) -> None:
        session.run("COMMIT")
        honest(session)

    lie(DuckdbServerSession, "abort", abort)
    with pytest.raises(AssertionError):
        test_connection_contract.test_an_exception_at_any_point_leaves_old_or_new_rows(
            target, tmp_path, "loaded", monkeypatch
        )


def test_a_connection_that_keeps_what_a_refused_publish_did(lie: Any, target: Target, tmp_path: Path) -> None:
    def run(honest: Lie, session: DuckdbServerSession, statement: str) -> int:
        return int(honest(session, "COMMIT" if statement == "ROLLBACK" else statement))

    lie(DuckdbServerSession, "run", run)
    with pytest.raises(AssertionError):
        test_connection_contract.test_rows_outside_the_condition_are_refused(target, tmp_path)


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


def test_a_model_that_drops_an_answer(lie: Any, tmp_path: Path) -> None:
    async def answer(honest: Lie, client: Any, request: Any) -> Any:
        reply = await honest(client, request)
        told = json.loads(reply.text)
        return replace(reply, text=json.dumps({**told, "labels": told["labels"][1:]}))

    lie(GeminiClient, "answer", answer)
    with pytest.raises(AssertionError):
        test_model_contract.test_every_key_is_asked_once_where_nothing_fails("gemini", tmp_path)


def test_a_model_that_hides_that_another_one_answered(lie: Any, tmp_path: Path) -> None:
    async def answer(honest: Lie, client: Any, request: Any) -> Any:
        return replace(await honest(client, request), version="gemini-2.5-flash")

    lie(GeminiClient, "answer", answer)
    with pytest.raises(AssertionError):
        test_model_contract.test_another_model_in_its_place_gives_no_label("gemini", tmp_path)
