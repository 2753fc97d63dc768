"""Every value arrives as it is, or nothing is published and the message names the column and a key."""

from __future__ import annotations

import datetime
import math
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from etlrun.failures import RunFailure
from etlrun.warehouse.proof import state_of
from etlrun.warehouse.stage import StageField

from .authority import Authority
from .loads import Place, Rows, columns_of, make_load
from .server import Server
from .test_reading import read_files

LOADERS = pytest.mark.parametrize("loader", ["insert", "load_data"])
FIRST, SECOND = "20220501T000000Z-a", "20220502T000000Z-b"
TEXTS = [
    "",
    None,
    "NULL",
    "\\N",
    "\\",
    "\\\\",
    "\\n",
    "a\\",
    "'",
    '"',
    "''",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "a\0b",
    "\x1a",
    "\x08",
    "\x7f",
    "😀",
    "👨‍👩‍👧‍👦",
    "nhật ký",
    "nha\u0323\u0302t ky\u0301",
    "\u0301",
    "\ufeffbom",
    "\u2028",
    "\u202e rtl",
    "\U0010ffff",
    "%s %(x)s %%",
    "; DROP TABLE t; --",
    "/*!50000 x*/",
    " lead",
    "trail ",
    "=1+1",
    "\u200b",
    "é",
    "e\u0301",
    "日本語",
    "ÿ",
    "a,b",
    "\x00\x01\x02" * 3,
    "x" * 5000,
]
EVERY_TYPE = {
    "id": "int",
    "flag": "boolean",
    "tiny": "tinyint",
    "small": "smallint",
    "big": "bigint",
    "single": "float",
    "whole": "double",
    "money": "decimal(12,3)",
    "part": "decimal(5,5)",
    "huge": "decimal(38,10)",
    "name": "string",
    "bytes": "binary",
    "day": "date",
    "at": "timestamp",
}
EDGES: Rows = [
    (
        1,
        True,
        127,
        32767,
        2**63 - 1,
        3.4028234663852886e38,
        math.pi,
        Decimal("999999999.999"),
        Decimal("0.99999"),
        Decimal("9" * 28 + "." + "9" * 10),
        "nhật ký",
        b"\x00\xff\\\t\n'",
        datetime.date(9999, 12, 31),
        datetime.datetime(9999, 12, 31, 23, 59, 59, 999999),
    ),
    (
        2,
        False,
        -128,
        -32768,
        -(2**63),
        1.401298464324817e-45,
        5e-324,
        Decimal("-0.001"),
        Decimal("0.00000"),
        Decimal("-0.0000000001"),
        "",
        b"",
        datetime.date(1, 1, 1),
        datetime.datetime(1, 1, 1),
    ),
    (3, None, None, None, None, None, None, None, None, None, None, None, None, None),
    (
        4,
        True,
        0,
        0,
        0,
        -0.0,
        1.7976931348623157e308,
        Decimal("0.000"),
        Decimal("-0.00001"),
        Decimal("0E-10"),
        "\\N",
        b"NULL",
        datetime.date(2024, 2, 29),
        datetime.datetime(2022, 4, 1, 2, 30, 0, 1),
    ),
    (
        5,
        False,
        1,
        1,
        1,
        16777216.0,
        0.1,
        Decimal("1.500"),
        Decimal("0.50000"),
        Decimal("1.5000000000"),
        "x" * 60_000,
        bytes(range(256)),
        datetime.date(1970, 1, 1),
        datetime.datetime(1969, 12, 31, 23, 59, 59),
    ),
    (
        6,
        False,
        1,
        1,
        1,
        2.0**66,
        1e20,
        Decimal("1.500"),
        Decimal("0.50000"),
        Decimal("1.5000000000"),
        "%",
        b"%",
        datetime.date(1582, 10, 10),
        datetime.datetime(1900, 1, 1, 0, 0, 0, 120000),
    ),
]


def read_back(place: Place, declared: dict[str, str], folder: Path, table: str = "profile") -> list[tuple[Any, ...]]:
    rows = read_files(place.warehouse().copy(table, columns_of(declared), folder)).to_pylist()
    return sorted((tuple(row.values()) for row in rows), key=lambda row: row[0])


@LOADERS
def test_odd_texts_arrive_as_they_are(place: Place, tmp_path: Path, loader: str) -> None:
    rows = list(enumerate(TEXTS))
    place.warehouse(loader=loader).publish(make_load(tmp_path, rows, {"id": "int", "value": "string"}, key=("id",)))
    assert sorted(place.run("SELECT id, value FROM profile")) == rows
    assert read_back(place, {"id": "int", "value": "string"}, tmp_path) == rows


def test_odd_texts_and_the_edges_of_every_type_arrive_over_tls(
    spare: Callable[..., Server], authority: Authority, tmp_path: Path
) -> None:
    """The line to a warehouse on another machine is another one to the drivers: packets are cut into records, and are read from their buffer."""
    server = spare(authority.settings("127.0.0.1"))
    server.run("CREATE DATABASE w")
    place = Place(server, "w", server.port)
    texts = {"id": "int", "value": "string"}
    for loader in ("insert", "load_data"):
        warehouse = place.warehouse(loader=loader, tls="verify_identity", ca=str(authority.path))
        with warehouse._asking() as session:
            assert session.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0][1]
        for table, rows, declared in (("texts", list(enumerate(TEXTS)), texts), ("edges", EDGES, EVERY_TYPE)):
            load = make_load(
                tmp_path,
                rows,
                declared,
                key=("id",),
                table=f"{table}_{loader}",
                run_id=f"20220501T000000Z-{table}-{loader}",
            )
            warehouse.publish(load)
            found = read_files(warehouse.copy(load.table, load.columns, tmp_path)).to_pylist()
            assert sorted((tuple(row.values()) for row in found), key=lambda row: row[0]) == list(rows)
        assert sorted(place.run(f"SELECT id, value FROM texts_{loader}")) == list(enumerate(TEXTS))
        warehouse.close()


@LOADERS
def test_odd_texts_arrive_where_the_server_has_no_backslash_escapes(
    spare: Callable[..., Server], tmp_path: Path, loader: str
) -> None:
    server = spare(["--sql-mode=NO_BACKSLASH_ESCAPES,ANSI_QUOTES"])
    server.run("CREATE DATABASE w")
    place = Place(server, "w", server.port)
    rows = list(enumerate(TEXTS))
    place.warehouse(loader=loader).publish(make_load(tmp_path, rows, {"id": "int", "value": "string"}, key=("id",)))
    assert sorted(place.run("SELECT id, value FROM profile")) == rows


@LOADERS
def test_the_edges_of_every_type_arrive_as_they_are(place: Place, tmp_path: Path, loader: str) -> None:
    warehouse = place.warehouse(loader=loader)
    warehouse.publish(make_load(tmp_path, EDGES, EVERY_TYPE, key=("id",)))
    found = read_back(place, EVERY_TYPE, tmp_path)
    assert found == EDGES
    assert [str(column.type) for column in warehouse.columns("profile") or ()] == [
        "double" if kind == "float" else kind for kind in EVERY_TYPE.values()
    ]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Ho_Chi_Minh", "America/New_York"])
@LOADERS
def test_clocks_do_not_move_with_the_zone_of_the_process(
    place: Place, tmp_path: Path, loader: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        rows = [(1, datetime.datetime(2022, 3, 13, 2, 30)), (2, datetime.datetime(2022, 11, 6, 1, 30))]
        place.warehouse(loader=loader).publish(make_load(tmp_path, rows, {"id": "int", "at": "timestamp"}, key=("id",)))
        assert sorted(place.run("SET time_zone = '-05:00'", "SELECT id, at FROM profile")) == rows
    finally:
        monkeypatch.undo()
        time.tzset()


KEYED = {"contract": "string", "value": "string", "ratio": "double", "day": "date"}
REFUSED = {
    "a null in the key": ((None, "x", 0.5, None), "in 1 row `contract` is null"),
    "a key that is too long": (
        ("K" * 256, "x", 0.5, None),
        "`contract` is longer than 255 characters, e.g. where `contract` = KK****************KK…",
    ),
    "a text that is too long": (
        ("HNH579912", "ệ" * 22_000, 0.5, None),
        "`value` is longer than 65,535 bytes, e.g. where `contract` = HN*****12",
    ),
    "a key with a space at its end": (
        ("HNH579912 ", "x", 0.5, None),
        "`contract` ends with a space, and MySQL ignores spaces at the end of a key",
    ),
    "a fraction that is no number": (
        ("A", "x", math.nan, None),
        "`ratio` is not a number or is infinite, e.g. where `contract` = A",
    ),
    "an infinite fraction": (("A", "x", -math.inf, None), "`ratio` is not a number or is infinite"),
}


@pytest.mark.parametrize("case", REFUSED)
@LOADERS
def test_what_the_table_would_not_keep_is_refused(place: Place, tmp_path: Path, loader: str, case: str) -> None:
    row, detail = REFUSED[case]
    warehouse = place.warehouse(loader=loader)
    old = [("B", "old", 1.5, datetime.date(2022, 4, 1))]
    warehouse.publish(make_load(tmp_path, old, KEYED, key=("contract",), run_id=FIRST))
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(make_load(tmp_path, [("C", "new", 2.5, None), row], KEYED, key=("contract",), run_id=SECOND))
    assert detail in failure.value.message and failure.value.code == "value-refused" and failure.value.fix
    assert place.rows() == old
    assert place.ledger() == [("", FIRST, 1)]


@LOADERS
@pytest.mark.parametrize("change", ["NEW.seconds ^ (NEW.contract = 'B')", "NULLIF(NEW.seconds, 2)"])
def test_a_trigger_that_changes_a_value_is_found_out_before_commit(
    place: Place, tmp_path: Path, loader: str, change: str
) -> None:
    warehouse = place.warehouse(loader=loader)
    warehouse.publish(make_load(tmp_path, [("2022-04", "A", 1)], run_id=FIRST))
    place.run("CREATE TRIGGER bit BEFORE INSERT ON profile FOR EACH ROW SET NEW.seconds = " + change)
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(
            make_load(tmp_path, [("2022-04", "A", 1), ("2022-04", "B", 2), ("2022-04", "C", 3)], run_id=SECOND)
        )
    assert failure.value.code == "values-differ"
    assert place.rows() == [("2022-04", "A", 1)]


@LOADERS
def test_a_check_constraint_holds(place: Place, tmp_path: Path, loader: str) -> None:
    warehouse = place.warehouse(loader=loader)
    warehouse.publish(make_load(tmp_path, [("2022-04", "A", 1)], run_id=FIRST))
    place.run("ALTER TABLE profile ADD CONSTRAINT positive CHECK (seconds > 0)")
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(make_load(tmp_path, [("2022-04", "A", 2), ("2022-04", "B", -987_654_321)], run_id=SECOND))
    assert failure.value.code == "rows-refused" and "987" not in failure.value.message
    assert place.rows() == [("2022-04", "A", 1)]


def test_the_checksum_notices_any_one_value_that_changes(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    warehouse.publish(make_load(tmp_path, EDGES, EVERY_TYPE, key=("id",)))
    columns = columns_of(EVERY_TYPE)
    fields = tuple(StageField(column.name, column.type, "", column.type.name == "string", True) for column in columns)
    changes = {
        "flag": "NOT flag",
        "tiny": "tiny - 1",
        "small": "small - 1",
        "big": "big - 1",
        "single": "single / 2",
        "whole": "whole * 0.9999999999999999e0",
        "money": "money - 0.001",
        "part": "part - 0.00001",
        "huge": "huge - 0.0000000001",
        "name": "CONCAT(name, ' ')",
        "bytes": "CONCAT(bytes, x'00')",
        "day": "DATE_SUB(day, INTERVAL 1 DAY)",
        "at": "DATE_SUB(at, INTERVAL 1 MICROSECOND)",
    }
    with warehouse._asking() as session:
        whole = state_of(warehouse.server, session, "profile", fields, "")
        for column, change in {**changes, **dict.fromkeys(changes, "NULL")}.items():
            session.run("START TRANSACTION")
            assert session.run(f"UPDATE profile SET `{column}` = {change} WHERE id = 1") == 1
            assert state_of(warehouse.server, session, "profile", fields, "").fingerprint != whole.fingerprint, column
            session.run("ROLLBACK")
        assert state_of(warehouse.server, session, "profile", fields, "") == whole


def test_texts_of_every_collation_are_proved_together(place: Place, tmp_path: Path) -> None:
    found = place.run(
        "SELECT collation_name FROM information_schema.collations WHERE collation_name LIKE 'utf8mb4%' ORDER BY 1"
    )
    columns = {f"c{number}": collation for number, (collation,) in enumerate(found)}
    assert {"utf8mb4_bin", "utf8mb4_general_ci"} < set(columns.values())
    place.run(
        f"CREATE TABLE profile (id INT PRIMARY KEY, {', '.join(f'{name} VARCHAR(20) COLLATE {columns[name]}' for name in columns)}) ENGINE=InnoDB"
    )
    texts = ("ký", "KÝ", "a\tb", "\\", "\0\n", " ", "", "😀 x", "ß")
    rows = [(row, *(texts[(row + column) % len(texts)] for column in range(len(columns)))) for row in range(len(texts))]
    rows.append((len(texts), *[None] * len(columns)))
    place.warehouse().publish(make_load(tmp_path, rows, {"id": "int", **dict.fromkeys(columns, "string")}, key=("id",)))
    assert sorted(place.run("SELECT * FROM profile")) == rows


def test_rows_that_are_gone_from_the_stage_are_missed(place: Place, tmp_path: Path) -> None:
    load = make_load(tmp_path, [("2022-04", "A", 1), ("2022-04", "B", 1)])
    load.files[0].write_bytes(load.files[1].read_bytes())
    with load.files[1].open("wb") as stream:
        stream.write(b"PAR1")
    with pytest.raises(RunFailure) as failure:
        place.warehouse().publish(load)
    assert failure.value.code == "stage-damaged"


def test_a_stage_of_fewer_rows_than_were_counted_is_refused(place: Place, tmp_path: Path) -> None:
    import dataclasses

    load = make_load(tmp_path, [("2022-04", "A", 1), ("2022-04", "B", 1)])
    with pytest.raises(RunFailure, match="holds 2 rows, and 3 were written"):
        place.warehouse().publish(dataclasses.replace(load, rows=3))
    assert place.rows() == []


def test_a_value_larger_than_the_server_takes_at_once_is_a_clear_refusal(place: Place, tmp_path: Path) -> None:
    (packet,) = place.run("SELECT @@GLOBAL.max_allowed_packet")
    place.run("CREATE TABLE profile (id INT PRIMARY KEY, value LONGTEXT COLLATE utf8mb4_bin) ENGINE=InnoDB")
    place.run("SET GLOBAL max_allowed_packet = 1048576")
    try:
        load = make_load(tmp_path, [(1, "x" * 3_000_000)], {"id": "int", "value": "string"}, key=("id",))
        with pytest.raises(RunFailure):
            place.warehouse(loader="insert").publish(load)
        assert place.rows() == []
    finally:
        place.run(f"SET GLOBAL max_allowed_packet = {packet[0]}")
