"""What every connection keeps that is published to: four ways to write, one transaction, exactly once, the old rows or the new ones."""

from __future__ import annotations

import datetime
import signal
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from test_reading_contract import READ
from warehouses import Target, Watch, many_load, open_database

from etlrun.contracts.connection import TABLES, Load, Published, may_lose
from etlrun.failures import RunFailure
from etlrun.runtime.querying import ask_database
from etlrun.spec.registry import kinds
from etlrun.warehouse.faults import FaultError
from mysql.loads import columns_of, make_load, many

APRIL, MAY = many("2022-04", 3), many("2022-05", 2)
FIRST, SECOND, THIRD = "20220501T000000Z-a", "20220502T000000Z-b", "20220503T000000Z-c"
OLD_STATE, NEW_STATE = (40, 40, 1, 1), (30, 30, 2, 2)
POINTS = (
    "connected",
    "prepared",
    "locked",
    "begun",
    "ledger-read",
    "deleted",
    "loading",
    "loaded",
    "proved",
    "recorded",
    "committed",
)
EVERY_TYPE = {
    "id": "int",
    "flag": "boolean",
    "tiny": "tinyint",
    "small": "smallint",
    "big": "bigint",
    "whole": "double",
    "money": "decimal(12,3)",
    "part": "decimal(5,5)",
    "name": "string",
    "bytes": "binary",
    "day": "date",
    "at": "timestamp",
    "instant": "timestamptz",
}
NASTY = "a\tb\\c\nd\re 'x' \"q\" \\N NULL é😀 %s {0} "
MOMENT = datetime.datetime(2022, 4, 30, 1, 2, 3, 500000)
EDGES: list[tuple[Any, ...]] = [
    (
        1,
        True,
        -128,
        -(2**15),
        2**63 - 1,
        -1.5e300,
        Decimal("-1.500"),
        Decimal("0.00001"),
        NASTY,
        b"\x00\xff\\'",
        datetime.date(1, 1, 1),
        datetime.datetime(9999, 12, 31, 23, 59, 59, 999999),
        datetime.datetime(9999, 12, 30, 23, 59, 59, 999999),
    ),
    (2, *[None] * 12),
    (
        3,
        False,
        127,
        0,
        -(2**63),
        0.1,
        Decimal("0.000"),
        Decimal("-0.50000"),
        "",
        b"",
        datetime.date(2022, 4, 30),
        MOMENT,
        datetime.datetime(1, 1, 1),
    ),
]


def test_every_connection_has_a_database_to_be_tried_on(kinds_with_a_database: set[str]) -> None:
    only_read_from = set(READ) - kinds_with_a_database
    databases = {name for name, kind in kinds("connections").items() if kind.holds == TABLES}
    assert databases == kinds_with_a_database | only_read_from, "see Add a connection in engine/README.md"


def test_replace_puts_the_new_rows_in_the_place_of_all_old_ones(target: Target, tmp_path: Path) -> None:
    assert target.open().publish(make_load(tmp_path, APRIL, run_id=FIRST)) == Published(3)
    assert target.rows() == APRIL
    assert target.open().publish(make_load(tmp_path, MAY, run_id=SECOND)) == Published(2)
    assert target.rows() == MAY
    assert target.ledger() == [("", SECOND, 2)]


def test_replace_where_replaces_its_part_only(target: Target, tmp_path: Path) -> None:
    warehouse = target.open()
    warehouse.publish(make_load(tmp_path, APRIL, where="month = '2022-04'", run_id=FIRST))
    warehouse.publish(make_load(tmp_path, MAY, where="month = '2022-05'", run_id=SECOND))
    warehouse.publish(make_load(tmp_path, many("2022-04", 1, 9), where="month = '2022-04'", run_id=THIRD))
    assert target.rows() == [*many("2022-04", 1, 9), *MAY]
    assert target.ledger() == [("`month` = '2022-04'", THIRD, 1), ("`month` = '2022-05'", SECOND, 2)]


def test_rows_outside_the_condition_are_refused(target: Target, tmp_path: Path) -> None:
    target.open().publish(make_load(tmp_path, APRIL, run_id=FIRST))
    with pytest.raises(RunFailure) as failure:
        target.open().publish(make_load(tmp_path, [*APRIL, *MAY], where="month = '2022-05'", run_id=SECOND))
    assert failure.value.code in ("rows-differ", "key-exists")
    assert target.rows() == APRIL


def test_append_adds_once_per_run(target: Target, tmp_path: Path) -> None:
    warehouse = target.open()
    warehouse.publish(make_load(tmp_path, APRIL, write="append", run_id=FIRST))
    warehouse.publish(make_load(tmp_path, MAY, write="append", run_id=SECOND))
    assert warehouse.publish(make_load(tmp_path, APRIL, write="append", run_id=FIRST)) == Published(3, was_there=True)
    assert target.rows() == [*APRIL, *MAY]
    assert target.ledger() == [("", FIRST, 3), ("", SECOND, 2)]


def test_rows_that_the_last_run_appended_are_not_appended_again(target: Target, tmp_path: Path) -> None:
    warehouse = target.open()
    warehouse.publish(make_load(tmp_path, APRIL, key=(), write="append", run_id=FIRST))
    again = make_load(tmp_path, APRIL, key=(), write="append", run_id=SECOND)
    assert target.open().publish(again) == Published(3, was_there=True, earlier=FIRST)
    assert target.open().publish(replace(again, spec_hash="4567")) == Published(3)
    assert target.rows() == sorted([*APRIL, *APRIL])


def test_append_without_a_key_keeps_equal_rows(target: Target, tmp_path: Path) -> None:
    target.open().publish(make_load(tmp_path, APRIL, key=(), write="append", run_id=FIRST))
    target.open().publish(make_load(tmp_path, [APRIL[0], APRIL[0]], key=(), write="append", run_id=SECOND))
    assert target.rows() == [APRIL[0], APRIL[0], *APRIL]


def test_merge_replaces_rows_of_equal_key(target: Target, tmp_path: Path) -> None:
    target.open().publish(make_load(tmp_path, [*APRIL, *MAY], run_id=FIRST))
    target.open().publish(make_load(tmp_path, many("2022-05", 4, 9), write="merge", run_id=SECOND))
    assert target.rows() == [*APRIL, *many("2022-05", 4, 9)]


@pytest.mark.parametrize("write", ["replace", "merge", "append"])
def test_an_older_run_is_refused(target: Target, tmp_path: Path, write: Any) -> None:
    target.open().publish(make_load(tmp_path, MAY, run_id=SECOND))
    with pytest.raises(RunFailure) as failure:
        target.open().publish(make_load(tmp_path, APRIL, write=write, run_id=FIRST))
    assert failure.value.code == "newer-run"
    assert target.rows() == MAY and target.ledger() == [("", SECOND, 2)]


@pytest.mark.parametrize("write", ["replace", "merge", "append"])
def test_a_key_that_stands_in_two_rows_is_refused(target: Target, tmp_path: Path, write: Any) -> None:
    target.open().publish(make_load(tmp_path, MAY, run_id=FIRST))
    twice = [*APRIL, ("2022-04", "C000000", 9)]
    with pytest.raises(RunFailure) as failure:
        target.open().publish(make_load(tmp_path, twice, write=write, run_id=SECOND))
    assert failure.value.code == "key-not-unique" and "C0***00" in failure.value.message
    assert target.rows() == MAY and target.ledger() == [("", FIRST, 2)]


def test_an_appended_key_that_is_there_is_refused(target: Target, tmp_path: Path) -> None:
    target.open().publish(make_load(tmp_path, APRIL, run_id=FIRST))
    with pytest.raises(RunFailure) as failure:
        target.open().publish(make_load(tmp_path, [*MAY, APRIL[0]], write="append", run_id=SECOND))
    assert failure.value.code == "key-exists"
    assert target.rows() == APRIL


def test_a_table_that_does_not_fit_is_told_with_a_statement_that_makes_it_fit(target: Target, tmp_path: Path) -> None:
    target.open().publish(make_load(tmp_path, [("a", 1)], {"month": "string", "seconds": "bigint"}, key=("month",)))
    more = make_load(
        tmp_path, [("a", 1, 2)], {"month": "string", "seconds": "bigint", "n": "int"}, key=("month",), run_id=SECOND
    )
    with pytest.raises(RunFailure) as failure:
        target.open().publish(more)
    assert failure.value.code == "table-mismatch" and "it has no column `n`" in failure.value.message
    target.run(failure.value.fix.removeprefix("run: ").rstrip(";"))
    assert target.open().publish(more) == Published(1)


def test_a_table_has_one_full_name_by_every_connection(target: Target) -> None:
    if target.kind != "duckdb":
        account = target.make_account("SELECT" if target.kind == "mysql" else "USAGE")
        given = target.keys["url"].replace("//root@127.0.0.1", f"//{account}@localhost")
        other = open_database(target.kind, {**target.keys, "url": given})
    else:
        other = open_database(target.kind, target.keys)
    try:
        names = target.open().full_name("profile"), other.full_name("profile"), other.full_name("profiles")
    finally:
        other.close()
    assert names[0] == names[1] != names[2]


def test_every_value_comes_back_as_it_was(target: Target, tmp_path: Path) -> None:
    warehouse = target.open()
    warehouse.publish(make_load(tmp_path, EDGES, EVERY_TYPE, key=("id",)))
    folder = tmp_path / "copy"
    folder.mkdir()
    clocks = {"instant": "timestamp"} if target.kind == "mysql" else {}  # its DATETIME says of no zone
    copied = warehouse.copy("profile", columns_of(EVERY_TYPE | clocks), folder)
    found = [tuple(row.values()) for path in copied.files for row in pq.read_table(path).to_pylist()]
    assert sorted(found) == EDGES and copied.rows == len(EDGES)


def test_a_query_gives_the_same_rows_of_what_was_published(target: Target, tmp_path: Path) -> None:
    warehouse = target.open()
    warehouse.publish(make_load(tmp_path, EDGES, EVERY_TYPE, key=("id",)))
    (tmp_path / "work").mkdir()
    query = "select id, name, day, money * 2 as twice from profile where id < 3 order by id desc"
    found = ask_database(query, warehouse, tmp_path / "work", 10)
    assert found.rows.to_pylist() == [
        {"id": 2, "name": None, "day": None, "twice": None},
        {"id": 1, "name": NASTY, "day": datetime.date(1, 1, 1), "twice": Decimal("-3.000")},
    ]


@pytest.mark.parametrize("point", POINTS)
def test_an_exception_at_any_point_leaves_old_or_new_rows(
    target: Target, tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.open().publish(many_load(tmp_path, rows=40, seconds=1, run_id=FIRST))
    load = many_load(tmp_path, rows=30, seconds=2, run_id=SECOND)
    monkeypatch.setenv("ETLRUN_FAULT", f"{point}:raise")
    monkeypatch.setattr("etlrun.warehouse.faults._hits", {})
    with Watch(target) as watch, pytest.raises(FaultError):
        target.open().publish(load)
    monkeypatch.delenv("ETLRUN_FAULT")
    is_new = point == "committed"
    assert target.state() == (NEW_STATE if is_new else OLD_STATE)
    assert target.ledger() == [("", SECOND, 30) if is_new else ("", FIRST, 40)]
    assert watch.errors == [] and watch.states <= {OLD_STATE, NEW_STATE}
    assert target.open().publish(load) == Published(30, was_there=is_new)
    assert target.state() == NEW_STATE
    assert list(load.files[0].parent.glob(".publish-*")) == []


def test_a_process_killed_at_any_point_leaves_old_or_new_rows_and_the_next_one_does_not_wait(
    target: Target, tmp_path: Path
) -> None:
    old, entry = OLD_STATE, ("", FIRST, 40)
    target.open().publish(many_load(tmp_path, rows=40, seconds=1, run_id=FIRST))
    with target.publisher(tmp_path) as publish:
        for number, point in enumerate(POINTS, 2):
            load = {"rows": 20 + number, "seconds": number, "run_id": f"202206{number:02}T000000Z-b"}
            new, is_new = (20 + number, 20 + number, number, number), point == "committed"
            assert publish(f"{point}:kill", **load) == {"signal": signal.SIGKILL, "published": None}, point
            assert target.state() == (new if is_new else old), point
            assert target.ledger() == [("", load["run_id"], new[0]) if is_new else entry], point
            again = asdict(Published(new[0], was_there=is_new))
            assert publish(**load) == {"signal": 0, "published": again}, point
            old, entry = new, ("", str(load["run_id"]), new[0])
            assert (target.state(), target.ledger()) == (old, [entry]), point


def two_loads(folder: Path, run_id: str, *, second: list[tuple[Any, ...]]) -> tuple[Load, Load]:
    first = make_load(folder / "one", APRIL, table="profile", write="append", run_id=run_id)
    return first, make_load(folder / "two", second, table="other", run_id=run_id)


def test_several_loads_are_published_together_or_not_at_all(target: Target, tmp_path: Path) -> None:
    target.open().publish(make_load(tmp_path, MAY, run_id=FIRST))
    with pytest.raises(RunFailure) as failure:
        target.open().publish_all(two_loads(tmp_path / "bad", SECOND, second=[*MAY, MAY[0]]))
    assert failure.value.code == "key-not-unique" and failure.value.subject == "other"
    assert target.rows() == MAY and target.ledger() == [("", FIRST, 2)]
    loads = two_loads(tmp_path / "good", THIRD, second=MAY)
    assert target.open().publish_all(loads) == [Published(3), Published(2)]
    assert target.open().publish_all(loads) == [Published(3, was_there=True), Published(2, was_there=True)]
    assert target.rows() == [*APRIL, *MAY] and target.rows("other") == MAY


def test_a_table_of_another_schema_is_published_and_read(target: Target, tmp_path: Path) -> None:
    schema = f"marts_{tmp_path.name[-12:].replace('-', '_')}"
    load = make_load(tmp_path, APRIL, table=f"{schema}.profile")
    with pytest.raises(RunFailure) as failure:
        target.open().publish(load)
    assert failure.value.code == "missing-schema"
    target.run(failure.value.fix.removeprefix("run: ").rstrip(";"))
    assert target.open().publish(load) == Published(3)
    assert target.open().publish(replace(load, run_id=SECOND)) == Published(3)
    assert target.rows(f"{schema}.profile") == APRIL
    target.run(
        f"CREATE VIEW {schema}.shown AS SELECT month, contract, seconds FROM {schema}.profile WHERE contract > 'C000000'"
    )
    folder = tmp_path / "copy"
    folder.mkdir()
    declared = columns_of({"month": "string", "contract": "string", "seconds": "bigint"})
    assert target.open().copy(f"{schema}.shown", declared, folder).rows == 2
    with pytest.raises(RunFailure) as missing:
        target.open().verify("nowhere.shown", declared)
    assert missing.value.code == "missing-schema"


def test_a_changed_table_takes_the_load_that_it_did_not_fit(target: Target, tmp_path: Path) -> None:
    narrow = {"month": "string", "contract": "string", "seconds": "int"}
    wide = {"month": "string", "contract": "string", "seconds": "bigint", "note": "string"}
    target.open().publish(make_load(tmp_path, APRIL, narrow, run_id=FIRST))
    load = make_load(tmp_path, [(*row, None) for row in MAY], wide, run_id=SECOND)
    statements = [statement for _, statement in target.open().mismatches(load)]
    assert not any(map(may_lose, statements))
    with pytest.raises(RunFailure, match="changed in the meantime"):
        target.open().change(load, statements[:1])
    target.open().change(load, statements)
    assert target.rows() == [(*row, None) for row in APRIL]
    assert target.open().publish(load) == Published(2)
    back = make_load(tmp_path, APRIL, narrow, run_id=THIRD)
    assert all(may_lose(statement) for _, statement in target.open().mismatches(back))
