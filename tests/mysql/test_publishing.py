"""What each way of writing leaves in the table and in the ledger."""

from __future__ import annotations

import datetime
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from etlrun.contracts.connection import Published
from etlrun.failures import RunFailure
from etlrun.language.columns import STRING
from etlrun.warehouse.stage import Stage, StageField, open_stages

from .loads import Place, make_load, many

APRIL, MAY = many("2022-04", 3), many("2022-05", 2)
LOADERS = pytest.mark.parametrize("loader", ["insert", "load_data"])
FIRST, SECOND, THIRD = ("20220501T000000Z-a", "20220502T000000Z-b", "20220503T000000Z-c")


def test_merge_of_a_thousand_keys_of_odd_types(place: Place, tmp_path: Path) -> None:
    declared = {"name": "string", "day": "date", "flag": "boolean", "value": "double"}

    def rows(value: float) -> list[tuple[object, ...]]:
        start = datetime.date(2022, 1, 1)
        return [
            (f"o'\\{number}", start + datetime.timedelta(number % 7), number % 2 == 0, value) for number in range(1200)
        ]

    warehouse = place.warehouse()
    warehouse.publish(make_load(tmp_path, rows(0.5), declared, key=("name", "day", "flag"), run_id=FIRST))
    warehouse.publish(
        make_load(tmp_path, rows(1.5)[:1100], declared, key=("name", "day", "flag"), write="merge", run_id=SECOND)
    )
    assert place.run("SELECT value, COUNT(*) FROM profile GROUP BY value ORDER BY value") == [(0.5, 100), (1.5, 1100)]


def test_merge_by_decimals_that_one_double_would_stand_for(place: Place, tmp_path: Path) -> None:
    declared = {"id": "decimal(38,2)", "value": "int"}
    old = [(Decimal(f"900719925474099{number}.0{number}"), 1) for number in range(4)]
    warehouse = place.warehouse()
    warehouse.publish(make_load(tmp_path, old, declared, key=("id",), run_id=FIRST))
    warehouse.publish(
        make_load(tmp_path, [(old[1][0], 2), (Decimal("1.10"), 2)], declared, key=("id",), write="merge", run_id=SECOND)
    )
    assert sorted(place.rows()) == [(Decimal("1.10"), 2), old[0], (old[1][0], 2), *old[2:]]


def test_merge_does_not_replace_a_key_of_others_that_differs_in_blanks(place: Place, tmp_path: Path) -> None:
    place.run("CREATE TABLE profile (name VARCHAR(9) COLLATE utf8mb4_bin PRIMARY KEY, value INT) ENGINE=InnoDB")
    place.run("INSERT INTO profile VALUES ('A ', 1), ('B', 1)")
    declared = {"name": "string", "value": "int"}
    with pytest.raises(RunFailure) as failure:
        place.warehouse().publish(make_load(tmp_path, [("A", 2)], declared, key=("name",), write="merge"))
    assert failure.value.code == "key-exists"
    assert place.rows() == [("A ", 1), ("B", 1)]


def test_merge_finds_its_keys_by_the_index(place: Place, tmp_path: Path) -> None:
    load = make_load(tmp_path, many("2022-04", 20_000))
    warehouse = place.warehouse()
    warehouse.publish(load)
    stage = Stage(load, open_stages(tmp_path))
    fields = tuple(StageField(name, STRING, stage.staged(name), False, False) for name in load.key)
    (keys, *_) = [*stage.keys(warehouse.server, fields)]
    stage.close()
    same = " OR ".join(keys)
    (plan,) = place.run(f"EXPLAIN DELETE FROM profile WHERE {same}")
    assert "range" in plan and "PRIMARY" in plan


def test_stages_of_one_publish_share_a_database_and_each_has_its_own_rows(tmp_path: Path) -> None:
    with closing(open_stages(tmp_path)) as stages:
        loads = [make_load(tmp_path / name, many("2022-04", rows)) for name, rows in (("few", 3), ("more", 5))]
        few, more = (Stage(load, stages) for load in loads)
        read = few.batches("c0", ("c0",))
        assert (few.one("SELECT count(*) FROM stage"), more.one("SELECT count(*) FROM stage")) == ((3,), (5,))
        assert sum(len(batch) for batch in read) == 3
        few.close()
        assert sum(len(batch) for batch in more.batches("c0", ("c0",))) == 5


def test_the_same_run_again_changes_nothing(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    load = make_load(tmp_path, APRIL)
    warehouse.publish(load)
    place.run("UPDATE profile SET seconds = 7 WHERE contract = 'C000001'")
    assert warehouse.publish(load) == Published(3, was_there=True)
    assert ("2022-04", "C000001", 7) in place.rows()


@pytest.mark.parametrize("write", ["replace", "merge"])
def test_an_older_run_does_not_replace_the_rows_of_a_newer_one(place: Place, tmp_path: Path, write: str) -> None:
    warehouse = place.warehouse()
    warehouse.publish(make_load(tmp_path, MAY, run_id=SECOND))
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(make_load(tmp_path, APRIL, write=write, run_id=FIRST))
    assert failure.value.code == "newer-run" and SECOND in failure.value.message
    assert place.rows() == MAY


def test_runs_of_the_same_second_replace_each_other_in_any_order(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    warehouse.publish(make_load(tmp_path, APRIL, run_id="20220501T000000Z-f"))
    warehouse.publish(make_load(tmp_path, MAY, run_id="20220501T000000Z-0"))
    assert place.rows() == MAY


def test_an_older_month_is_published_after_a_newer_run_of_another_month(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    warehouse.publish(make_load(tmp_path, MAY, where="month = '2022-05'", run_id=SECOND))
    warehouse.publish(make_load(tmp_path, APRIL, where="month = '2022-04'", run_id=FIRST))
    assert place.rows() == [*APRIL, *MAY]


def test_an_older_month_is_refused_after_a_newer_run_of_the_whole_table(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    warehouse.publish(make_load(tmp_path, MAY, run_id=SECOND))
    with pytest.raises(RunFailure, match=SECOND):
        warehouse.publish(make_load(tmp_path, APRIL, where="month = '2022-04'", run_id=FIRST))
    assert place.rows() == MAY


@LOADERS
def test_rows_outside_the_condition_are_refused(place: Place, tmp_path: Path, loader: str) -> None:
    warehouse = place.warehouse(loader=loader)
    warehouse.publish(make_load(tmp_path, APRIL, where="month = '2022-04'", run_id=FIRST))
    with pytest.raises(RunFailure, match="2 rows of 4") as failure:
        warehouse.publish(make_load(tmp_path, [*many("2022-04", 2, 8), *MAY], where="month = '2022-04'", run_id=SECOND))
    assert failure.value.fix == "the rows must fulfil the condition of `replace_where`"
    assert place.rows() == APRIL
    assert place.ledger() == [("`month` = '2022-04'", FIRST, 3)]


def test_no_rows_replace_all_rows(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    warehouse.publish(make_load(tmp_path, APRIL, run_id=FIRST))
    assert warehouse.publish(make_load(tmp_path, [], run_id=SECOND)) == Published(0)
    assert place.rows() == []


def test_a_condition_may_join_comparisons_of_every_type(place: Place, tmp_path: Path) -> None:
    declared = {"id": "int", "day": "date", "flag": "boolean", "value": "double", "name": "string"}
    old = [
        (1, datetime.date(2022, 4, 1), True, 1.5, "a"),
        (2, datetime.date(2022, 5, 1), False, 2.5, "b"),
        (3, None, None, None, None),
    ]
    where = "(day >= date '2022-04-01' and day < date '2022-05-01' and flag and value between -1 and 2 and name in ('a', 'b')) or name is null"
    warehouse = place.warehouse()
    warehouse.publish(make_load(tmp_path, old, declared, key=("id",), run_id=FIRST))
    warehouse.publish(
        make_load(
            tmp_path,
            [(4, datetime.date(2022, 4, 2), True, -0.5, "b")],
            declared,
            key=("id",),
            where=where,
            run_id=SECOND,
        )
    )
    assert place.rows(columns="id, name") == [(2, "b"), (4, "b")]


def test_a_condition_that_servers_take_in_another_way_is_refused_before_anything_happens(
    place: Place, tmp_path: Path
) -> None:
    load = make_load(tmp_path, APRIL, where="upper(month) = '2022-04'")
    with pytest.raises(RunFailure, match="UPPER") as failure:
        place.warehouse().mismatches(load)
    assert (
        failure.value.fix
        == "in `replace_where` compare columns with constants of the same type; compute anything else into a column first"
    )


def test_the_ledger_tells_what_was_published(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    assert warehouse.entries() == []
    warehouse.publish(make_load(tmp_path, APRIL, run_id=FIRST))
    (entry,) = warehouse.entries()
    assert (entry.table, entry.period, entry.run_id, entry.pipeline, entry.write) == (
        "profile",
        "",
        FIRST,
        "interaction",
        "replace",
    )
    assert (entry.rows, len(entry.checksum), entry.spec_hash, entry.finished_at[-1]) == (3, 16, "0123", "Z")


def test_a_period_of_any_length_is_told_apart(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    many_values = ", ".join(f"'C{number:06}'" for number in range(300))
    where = f"month = '2022-04' and contract in ({many_values})"
    load = make_load(tmp_path, APRIL, where=where, run_id=FIRST)
    warehouse.publish(load)
    assert warehouse.publish(load).was_there is True
    assert (
        warehouse.publish(
            make_load(tmp_path, APRIL, where=where.replace("C000299", "C000298"), run_id=SECOND)
        ).was_there
        is False
    )
