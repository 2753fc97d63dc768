"""A large table read over several connections: the same rows as over one, of one moment, whatever its key, and nothing left behind."""

from __future__ import annotations

import datetime
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etlrun.connections._mysql.ranges import Cutter
from etlrun.connections._mysql.tables import read_definition
from etlrun.connections._mysql.words import text
from etlrun.contracts.connection import Copy
from etlrun.failures import RunFailure
from etlrun.warehouse.access import Parallel
from etlrun.warehouse.reading import Selection
from projects import wait_for

from .loads import Place, columns_of, make_load
from .proxy import Fault, Proxy
from .server import Server

THREE = Parallel(readers=3, least=1)
ROWS = 4000
_random = random.Random(7)
WORDS = [
    "nhật ký",
    "NHAT KY",
    "Ánh",
    "zoë",
    "đường",
    "a",
    "ß",
    "Straße",
    "it's",
    "back\\slash",
    "%d",
    "🎬 phim",
    "tab\t",
    "",
]
PAIRS: dict[str, tuple[str, str, Sequence[Any]]] = {
    "integers": ("INT NOT NULL", "int", range(ROWS)),
    "integers with gaps": ("INT NOT NULL", "int", [*range(ROWS // 2), *range(10**9, 10**9 + ROWS // 2)]),
    "negative integers": ("BIGINT NOT NULL", "bigint", [-(2**63), *range(-ROWS, ROWS), 2**63 - 1]),
    "zero among them": ("INT NOT NULL", "int", range(-1, ROWS, 2)),
    "unsigned integers": ("BIGINT UNSIGNED NOT NULL", "decimal(20,0)", [*range(ROWS), *range(2**64 - ROWS, 2**64)]),
    "contracts": (
        "VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL",
        "string",
        [f"HN{_random.getrandbits(40):012X}" for _ in range(ROWS)],
    ),
    "texts by their letters": (
        "VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL",
        "string",
        [f"{_random.choice(WORDS)}-{number:x}" for number in range(ROWS)],
    ),
    "texts without case": (
        "VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL",
        "string",
        [f"{_random.choice(WORDS)}-{number:x}" for number in range(ROWS)],
    ),
    "texts of another character set": (
        "VARCHAR(60) CHARACTER SET latin1 COLLATE latin1_swedish_ci NOT NULL",
        "string",
        [f"{_random.choice('aÖßzÅ')}-{number:x}" for number in range(ROWS)],
    ),
    "days": (
        "DATE NOT NULL",
        "date",
        [datetime.date(2001, 1, 1) + datetime.timedelta(days=number) for number in range(ROWS)],
    ),
    "moments": (
        "DATETIME(6) NOT NULL",
        "timestamp",
        [datetime.datetime(2022, 4, 1, microsecond=number) for number in range(ROWS)],
    ),
    "bytes": ("BINARY(16) NOT NULL", "binary", [_random.randbytes(16) for _ in range(ROWS)]),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_any_key_gives_the_same_rows_from_several_connections(place: Place, tmp_path: Path, pair: str) -> None:
    declared, kind, keys = PAIRS[pair]
    make_table(
        place,
        {"k": declared, "value": "TEXT"},
        ("k",),
        [(key, None if number % 7 == 0 else f"v{number}") for number, key in enumerate(keys)],
    )
    copied, alone = copy_both(place, tmp_path, {"k": kind, "value": "string"})
    assert len(copied.files) > 3
    assert copied.rows == len(keys)
    assert read_files(copied).equals(read_files(alone))  # in the order of the key as well


def test_a_key_of_several_columns_is_cut_by_the_next_where_the_first_is_all_alike(place: Place, tmp_path: Path) -> None:
    rows = [("2022-04", 7, f"C{number:06}", number) for number in range(ROWS)] + [
        ("2022-03", 1, "C1", 1),
        ("2022-05", 1, "C1", 1),
        ("2022-05", 2, "C1", 1),
    ]
    make_table(
        place,
        {"month": "VARCHAR(7) NOT NULL", "n": "INT NOT NULL", "contract": "VARCHAR(20) NOT NULL", "seconds": "INT"},
        ("month", "n", "contract"),
        rows,
    )
    copied, alone = copy_both(
        place, tmp_path, {"month": "string", "n": "int", "contract": "string", "seconds": "bigint"}
    )
    assert max(pq.read_metadata(path).num_rows for path in copied.files) < ROWS / 4
    assert read_files(copied).equals(read_files(alone))


def test_texts_that_a_collation_takes_for_one_stay_together(place: Place, tmp_path: Path) -> None:
    """`a`, `A` and `á` are one value of the first column to the server, and three to us."""
    rows = [(spelling, number) for number in range(ROWS) for spelling in ("aAá"[number % 3],)]
    make_table(
        place,
        {"k": "VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL", "n": "INT NOT NULL"},
        ("k", "n"),
        rows,
    )
    copied, alone = copy_both(place, tmp_path, {"k": "string", "n": "int"})
    assert len(copied.files) > 3
    assert read_files(copied).equals(read_files(alone))


def test_every_type_is_the_same_from_several_connections(place: Place, tmp_path: Path) -> None:
    place.run(
        "CREATE TABLE t (k INT PRIMARY KEY, a TINYINT(1), b SMALLINT, c DECIMAL(30,10), d DOUBLE, e FLOAT, f DATE, g DATETIME(6), h LONGTEXT, i LONGBLOB, "
        "j ENUM('x','ư'), l BIGINT UNSIGNED)",
        "INSERT INTO t (k) VALUES (0)",
        f"INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, i % 2, i - 500, i / 7, i / 3, i / 3, "
        f"'2022-04-01' + INTERVAL i DAY, '2022-04-01 00:00:00' + INTERVAL i MICROSECOND, REPEAT({text('ữ')}, i), REPEAT(x'00ff', i), 1 + i % 2, i FROM n",
        "ANALYZE TABLE t",
    )
    kinds = {
        "k": "int",
        "a": "boolean",
        "b": "smallint",
        "c": "decimal(30,10)",
        "d": "double",
        "e": "float",
        "f": "date",
        "g": "timestamp",
        "h": "string",
        "i": "binary",
        "j": "string",
        "l": "decimal(20,0)",
    }
    copied, alone = copy_both(place, tmp_path, kinds)
    assert len(copied.files) > 3
    assert read_files(copied).equals(read_files(alone))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_table_of_few_rows_is_read(place: Place, tmp_path: Path, count: int) -> None:
    make_table(place, {"k": "INT NOT NULL"}, ("k",), [(number,) for number in range(count)])
    copied = place.warehouse(parallel=Parallel(3, least=0)).copy("t", columns_of({"k": "int"}), tmp_path)
    assert read_files(copied).to_pylist() == [{"k": number} for number in range(count)]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW t AS SELECT * FROM rows_of_it",
        "CREATE TABLE t (k INT, value TEXT) AS SELECT * FROM rows_of_it",
        "CREATE TABLE t (k DOUBLE PRIMARY KEY, value TEXT) AS SELECT * FROM rows_of_it",
        "CREATE TABLE t (k INT PRIMARY KEY, value TEXT) ENGINE=MyISAM AS SELECT * FROM rows_of_it",
    ],
)
def test_what_cannot_be_cut_is_read_over_one_connection(place: Place, tmp_path: Path, statement: str) -> None:
    make_table(place, {"k": "INT NOT NULL", "value": "TEXT"}, ("k",), [(number, "x") for number in range(ROWS)])
    place.run("RENAME TABLE t TO rows_of_it", statement)
    copied = place.warehouse(parallel=THREE).copy("t", columns_of({"k": "int"}), tmp_path)
    assert (len(copied.files), copied.rows) == (1, ROWS)


def test_a_small_table_is_not_worth_several_connections(place: Place, tmp_path: Path) -> None:
    make_table(place, {"k": "INT NOT NULL"}, ("k",), [(number,) for number in range(ROWS)])
    assert len(place.warehouse(parallel=Parallel(3)).copy("t", columns_of({"k": "int"}), tmp_path).files) == 1


def test_a_range_that_is_cut_stays_the_same_rows(place: Place) -> None:
    """The ranges share the rows out: each row fulfils one condition, be it below the first bound or above the last."""
    make_table(place, {"k": "INT NOT NULL"}, ("k",), [(number,) for number in range(ROWS)])
    warehouse = place.warehouse()
    with warehouse._asking() as session:
        there = read_definition(session, "t")
        assert there is not None
        conditions = Cutter(session, there).cut(8)
        place.run("INSERT INTO t VALUES (-2147483648), (2147483647)")
        counts = [int(session.one(f"SELECT COUNT(*) FROM t WHERE {condition}")[0]) for condition in conditions]
    warehouse.close()
    assert sum(counts) == ROWS + 2
    assert min(counts) > ROWS / 40


def test_readers_see_one_version_while_a_table_is_published_again_and_again(place: Place, tmp_path: Path) -> None:
    loads = [
        make_load(
            tmp_path, [("2022-04", f"C{number:06}", second) for number in range(3000 + second)], run_id=f"run-{second}"
        )
        for second in range(8)
    ]
    place.warehouse().publish(loads[0])
    place.run("ANALYZE TABLE profile")
    is_done = threading.Event()

    def publish_again() -> None:
        number = 0
        while not is_done.is_set():
            number += 1
            place.warehouse(lock_timeout=30).publish(loads[number % len(loads)])

    publisher = threading.Thread(target=publish_again)
    publisher.start()
    shared = 0
    seen = set()
    try:
        for number in range(25):
            folder = tmp_path / f"read-{number}"
            folder.mkdir()
            copied = place.warehouse(parallel=THREE).copy(
                "profile", columns_of({"contract": "string", "seconds": "bigint"}), folder
            )
            shared += len(copied.files) > 1
            (version,) = set(read_files(copied).column("seconds").to_pylist())
            seen.add(version)
            assert copied.rows == 3000 + version
    finally:
        is_done.set()
        publisher.join()
    assert shared > 0
    assert len(seen) > 1


def test_a_writer_that_does_not_end_is_not_waited_for(place: Place, tmp_path: Path) -> None:
    make_table(place, {"k": "INT NOT NULL"}, ("k",), [(number,) for number in range(ROWS)])
    writer = place.server.connect(place.database, autocommit=False)
    with writer.cursor() as cursor:
        cursor.execute("DELETE FROM t WHERE k < 10")
    warehouse = place.warehouse(parallel=THREE)
    copied = warehouse.copy("t", columns_of({"k": "int"}), tmp_path)
    writer.close()
    assert (len(copied.files), copied.rows, warehouse.notices) == (1, ROWS, [])


def test_without_the_right_to_lock_one_connection_reads_and_says_so(place: Place, tmp_path: Path) -> None:
    make_table(place, {"k": "INT NOT NULL"}, ("k",), [(number,) for number in range(ROWS)])
    place.run(
        f"CREATE USER '{place.database}r'@'%' IDENTIFIED BY 'pw'",
        f"GRANT SELECT ON {place.database}.* TO '{place.database}r'@'%'",
    )
    account = {"user": f"{place.database}r", "password": "pw"}
    warehouse = place.warehouse(parallel=THREE, **account)
    assert len(warehouse.copy("t", columns_of({"k": "int"}), tmp_path).files) == 1
    assert ["GRANT LOCK TABLES" in notice for notice in warehouse.notices] == [True]
    place.run(f"GRANT LOCK TABLES ON {place.database}.* TO '{place.database}r'@'%'")
    allowed = place.warehouse(parallel=THREE, **account)
    assert len(allowed.copy("t", columns_of({"k": "int"}), tmp_path).files) > 3
    assert allowed.notices == []


def test_fewer_connections_than_wanted_are_no_failure(spare: Callable[..., Server], tmp_path: Path) -> None:
    server = spare(["--max-user-connections=4"])
    server.run("CREATE DATABASE w", "CREATE USER 'r'@'%' IDENTIFIED BY 'pw'", "GRANT ALL ON w.* TO 'r'@'%'")
    place = Place(server, "w", server.port)
    make_table(place, {"k": "INT NOT NULL"}, ("k",), [(number,) for number in range(ROWS)])
    copied = place.warehouse(parallel=Parallel(8, least=1), user="r", password="pw").copy(
        "t", columns_of({"k": "int"}), tmp_path
    )
    assert (len(copied.files), copied.rows) == (1, ROWS)


def test_a_connection_that_is_killed_fails_the_read_and_ends_the_others(
    place: Place, proxy: Proxy, tmp_path: Path
) -> None:
    make_table(place, {"k": "INT NOT NULL", "value": "TEXT"}, ("k",), [(number, "x" * 500) for number in range(ROWS)])
    proxy.arm(Fault("cut", "down", 1_000_000))
    with (
        closing(place.through(proxy.port).warehouse(parallel=THREE)) as warehouse,
        pytest.raises(RunFailure, match="the connection broke"),
    ):
        warehouse.copy("t", columns_of({"k": "int", "value": "string"}), tmp_path)
    wait_for(lambda: not others(place))


def test_a_session_that_the_server_kills_fails_the_read(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_table(place, {"k": "INT NOT NULL", "value": "TEXT"}, ("k",), [(number, "x" * 500) for number in range(ROWS)])
    read = Selection.batches
    killed = []

    def kill_one(self: Selection, session: Any, condition: str) -> Iterator[pa.RecordBatch]:
        yield from read(self, session, condition)
        if not killed:
            killed.append(session.thread)
            place.run(f"KILL {session.thread}")

    monkeypatch.setattr(Selection, "batches", kill_one)
    with (
        closing(place.warehouse(parallel=THREE)) as warehouse,
        pytest.raises(RunFailure, match="the connection broke|the server ended the connection"),
    ):
        warehouse.copy("t", columns_of({"k": "int", "value": "string"}), tmp_path)
    wait_for(lambda: not others(place))


def test_rows_that_the_ranges_leave_out_are_a_failure(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_table(place, {"k": "INT NOT NULL"}, ("k",), [(number,) for number in range(ROWS)])
    cut = Cutter.cut
    monkeypatch.setattr(Cutter, "cut", lambda self, wanted: cut(self, wanted)[1:])
    with pytest.raises(RunFailure, match=rf"hold [\d,]+ rows of {ROWS:,}"):
        place.warehouse(parallel=THREE).copy("t", columns_of({"k": "int"}), tmp_path)


def test_a_value_of_another_type_is_named_whoever_reads_it(place: Place, tmp_path: Path) -> None:
    make_table(
        place,
        {"k": "INT NOT NULL", "value": "TEXT"},
        ("k",),
        [(number, "x" if number == ROWS - 2 else "1") for number in range(ROWS)],
    )
    with (
        closing(place.warehouse(parallel=THREE)) as warehouse,
        pytest.raises(RunFailure, match=r"`value` of the table `t` \(text\) has values that are not of the type int"),
    ):
        warehouse.copy("t", columns_of({"k": "int", "value": "int"}), tmp_path)
    wait_for(lambda: not others(place))


def make_table(place: Place, declared: dict[str, str], key: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
    """The table `t` of these rows, which come in no order; the server knows how many there are."""
    columns = ", ".join(f"`{column}` {kind}" for column, kind in declared.items())
    place.run(
        f"CREATE TABLE t ({columns}, PRIMARY KEY ({', '.join(key)}))" if rows or key else f"CREATE TABLE t ({columns})"
    )
    shuffled = random.Random(1).sample(list(rows), len(rows))
    connection = place.server.connect(place.database)
    with connection.cursor() as cursor:
        if shuffled:
            cursor.executemany(f"INSERT INTO t VALUES ({', '.join(['%s'] * len(declared))})", shuffled)
        cursor.execute("ANALYZE TABLE t")
    connection.close()


def copy_both(place: Place, folder: Path, kinds: dict[str, str]) -> tuple[Copy, Copy]:
    """The table `t`, over three connections and over one."""
    (folder / "alone").mkdir()
    (folder / "several").mkdir()
    several = place.warehouse(parallel=THREE).copy("t", columns_of(kinds), folder / "several")
    return several, place.warehouse(parallel=Parallel(1)).copy("t", columns_of(kinds), folder / "alone")


def read_files(copied: Copy) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in copied.files).combine_chunks()


def others(place: Place) -> list[tuple[Any, ...]]:
    """The sessions that others have in the database of a test."""
    return place.run(
        f"SELECT id FROM information_schema.processlist WHERE db = '{place.database}' AND id <> CONNECTION_ID()"
    )
