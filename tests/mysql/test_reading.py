"""Tables as a source: declared types, a page at a time, and what is said where they do not fit."""

from __future__ import annotations

import datetime
import threading
from pathlib import Path

import pytest

from etlrun.connections._mysql.rows import LONGEST, PAGE
from etlrun.failures import RunFailure

from .loads import Place, columns_of, make_load
from .proxy import Fault, Proxy

KINDS = {"id": "bigint", "name": "string", "at": "timestamp"}


def test_a_large_table_comes_in_pages(place: Place, tmp_path: Path) -> None:
    rows = [(number, f"n{number}" + "x" * 100, datetime.datetime(2022, 4, 1)) for number in range(120_000)]
    place.warehouse().publish(make_load(tmp_path, rows, KINDS, key=("id",)))
    reader = place.warehouse().read("profile", columns_of({"name": "string", "ID": "int"}))
    batches = list(reader)
    assert len(batches) > 1
    assert batches[0].schema.names == ["name", "ID"]
    read = [pair for batch in batches for pair in zip(batch.column(1).to_pylist(), batch.column(0).to_pylist(), strict=True)]
    assert sorted(read) == [(number, name) for number, name, _ in rows]


def test_values_of_every_length_are_read_as_they_are(place: Place) -> None:
    """Around each length at which the server writes lengths in another way, and where a packet or a page is full."""
    lengths = [0, 1, 250, 251, 252, 253, 255, 256, 65_535, 65_536, *range(PAGE - 14, PAGE - 8), PAGE, *range(LONGEST - 16, LONGEST - 11), LONGEST + 1]
    place.run("CREATE TABLE t (id INT PRIMARY KEY, before_it INT, value LONGBLOB, after_it TEXT)")
    for number, length in enumerate(lengths):
        place.run(f"INSERT INTO t VALUES ({2 * number}, NULL, REPEAT(0x{128 + number:02x}, {length}), 'é'), ({2 * number + 1}, 7, NULL, '')")
    table = place.warehouse().read("t", columns_of({"id": "int", "before_it": "int", "value": "binary", "after_it": "string"})).read_all()
    assert table.column("id").to_pylist() == list(range(2 * len(lengths)))
    assert table.column("before_it").to_pylist() == [None, 7] * len(lengths)
    assert table.column("after_it").to_pylist() == ["é", ""] * len(lengths)
    values = table.column("value").to_pylist()
    assert values[1::2] == [None] * len(lengths)
    assert all(value == bytes((128 + number,)) * length for number, (value, length) in enumerate(zip(values[::2], lengths, strict=True)))


def test_an_empty_table_has_the_declared_schema(place: Place) -> None:
    place.run("CREATE TABLE t (id INT)")
    assert str(place.warehouse().read("t", columns_of({"id": "bigint"})).read_all().schema.field("id").type) == "int64"


def test_a_float_is_read_with_all_its_digits(place: Place) -> None:
    place.run("CREATE TABLE t (value FLOAT)", "INSERT INTO t VALUES (16777215)")
    assert place.warehouse().read("t", columns_of({"value": "double"})).read_all().to_pylist() == [{"value": 16777215.0}]


def test_a_table_or_column_that_is_not_there_is_named(place: Place) -> None:
    with pytest.raises(RunFailure, match="has no table `t`"):
        place.warehouse().read("t", columns_of({"id": "int"}))
    place.run("CREATE TABLE t (id INT, name TEXT)")
    with pytest.raises(RunFailure, match="no column `nam`") as failure:
        place.warehouse().read("t", columns_of({"nam": "string"}))
    assert failure.value.fix == "it has id, name"


@pytest.mark.parametrize(("value", "kind"), [("'x'", "int"), ("300", "tinyint"), ("'2022-02-30'", "date"), ("1.25", "decimal(3,1)")])
def test_a_value_that_is_not_of_the_declared_type_is_a_failure(place: Place, value: str, kind: str) -> None:
    place.run("CREATE TABLE t (value TEXT)", f"INSERT INTO t VALUES ({value})")
    with pytest.raises(RunFailure, match="`value` of the table `t`"):
        place.warehouse().read("t", columns_of({"value": kind})).read_all()


def test_a_line_that_breaks_in_the_middle_is_a_failure_and_not_the_end(place: Place, proxy: Proxy, tmp_path: Path) -> None:
    rows = [(number, "x" * 50, None) for number in range(60_000)]
    place.warehouse().publish(make_load(tmp_path, rows, KINDS, key=("id",)))
    proxy.arm(Fault("cut", "down", 1_500_000))
    with pytest.raises(RunFailure, match="the connection broke"):
        place.through(proxy.port).warehouse().read("profile", columns_of(KINDS)).read_all()


def test_a_reader_that_is_given_up_leaves_no_thread_on_the_server(place: Place, tmp_path: Path) -> None:
    place.warehouse().publish(make_load(tmp_path, [(number, "x", None) for number in range(60_000)], KINDS, key=("id",)))
    warehouse = place.warehouse()
    reader = warehouse.read("profile", columns_of(KINDS))
    next(iter(reader))
    reader.close()
    del reader
    warehouse.close()
    deadline = threading.Event()
    for _ in range(100):
        if len(place.run(f"SELECT id FROM information_schema.processlist WHERE db = '{place.database}' AND id <> CONNECTION_ID()")) == 0:
            return
        deadline.wait(0.05)
    raise AssertionError("a session is left")
