"""Two rows of one key are never published, and what MySQL takes for one key is two only where the table says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from etlrun.failures import RunFailure

from .loads import Place, make_load
from .server import is_mysql
from .test_values import FIRST, LOADERS, SECOND

TWINS = {
    "beside itself without": (
        [("HNH579912 ", 1), ("HNH579912", 2), ("B ", 3)],
        "in 2 rows",
        "`contract` = HN******2 ; another row has `contract` = HN*****12",
    ),
    "beside itself with more": (
        [("A  ", 1), ("A ", 2)],
        "in 2 rows",
        "`contract` = A*; another row has `contract` = A**",
    ),
    "alone": ([("HNH579912 ", 1), ("HNH579913", 2)], "in 1 row", "`contract` = HN******2 "),
}


@pytest.mark.parametrize("case", TWINS)
def test_a_key_that_ends_with_a_space_is_named_with_its_twin(place: Place, tmp_path: Path, case: str) -> None:
    rows, count, said = TWINS[case]
    load = make_load(tmp_path, rows, {"contract": "string", "seconds": "bigint"}, key=("contract",))
    with pytest.raises(RunFailure) as failure:
        place.warehouse().publish(load)
    why = "`contract` ends with a space, which MySQL takes for the same key as without"
    assert failure.value.message == f"the table `profile` was not published: {count} {why}, e.g. where {said}"


def test_a_twin_has_the_same_values_in_the_other_columns_of_the_key(place: Place, tmp_path: Path) -> None:
    rows = [("2022-04", 1, "A ", 1), ("2022-04", 2, "A", 1), ("2022-05 ", 3, "B ", 1), ("2022-05", 3, "B", 1)]
    declared = {"month": "string", "day": "int", "contract": "string", "seconds": "bigint"}
    with pytest.raises(RunFailure) as failure:
        place.warehouse().publish(make_load(tmp_path, rows, declared, key=("month", "day", "contract")))
    twins = (
        "`month` = 20****5 , `day` = 3, `contract` = B*; another row has `month` = 20***05, `day` = 3, `contract` = B"
    )
    assert failure.value.message.endswith(twins)


@LOADERS
def test_two_rows_of_one_key_are_refused_with_the_key(place: Place, tmp_path: Path, loader: str) -> None:
    warehouse = place.warehouse(loader=loader)
    warehouse.publish(make_load(tmp_path, [("2022-04", "OLD", 1)], run_id=FIRST))
    rows = [("2022-05", "A", 1), ("2022-05", "HNH579912", 1), ("2022-05", "HNH579912", 2)]
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(make_load(tmp_path, rows, run_id=SECOND))
    assert failure.value.code == "key-not-unique"
    assert (
        failure.value.message
        == "the table `profile` was not published: 2 rows have `month` = 20***05, `contract` = HN*****12"
    )
    assert place.rows() == [("2022-04", "OLD", 1)]


@LOADERS
def test_keys_that_differ_in_case_or_accents_only_are_two_keys(place: Place, tmp_path: Path, loader: str) -> None:
    rows = [("k", key, 1) for key in ("NHAT KY", "nhat ky", "nha\u0323\u0302t ky\u0301", "nhật ký")]
    place.warehouse(loader=loader).publish(make_load(tmp_path, rows))
    assert place.rows() == sorted(rows, key=repr)


@LOADERS
def test_keys_that_differ_in_a_space_at_the_end_are_two_keys_where_the_collation_says_so(
    place: Place, tmp_path: Path, loader: str
) -> None:
    collation = "utf8mb4_0900_bin" if is_mysql() else "utf8mb4_nopad_bin"
    place.run(
        f"CREATE TABLE profile (contract VARCHAR(20) COLLATE {collation} PRIMARY KEY, seconds BIGINT) ENGINE=InnoDB"
    )
    rows = [(key, 1) for key in ("A", "A ", "a", "ký", "KÝ")]
    declared = {"contract": "string", "seconds": "bigint"}
    warehouse = place.warehouse(loader=loader)
    warehouse.publish(make_load(tmp_path, rows, declared, key=("contract",), run_id=FIRST))
    warehouse.publish(make_load(tmp_path, [("A ", 2)], declared, key=("contract",), write="merge", run_id=SECOND))
    assert place.rows() == sorted([("A", 1), ("A ", 2), ("a", 1), ("ký", 1), ("KÝ", 1)], key=repr)


@LOADERS
def test_a_key_that_is_there_outside_of_what_is_replaced_is_refused(place: Place, tmp_path: Path, loader: str) -> None:
    warehouse = place.warehouse(loader=loader)
    warehouse.publish(
        make_load(tmp_path, [("2022-04", "A", 1)], key=("contract",), where="month = '2022-04'", run_id=FIRST)
    )
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(
            make_load(
                tmp_path,
                [("2022-05", "A", 1), ("2022-05", "B", 1)],
                key=("contract",),
                where="month = '2022-05'",
                run_id=SECOND,
            )
        )
    assert failure.value.code == "key-exists"
    assert place.rows() == [("2022-04", "A", 1)]


@LOADERS
def test_a_second_unique_key_of_the_table_holds(place: Place, tmp_path: Path, loader: str) -> None:
    warehouse = place.warehouse(loader=loader)
    warehouse.publish(make_load(tmp_path, [("2022-04", "A", 1)], run_id=FIRST))
    place.run("ALTER TABLE profile ADD UNIQUE (seconds)")
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(make_load(tmp_path, [("2022-04", "A", 2), ("2022-04", "B", 2)], run_id=SECOND))
    assert failure.value.code == "key-exists"
    assert place.rows() == [("2022-04", "A", 1)]
