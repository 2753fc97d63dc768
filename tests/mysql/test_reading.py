"""Tables as a source: declared types, a page at a time, and what is said where they do not fit. Several readers: test_parallel_reading.py."""

from __future__ import annotations

import datetime
import socket
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pymysql.err import OperationalError

from etlrun.connections._mysql.rows import LONGEST, PAGE, read_rows
from etlrun.connections._mysql.wire import MysqlConnection
from etlrun.contracts.connection import Copy
from etlrun.failures import RunFailure
from etlrun.warehouse.access import Parallel
from projects import wait_for

from .loads import Place, columns_of, make_load
from .proxy import Fault, Proxy

KINDS = {"id": "bigint", "name": "string", "at": "timestamp"}


def test_a_large_table_comes_in_pages(place: Place, tmp_path: Path) -> None:
    rows = [(number, f"n{number}" + "x" * 100, datetime.datetime(2022, 4, 1)) for number in range(120_000)]
    place.warehouse().publish(make_load(tmp_path, rows, KINDS, key=("id",)))
    copied = place.warehouse(parallel=Parallel(readers=1)).copy(
        "profile", columns_of({"name": "string", "ID": "int"}), tmp_path
    )
    (file,) = copied.files
    assert copied.rows == len(rows)
    assert pq.read_metadata(file).num_row_groups > 1
    read = read_files(copied).to_pylist()
    assert list(read[0]) == ["name", "ID"]
    assert sorted((row["ID"], row["name"]) for row in read) == [(number, name) for number, name, _ in rows]


def test_values_of_every_length_are_read_as_they_are(place: Place, tmp_path: Path) -> None:
    """Around each length at which the server writes lengths in another way, and where a packet or a page is full."""
    lengths = [
        0,
        1,
        250,
        251,
        252,
        253,
        255,
        256,
        65_535,
        65_536,
        *range(PAGE - 14, PAGE - 8),
        PAGE,
        *range(LONGEST - 16, LONGEST - 11),
        LONGEST + 1,
    ]
    place.run("CREATE TABLE t (id INT PRIMARY KEY, before_it INT, value LONGBLOB, after_it TEXT)")
    for number, length in enumerate(lengths):
        place.run(
            f"INSERT INTO t VALUES ({2 * number}, NULL, REPEAT(0x{128 + number:02x}, {length}), 'é'), ({2 * number + 1}, 7, NULL, '')"
        )
    kinds = {"id": "int", "before_it": "int", "value": "binary", "after_it": "string"}
    table = read_files(place.warehouse().copy("t", columns_of(kinds), tmp_path))
    assert table.column("id").to_pylist() == list(range(2 * len(lengths)))
    assert table.column("before_it").to_pylist() == [None, 7] * len(lengths)
    assert table.column("after_it").to_pylist() == ["é", ""] * len(lengths)
    values = table.column("value").to_pylist()
    assert values[1::2] == [None] * len(lengths)
    assert all(
        value == bytes((128 + number,)) * length
        for number, (value, length) in enumerate(zip(values[::2], lengths, strict=True))
    )


def test_an_empty_table_has_the_declared_schema(place: Place, tmp_path: Path) -> None:
    place.run("CREATE TABLE t (id INT)")
    read = read_files(place.warehouse().copy("t", columns_of({"id": "bigint"}), tmp_path))
    assert (str(read.schema.field("id").type), read.num_rows) == ("int64", 0)


def test_a_float_is_read_with_all_its_digits(place: Place, tmp_path: Path) -> None:
    place.run("CREATE TABLE t (value FLOAT)", "INSERT INTO t VALUES (16777215)")
    assert read_files(place.warehouse().copy("t", columns_of({"value": "double"}), tmp_path)).to_pylist() == [
        {"value": 16777215.0}
    ]


def test_a_table_or_column_that_is_not_there_is_named(place: Place, tmp_path: Path) -> None:
    with pytest.raises(RunFailure, match="has no table `t`"):
        place.warehouse().copy("t", columns_of({"id": "int"}), tmp_path)
    place.run("CREATE TABLE t (id INT, name TEXT)")
    with pytest.raises(RunFailure, match="no column `nam`") as failure:
        place.warehouse().copy("t", columns_of({"nam": "string"}), tmp_path)
    assert failure.value.fix == "it has id, name"


@pytest.mark.parametrize("value", ["0000-00-00", "2022-00-10", "2022-04-00", "2022-02-30"])
@pytest.mark.parametrize("kind", ["DATE", "DATETIME(6)", "TIMESTAMP"])
def test_a_date_that_does_not_exist_is_shown_with_its_row(place: Place, tmp_path: Path, value: str, kind: str) -> None:
    if kind == "TIMESTAMP" and value != "0000-00-00":
        return
    place.run(
        "SET sql_mode='ALLOW_INVALID_DATES'",
        f"CREATE TABLE t (id INT PRIMARY KEY, d {kind} NULL)",
        f"INSERT INTO t VALUES (1, '2022-04-01'), (2, NULL), (579912, '{value}')",
    )
    declared = "date" if kind == "DATE" else "timestamp"
    with pytest.raises(RunFailure) as failure:
        place.warehouse().copy("t", columns_of({"id": "int", "d": declared}), tmp_path)
    assert failure.value.message.startswith(f"the column `d` of the table `t` holds {value}")
    assert failure.value.message.endswith(f"which does not exist as a {declared}, e.g. where `id` = 57**12")
    if value != "2022-02-30":
        find = failure.value.fix[len("find such rows: ") :].partition(";")[0]
        assert [row[0] for row in place.run(find)] == [579912]
    copied = place.warehouse().copy("t", columns_of({"id": "int", "d": "string"}), tmp_path)
    assert pq.read_table(copied.files[0]).column("d").to_pylist()[2].startswith(value)


def test_a_missing_table_has_a_name_that_is_near(place: Place, tmp_path: Path) -> None:
    place.run("CREATE TABLE interaction_data (id INT)", "CREATE TABLE other (id INT)")
    for wanted, fix in (
        ("interaction_dat", "did you mean `interaction_data`?"),
        ("INTERACTION_DATA", "did you mean `interaction_data`?"),
        ("x", "check the name"),
    ):
        with pytest.raises(RunFailure, match="has no table") as failure:
            place.warehouse().copy(wanted, columns_of({"id": "int"}), tmp_path)
        assert failure.value.fix.startswith(fix)


@pytest.mark.parametrize(
    ("value", "kind"), [("'x'", "int"), ("300", "tinyint"), ("'2022-02-30'", "date"), ("1.25", "decimal(3,1)")]
)
def test_a_value_that_is_not_of_the_declared_type_is_a_failure(
    place: Place, tmp_path: Path, value: str, kind: str
) -> None:
    place.run("CREATE TABLE t (value TEXT)", f"INSERT INTO t VALUES ({value})")
    with pytest.raises(RunFailure, match="`value` of the table `t`"):
        place.warehouse().copy("t", columns_of({"value": kind}), tmp_path)


def test_a_line_that_breaks_in_the_middle_is_a_failure_and_not_the_end(
    place: Place, proxy: Proxy, tmp_path: Path
) -> None:
    rows = [(number, "x" * 50, None) for number in range(60_000)]
    place.warehouse().publish(make_load(tmp_path, rows, KINDS, key=("id",)))
    proxy.arm(Fault("cut", "down", 1_500_000))
    with pytest.raises(RunFailure, match="the connection broke"):
        place.through(proxy.port).warehouse().copy("profile", columns_of(KINDS), tmp_path)


def test_a_read_that_is_interrupted_ends_at_once(place: Place, proxy: Proxy, tmp_path: Path) -> None:
    place.warehouse().publish(
        make_load(tmp_path, [(number, "x" * 50, None) for number in range(60_000)], KINDS, key=("id",))
    )
    proxy.arm(Fault("hang", "down", 1_500_000))
    warehouse = place.through(proxy.port).warehouse(timeout=600)
    failures = []

    def read() -> None:
        try:
            warehouse.copy("profile", columns_of(KINDS), tmp_path)
        except RunFailure as failure:
            failures.append(failure)

    reader = threading.Thread(target=read)
    reader.start()
    wait_for(lambda: proxy.has_struck)
    warehouse.interrupt()
    reader.join(20)
    assert not reader.is_alive()
    assert failures
    with pytest.raises(RunFailure):  # and so does what was not begun yet
        warehouse.copy("profile", columns_of(KINDS), tmp_path)


@pytest.mark.parametrize(
    "row",
    [
        b"",
        b"\x02a",
        b"\x01a",
        b"\x01a\x05b",
        b"\x01a\xfc",
        b"\x01a\xfc\xff\xff",
        b"\xfd\xff\xff\xff\x01a",
        b"\x01a\x01b\x01c",
        b"\x01a\xffb",
        b"\x01a" + b"\xfd" + b"\xff" * 3 + b"b" * PAGE,
        b"\x01a\xff" + b"b" * PAGE,
        b"\x01" + b"b" * PAGE,
    ],
    ids=lambda row: repr(row[:8]) + ("..." if len(row) > 8 else ""),
)
def test_a_row_that_is_not_as_long_as_it_says_is_refused(row: bytes) -> None:
    """Lengths come from the server, and none may lead out of its row."""
    ours, theirs = socket.socketpair()
    line = MysqlConnection(is_verified=False, defer_connect=True)
    line._sock, line._rfile = ours, ours.makefile("rb")
    packets = [b"\x01a\x01b", row, b"\xfe\x00\x00\x00\x00"]
    detail = b"".join(len(packet).to_bytes(3, "little") + b"\x00" + packet for packet in packets)
    speaker = threading.Thread(target=theirs.sendall, args=(detail,))
    speaker.start()
    with pytest.raises(OperationalError, match="not as long as it says"):
        list(read_rows(line, 2))
    line.abort()
    theirs.close()
    speaker.join()


def read_files(copied: Copy) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in copied.files)
