"""Tables that are made, and tables that are there and do not fit: each with the statement that mends it."""

from __future__ import annotations

import dataclasses
import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from etlrun.failures import RunFailure
from etlrun.language.columns import Columns

from .loads import Place, make_load, many
from .server import is_mysql

ROWS = many("2022-04", 2)
GOOD = {
    "month": "month VARCHAR(255) COLLATE utf8mb4_bin NOT NULL",
    "contract": "contract VARCHAR(255) COLLATE utf8mb4_bin NOT NULL",
    "seconds": "seconds BIGINT",
}
SHORT = {
    "month": "month VARCHAR(20) COLLATE utf8mb4_bin NOT NULL",
    "contract": "contract VARCHAR(20) COLLATE utf8mb4_bin NOT NULL",
}
UTF8 = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"


def table(
    *,
    key: str = "PRIMARY KEY (month, contract)",
    extra: str = "",
    options: str = "ENGINE=InnoDB CHARACTER SET utf8mb4",
    **columns: str,
) -> str:
    parts = [*({**GOOD, **columns}[name] for name in GOOD), *([extra] if extra else []), *([key] if key else [])]
    return f"CREATE TABLE profile ({', '.join(part for part in parts if part)}) {options}"


MISFITS = {
    "MyISAM": (table(**SHORT, options="ENGINE=MyISAM"), "its engine is MyISAM", "ALTER TABLE `profile` ENGINE=InnoDB"),
    "another key": (
        table(key="PRIMARY KEY (contract)"),
        "its primary key is (contract), and the key is (month, contract)",
        "ALTER TABLE `profile` DROP PRIMARY KEY, ADD PRIMARY KEY (`month`, `contract`)",
    ),
    "no key": (
        table(key=""),
        "its primary key is missing",
        "ALTER TABLE `profile` ADD PRIMARY KEY (`month`, `contract`)",
    ),
    "a column that must have a value": (
        table(extra="owner INT NOT NULL"),
        "a column `owner` that must have a value and is not published",
        "ALTER TABLE `profile` MODIFY COLUMN `owner` int NULL",
    ),
    "a column too few": (
        table(seconds=""),
        "it has no column `seconds`",
        "ALTER TABLE `profile` ADD COLUMN `seconds` BIGINT",
    ),
    "a shorter number": (
        table(seconds="seconds INT"),
        "`seconds` is int, and the pipeline publishes bigint",
        "ALTER TABLE `profile` MODIFY COLUMN `seconds` BIGINT",
    ),
    "an unsigned number": (
        table(seconds="seconds BIGINT UNSIGNED"),
        "`seconds` is bigint unsigned",
        "ALTER TABLE `profile` MODIFY COLUMN `seconds` BIGINT /* may cut or round values that are there */",
    ),
    "a computed column": (
        table(seconds="seconds BIGINT AS (1)"),
        "`seconds` is bigint generated",
        "ALTER TABLE `profile` DROP COLUMN `seconds`, ADD COLUMN `seconds` BIGINT /* its computed values are lost */",
    ),
    "a key of first letters": (
        table(key="PRIMARY KEY (month(3), contract)"),
        "its primary key is (month(3), contract), and the key is (month, contract)",
        "ALTER TABLE `profile` DROP PRIMARY KEY, ADD PRIMARY KEY (`month`, `contract`)",
    ),
    "a default that is no date": (
        table(extra="seen DATE NOT NULL DEFAULT '0000-00-00'"),
        "a column `seen` that has the default 0000-00-00, which is not a valid date, and is not published",
        "ALTER TABLE `profile` MODIFY COLUMN `seen` date NULL",
    ),
    "a default without a day": (
        table(extra="seen DATETIME DEFAULT '2022-05-00 00:00:00'"),
        "a column `seen` that has the default 2022-05-00 00:00:00, which is not a valid date, and is not published",
        "ALTER TABLE `profile` MODIFY COLUMN `seen` datetime NULL",
    ),
    "a year, where 22 would become 2022": (
        table(seconds="seconds YEAR"),
        "`seconds` is year",
        "ALTER TABLE `profile` MODIFY COLUMN `seconds` BIGINT",
    ),
    "latin1": (
        table(month="month VARCHAR(20) CHARACTER SET latin1 NOT NULL"),
        "`month` is varchar(20) latin1_swedish_ci",
        f"ALTER TABLE `profile` MODIFY COLUMN `month` VARCHAR(255) {UTF8} NOT NULL",
    ),
    "utf8mb3": (
        table(contract="contract VARCHAR(20) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin NOT NULL"),
        "`contract` is varchar(20) utf8mb3_bin",
        f"ALTER TABLE `profile` MODIFY COLUMN `contract` VARCHAR(255) {UTF8} NOT NULL",
    ),
    "a key without case": (
        table(contract="contract VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL"),
        "`contract` is varchar(20) utf8mb4_general_ci",
        f"ALTER TABLE `profile` MODIFY COLUMN `contract` VARCHAR(255) {UTF8} NOT NULL",
    ),
}


def without_widths(text: str) -> str:
    """MariaDB shows a width behind whole numbers, MySQL does not."""
    return re.sub(r"int\(\d+\)", "int", text)


@pytest.mark.parametrize("case", MISFITS)
def test_a_table_that_does_not_fit_is_told_with_the_statement_that_mends_it(
    place: Place, tmp_path: Path, case: str
) -> None:
    made, why, statement = MISFITS[case]
    place.run(made)
    before = place.run("SHOW CREATE TABLE profile")
    warehouse, load = place.warehouse(), make_load(tmp_path, ROWS)
    ((found, detail),) = [
        (problem, mend) for problem, mend in warehouse.mismatches(load) if why in without_widths(problem)
    ]
    assert without_widths(detail) == statement
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(load)
    assert failure.value.code == "table-mismatch" and found in failure.value.message and detail in failure.value.fix
    assert place.run("SHOW CREATE TABLE profile") == before
    for _, mend in warehouse.mismatches(load):
        place.run(mend)
    warehouse.publish(load)
    assert place.rows(columns="month, contract, seconds") == ROWS


def test_the_statements_work_in_the_order_in_which_they_are_told(place: Place, tmp_path: Path) -> None:
    place.run(
        "CREATE TABLE profile (shop VARCHAR(20) NOT NULL, month VARCHAR(20), PRIMARY KEY (shop)) CHARACTER SET utf8mb4"
    )
    warehouse, load = place.warehouse(), make_load(tmp_path, ROWS)
    for _, mend in warehouse.mismatches(load):
        place.run(mend)
    assert list(warehouse.mismatches(load)) == []
    warehouse.publish(load)
    assert place.rows(columns="month, contract, seconds") == ROWS


def test_a_decimal_of_more_digits_before_the_point_is_as_good(place: Place, tmp_path: Path) -> None:
    place.run("CREATE TABLE profile (id INT PRIMARY KEY, value DECIMAL(20,3)) ENGINE=InnoDB CHARACTER SET utf8mb4")
    rows = [(1, Decimal("-999999999.999")), (2, Decimal("0.010")), (3, None)]
    for loader in ("insert", "load_data"):
        load = make_load(
            tmp_path, rows, {"id": "int", "value": "decimal(12,3)"}, key=("id",), run_id=f"20220501T000000Z-{loader}"
        )
        place.warehouse(loader=loader).publish(load)
        assert place.rows() == rows


NARROWER = {
    "a decimal of fewer digits": (
        "decimal(12,3)",
        "DECIMAL(11,3)",
        "decimal(11,3)",
        "DECIMAL(12, 3)",
        Decimal("999999999.999"),
    ),
    "a decimal of fewer digits after the point": (
        "decimal(12,3)",
        "DECIMAL(12,2)",
        "decimal(12,2)",
        "DECIMAL(12, 3)",
        Decimal("0.001"),
    ),
    "a decimal of more digits after the point and fewer before": (
        "decimal(12,3)",
        "DECIMAL(12,4)",
        "decimal(12,4)",
        "DECIMAL(12, 3)",
        Decimal("999999999.999"),
    ),
    "a whole number for a decimal": ("decimal(12,3)", "BIGINT", "bigint", "DECIMAL(12, 3)", Decimal("0.500")),
    "a whole number for a fraction": ("double", "BIGINT", "bigint", "DOUBLE", 0.5),
    "a short fraction for a fraction": ("double", "FLOAT", "float", "DOUBLE", 0.1),
    "a decimal for a fraction": ("double", "DECIMAL(30,10)", "decimal(30,10)", "DOUBLE", 1e-12),
    "a fraction for a decimal": ("decimal(38,10)", "DOUBLE", "double", "DECIMAL(38, 10)", Decimal("0.1000000001")),
    "a fraction for a whole number": ("bigint", "DOUBLE", "double", "BIGINT", 2**53 + 1),
    "a time without a fraction": (
        "timestamp",
        "DATETIME",
        "datetime",
        "DATETIME(6)",
        datetime(2022, 4, 1, 23, 59, 59, 999_999),
    ),
    "a time of milliseconds": (
        "timestamp",
        "DATETIME(3)",
        "datetime(3)",
        "DATETIME(6)",
        datetime(2022, 4, 1, 23, 59, 59, 999_999),
    ),
    "a time that knows a zone": ("timestamp", "TIMESTAMP(6) NULL", "timestamp(6)", "DATETIME(6)", datetime(1900, 1, 1)),
    "a date for a time": ("timestamp", "DATE", "date", "DATETIME(6)", datetime(2022, 4, 1, 12)),
    "a time for a date": ("date", "DATETIME(6)", "datetime(6)", "DATE", date(2022, 4, 1)),
    "a short text for bytes": ("binary", "VARCHAR(9)", "varchar(9)", "LONGBLOB", b"\xff"),
}


WIDENED = (
    "a decimal of fewer digits",
    "a short fraction for a fraction",
    "a time without a fraction",
    "a time of milliseconds",
    "a time that knows a zone",
    "a date for a time",
)


@pytest.mark.parametrize("case", NARROWER)
@pytest.mark.parametrize("loader", ["insert", "load_data"])
def test_a_column_that_would_not_keep_every_value_is_told_before_anything_is_sent(
    place: Place, tmp_path: Path, case: str, loader: str
) -> None:
    kind, made, found, wanted, value = NARROWER[case]
    place.run(
        f"CREATE TABLE profile (id INT PRIMARY KEY, value {made}) ENGINE=InnoDB CHARACTER SET utf8mb4",
        "INSERT INTO profile VALUES (1, NULL)",
    )
    before = place.run("SHOW CREATE TABLE profile")
    warehouse, load = (
        place.warehouse(loader=loader),
        make_load(tmp_path, [(2, value)], {"id": "int", "value": kind}, key=("id",)),
    )
    ((why, mend),) = warehouse.mismatches(load)
    assert without_widths(why).startswith(f"`value` is {found}") and why.endswith(
        f", and the pipeline publishes {kind}"
    )
    says_loss = "" if case in WIDENED else " /* may cut or round values that are there */"
    assert mend == f"ALTER TABLE `profile` MODIFY COLUMN `value` {wanted}{says_loss}"
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(load)
    assert failure.value.code == "table-mismatch" and why in failure.value.message
    assert (place.run("SHOW CREATE TABLE profile"), place.rows()) == (before, [(1, None)])
    place.run(mend)
    warehouse.publish(load)
    assert place.rows() == [(2, value)]


def test_a_view_is_not_published_to(place: Place, tmp_path: Path) -> None:
    place.run(table(), "RENAME TABLE profile TO base", "CREATE VIEW profile AS SELECT * FROM base")
    load = make_load(tmp_path, ROWS)
    assert place.warehouse().mismatches(load) == [("`profile` is a view", "RENAME TABLE `profile` TO `profile_view`")]
    place.run("RENAME TABLE `profile` TO `profile_view`")
    place.warehouse().publish(load)
    assert place.rows() == ROWS


def test_a_sequence_is_called_one(place: Place, tmp_path: Path) -> None:
    if is_mysql():
        return
    place.run("CREATE SEQUENCE profile")
    load = make_load(tmp_path, ROWS)
    ((why, mend),) = place.warehouse().mismatches(load)
    assert (why, mend) == ("`profile` is a sequence", "RENAME TABLE `profile` TO `profile_sequence`")
    place.run(mend)
    place.warehouse().publish(load)
    assert place.rows() == ROWS


@pytest.mark.parametrize("write", ["replace", "merge"])
@pytest.mark.parametrize(
    "rows", ["", ", a TIMESTAMP(6) AS ROW START, b TIMESTAMP(6) AS ROW END, PERIOD FOR SYSTEM_TIME (a, b)"]
)
def test_a_table_that_keeps_its_history_is_published_to(place: Place, tmp_path: Path, rows: str, write: str) -> None:
    if is_mysql():
        return
    ends = rows.replace(" AS ROW", " GENERATED ALWAYS AS ROW").removeprefix(", ")
    place.run(f"{table(extra=ends)} WITH SYSTEM VERSIONING")
    warehouse = place.warehouse()
    warehouse.publish(make_load(tmp_path, ROWS, run_id="20220501T000000Z-a"))
    warehouse.publish(make_load(tmp_path, ROWS, write=write, run_id="20220502T000000Z-b"))  # type: ignore[arg-type]
    assert place.rows(columns="month, contract, seconds") == ROWS
    assert place.run("SELECT COUNT(*) FROM profile FOR SYSTEM_TIME ALL") == [(2 * len(ROWS),)]


def test_a_partitioned_table_is_published_to_and_a_missing_partition_is_named(place: Place, tmp_path: Path) -> None:
    declared = {"id": "int", "seconds": "int"}
    place.run(
        "CREATE TABLE profile (id INT PRIMARY KEY, seconds INT) ENGINE=InnoDB PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (9))"
    )
    place.warehouse().publish(make_load(tmp_path, [(1, 1)], declared, key=("id",), run_id="20220501T000000Z-a"))
    with pytest.raises(RunFailure, match="no partition for a value"):
        place.warehouse().publish(make_load(tmp_path, [(9, 1)], declared, key=("id",), run_id="20220502T000000Z-b"))
    assert place.rows() == [(1, 1)]


def test_a_zero_is_no_order_to_count(place: Place, tmp_path: Path) -> None:
    place.run("CREATE TABLE profile (id INT AUTO_INCREMENT PRIMARY KEY, seconds INT) ENGINE=InnoDB")
    rows = [(0, 1), (1, 1), (5, 2)]
    place.warehouse().publish(make_load(tmp_path, rows, {"id": "int", "seconds": "int"}, key=("id",)))
    assert place.rows() == rows


def test_a_column_of_the_condition_must_tell_case_apart(place: Place, tmp_path: Path) -> None:
    place.run("CREATE TABLE profile (id INT PRIMARY KEY, month VARCHAR(9) COLLATE utf8mb4_general_ci) ENGINE=InnoDB")
    load = make_load(tmp_path, [(1, "A")], {"id": "int", "month": "string"}, key=("id",), where="month = 'A'")
    ((why, mend),) = place.warehouse().mismatches(load)
    assert why == "`month` is varchar(9) utf8mb4_general_ci, and the pipeline publishes string"
    assert mend == f"ALTER TABLE `profile` MODIFY COLUMN `month` VARCHAR(255) {UTF8}"


def test_a_missing_table_is_no_mismatch_and_is_made_with_types_key_and_comments(place: Place, tmp_path: Path) -> None:
    columns = (
        ("Contract", "string"),
        ("day", "date"),
        ("Tổng", "bigint"),
        ("taste", "string"),
        ("share", "float"),
        ("paid", "boolean"),
        ("at", "timestamp"),
    )
    rows = [("A", None, 1, "x", 0.5, True, None)]
    load = make_load(
        tmp_path, rows, dict(columns), key=("Contract",), description="who watched what, 100% of it\\ 'all'"
    )
    described = Columns(
        tuple(
            dataclasses.replace(item, description="tổng số giây") if item.name == "Tổng" else item
            for item in load.columns
        )
    )
    load = dataclasses.replace(load, columns=described)
    assert place.warehouse().mismatches(load) == []
    assert place.warehouse().columns("profile") is None
    place.warehouse().publish(load)
    found = place.run(
        "SELECT column_name, column_type, collation_name, column_key, column_comment FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND table_name = 'profile' ORDER BY ordinal_position"
    )
    assert [(name, without_widths(kind), *rest) for name, kind, *rest in found] == [
        ("Contract", "varchar(255)", "utf8mb4_bin", "PRI", ""),
        ("day", "date", None, "", ""),
        ("Tổng", "bigint", None, "", "tổng số giây"),
        ("taste", "text", "utf8mb4_bin", "", ""),
        ("share", "double", None, "", ""),
        ("paid", "tinyint", None, "", ""),
        ("at", "datetime(6)", None, "", ""),
    ]
    ((engine, comment),) = place.run(
        "SELECT engine, table_comment FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'profile'"
    )
    assert (engine, comment) == ("InnoDB", "who watched what, 100% of it\\ 'all'")
    assert place.warehouse().mismatches(load) == []


@pytest.mark.parametrize("count", [1, 3, 4, 16])
def test_keys_of_several_texts_share_the_bytes_of_an_index(place: Place, tmp_path: Path, count: int) -> None:
    declared = {f"k{number}": "string" for number in range(count)}
    place.warehouse().publish(make_load(tmp_path, [("x",) * count], declared, key=tuple(declared)))
    (length,) = set(
        place.run(
            "SELECT character_maximum_length FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'profile'"
        )
    )
    assert length == (min(255, 768 // count),)


def test_names_with_marks_and_reserved_words_name_columns(place: Place, tmp_path: Path) -> None:
    declared = {
        "select": "int",
        "a`b": "string",
        "Loại giải trí": "string",
        "50% of %s": "string",
        'it\'s "x"': "double",
    }
    rows = [(1, "a", "b", "c", 0.5), (2, None, None, None, None)]
    for loader in ("insert", "load_data"):
        load = make_load(
            tmp_path, rows, declared, key=("select",), table=f"order_{loader}", where="`a``b` = 'a' or `a``b` is null"
        )
        place.warehouse(loader=loader).publish(load)
        assert sorted(place.run(f"SELECT * FROM order_{loader}")) == rows


@pytest.mark.parametrize(
    ("name", "kind", "why"),
    [
        ("😀", "int", "has no emoji"),
        (" ", "int", "does not end with a space"),
        ("part", "decimal(38,31)", "at most 30 digits after the point"),
    ],
)
def test_what_no_table_can_hold_is_refused_ahead(place: Place, tmp_path: Path, name: str, kind: str, why: str) -> None:
    load = make_load(tmp_path, [], {"id": "int", name: kind}, key=("id",))
    with pytest.raises(RunFailure, match=why):
        place.warehouse().mismatches(load)


def test_wider_columns_take_what_is_published(place: Place, tmp_path: Path) -> None:
    place.run(
        "CREATE TABLE profile (id BIGINT PRIMARY KEY, name LONGTEXT, short VARCHAR(3), many INT, seen INT DEFAULT 7, serial INT AUTO_INCREMENT UNIQUE) "
        "ENGINE=InnoDB CHARACTER SET utf8mb4"
    )
    load = make_load(
        tmp_path,
        [(1, "a", "abc", 5)],
        {"ID": "int", "name": "string", "short": "string", "many": "tinyint"},
        key=("ID",),
    )
    place.warehouse().publish(load)
    assert place.rows() == [(1, "a", "abc", 5, 7, 1)]


def test_an_account_without_the_right_to_make_tables_is_told_the_statement(place: Place, tmp_path: Path) -> None:
    user = f"reader_{place.database}"
    place.run(
        f"CREATE USER {user}@'%' IDENTIFIED BY 'x1'",
        f"GRANT SELECT, INSERT, DELETE ON {place.database}.* TO {user}@'%'",
    )
    load = make_load(tmp_path, ROWS)
    with pytest.raises(RunFailure) as failure:
        place.warehouse(user=user, password="x1").publish(load)
    assert failure.value.code == "no-right"
    statement = failure.value.fix.split("run: ", 1)[1]
    assert statement == f"GRANT CREATE ON `{place.database}`.* TO '{user}'@'%';"
    place.run(statement.rstrip(";"))
    place.warehouse(user=user, password="x1").publish(load)
    assert place.rows() == ROWS


def test_the_columns_of_a_table_have_the_types_of_a_relation(place: Place) -> None:
    place.run(
        "CREATE TABLE t (a INT UNSIGNED, b BIGINT UNSIGNED, c TINYINT(1), d TINYINT, e ENUM('x'), f DECIMAL(40,2), g VARBINARY(3), h TIMESTAMP NULL, "
        "i YEAR, j FLOAT, k MEDIUMINT NOT NULL, l TIME)"
    )
    assert [(column.name, str(column.type), column.nullable) for column in place.warehouse().columns("t") or ()] == [
        ("a", "bigint", True),
        ("b", "decimal(20,0)", True),
        ("c", "boolean", True),
        ("d", "tinyint", True),
        ("e", "string", True),
        ("g", "binary", True),
        ("h", "timestamptz", True),
        ("i", "int", True),
        ("j", "float", True),
        ("k", "int", False),
    ]


def test_columns_are_found_whatever_their_case(place: Place, tmp_path: Path) -> None:
    place.run(
        "CREATE TABLE profile (CONTRACT VARCHAR(9) COLLATE utf8mb4_bin PRIMARY KEY, Seconds BIGINT) ENGINE=InnoDB"
    )
    place.warehouse().publish(
        make_load(tmp_path, [("A", 1)], {"contract": "string", "seconds": "bigint"}, key=("Contract",))
    )
    assert place.rows() == [("A", 1)]
