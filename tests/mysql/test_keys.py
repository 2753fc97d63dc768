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
    rows, count, detail = TWINS[case]
    load = make_load(tmp_path, rows, {"contract": "string", "seconds": "bigint"}, key=("contract",))
    with pytest.raises(RunFailure) as failure:
        place.warehouse().publish(load)
    why = "`contract` ends with a space, and MySQL ignores spaces at the end of a key"
    assert failure.value.message == f"the table `profile` was not published: {count} {why}, e.g. where {detail}"


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
@pytest.mark.parametrize("write", ["replace", "append"])
def test_a_second_unique_key_of_the_table_holds(place: Place, tmp_path: Path, loader: str, write: str) -> None:
    warehouse = place.warehouse(loader=loader)
    warehouse.publish(make_load(tmp_path, [("2022-04", "A", 1)], run_id=FIRST))
    place.run("ALTER TABLE profile ADD UNIQUE of_seconds (seconds)")
    rows = [("2022-05", "A", 2), ("2022-05", "B", 2)]
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(make_load(tmp_path, rows, write=write, run_id=SECOND))  # type: ignore[arg-type]
    assert failure.value.code == "key-not-unique"
    why = "2 rows have `seconds` = 2, and the unique key `of_seconds` (seconds) of the table allows one"
    assert failure.value.message == f"the table `profile` was not published: {why}"
    assert place.rows() == [("2022-04", "A", 1)]
    place.run("ALTER TABLE `profile` DROP INDEX `of_seconds`")
    assert failure.value.fix.endswith("ALTER TABLE `profile` DROP INDEX `of_seconds`")
    warehouse.publish(make_load(tmp_path, rows, run_id=SECOND))
    assert place.rows() == rows


ALIKE = {
    "case": ("ký", "KÝ", "utf8mb4_general_ci", "key-not-unique"),
    "accents": ("ky", "ký", "utf8mb4_unicode_ci", "key-not-unique"),
    "a blank": ("ky", "ky ", "utf8mb4_bin", "key-not-unique"),
    "what only the collation knows": ("ß", "ss", "utf8mb4_unicode_ci", "key-exists"),
}


@LOADERS
@pytest.mark.parametrize("case", ALIKE)
def test_new_rows_that_a_collation_takes_for_equal_are_named(
    place: Place, tmp_path: Path, loader: str, case: str
) -> None:
    one, other, collation, code = ALIKE[case]
    place.run(
        f"CREATE TABLE profile (id INT PRIMARY KEY, v VARCHAR(10) COLLATE {collation}, UNIQUE (v)) ENGINE=InnoDB CHARSET utf8mb4",
        "INSERT INTO profile VALUES (9, 'old')",
    )
    load = make_load(tmp_path, [(1, one), (2, other), (3, "x")], {"id": "int", "v": "string"}, key=("id",))
    with pytest.raises(RunFailure) as failure:
        place.warehouse(loader=loader).publish(load)
    assert failure.value.code == code
    assert f"the collation {collation} of `v` ignores " in failure.value.message
    if code == "key-not-unique":
        assert "two of the new rows are equal in the unique key `v` (v) of the table: `v` = " in failure.value.message
    assert place.rows() == [(9, "old")]
    if "ALTER TABLE" in failure.value.fix:
        place.run(failure.value.fix[failure.value.fix.index("ALTER TABLE") :])
        place.warehouse(loader=loader).publish(load)
        assert place.rows() == [(1, one), (2, other), (3, "x")]


@LOADERS
def test_a_unique_key_that_a_row_outside_of_what_is_replaced_has(place: Place, tmp_path: Path, loader: str) -> None:
    place.run(
        "CREATE TABLE profile (id INT PRIMARY KEY, v INT, UNIQUE (v)) ENGINE=InnoDB",
        "INSERT INTO profile VALUES (9, 7)",
    )
    load = make_load(tmp_path, [(1, 7)], {"id": "int", "v": "int"}, key=("id",), write="merge")
    with pytest.raises(RunFailure) as failure:
        place.warehouse(loader=loader).publish(load)
    assert failure.value.code == "key-exists"
    assert (
        "equal in the unique key `v` (v) of the table to another new row, or to a row that is not replaced"
        in failure.value.message
    )
    assert place.rows() == [(9, 7)]


def test_a_unique_key_of_first_letters_is_named_with_them(place: Place, tmp_path: Path) -> None:
    place.run(
        "CREATE TABLE profile (id INT PRIMARY KEY, v VARCHAR(20) COLLATE utf8mb4_bin, UNIQUE KEY few (v(3))) CHARACTER SET utf8mb4"
    )
    load = make_load(tmp_path, [(1, "kỳ 1"), (2, "kỳ 2")], {"id": "int", "v": "string"}, key=("id",))
    with pytest.raises(RunFailure) as failure:
        place.warehouse().publish(load)
    assert failure.value.code == "key-not-unique"
    assert "equal in the unique key `few` (v(3)) of the table: `v` = k*** and `v` = k***" in failure.value.message
    assert "the key holds only the first 3 characters of `v`" in failure.value.message
    place.run(failure.value.fix.removeprefix("reduce them to one row first, or run: "))
    place.warehouse().publish(load)
    assert len(place.rows()) == 2
