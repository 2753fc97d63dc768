"""Parquet files as others write them: every value as it was written or an error, equal on both engines, in any order of the files."""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etlrun.contracts.engine import EngineSession, StatementError, Workspace
from etlrun.contracts.source import ReadRequest, ReadResult, Wanted
from etlrun.engines._duckdb import start_session
from etlrun.engines._spark.session import SparkSessionAtWork
from etlrun.engines._spark.starting import RULES
from etlrun.failures import RunFailure
from etlrun.language.columns import DATE, Column, Columns
from etlrun.language.type_texts import parse_type
from etlrun.reading.footers import open_footer
from etlrun.reading.inventory import take_inventory
from etlrun.reading.parquet_columns import WantedColumn
from etlrun.reading.parquet_files import read_parquet
from etlrun.sources.parquet import ParquetColumn
from etlrun.spec.dates import Days
from etlrun.spec.paths import Places

Moment = datetime.datetime
EVENING = Moment(2022, 4, 1, 20, 30, 0, 123456)
Read = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(params=["duckdb", "spark"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], EngineSession]:
    """Starts a session of each engine, with the settings that the product gives it."""
    if request.param == "duckdb":
        return lambda: start_session(Workspace(tmp_path), 2, "")
    spark = request.getfixturevalue("spark")
    for key, value in RULES.items():
        spark.conf.set(key, value)
    return lambda: SparkSessionAtWork(spark, is_classic=True)


@pytest.fixture
def read(start: Callable[[], EngineSession], tmp_path: Path) -> Read:
    """Reads the files of `data` with these columns; the rows come sorted."""
    numbers = itertools.count()

    def reading(
        columns: Mapping[str, str | Mapping[str, Any]], path: str = "data", **given: Any
    ) -> list[tuple[Any, ...]]:
        read_result, relation = take(tmp_path, columns, path, tmp_path / f"run-{next(numbers)}", **given)
        session = start()
        session.read_files("rows", relation, read_result.files)
        rows = session.fetch("SELECT * FROM rows").to_pydict()
        return sorted(zip(*rows.values(), strict=True), key=repr)

    return reading


def take(
    root: Path,
    columns: Mapping[str, str | Mapping[str, Any]],
    path: str,
    folder: Path,
    days: tuple[datetime.date, ...] = (),
) -> tuple[ReadResult, Columns]:
    """What the reader makes of files, and the relation they are."""
    declared = {
        name: ParquetColumn(text) if isinstance(text, str) else ParquetColumn(**text) for name, text in columns.items()
    }
    items = [Column(name, parse_type(item.type_text), not item.is_required) for name, item in declared.items()]
    wanted = [
        WantedColumn(column, item.keys(column.name), item.is_instant, item.optional)
        for column, item in zip(items, declared.values(), strict=True)
    ]
    inventory = take_inventory(Wanted(Places(root), path, days, Days(False), Days(False), "parquet"))
    assert not inventory.troubles
    order = ReadRequest("rows", inventory, folder, None, lambda what, done, of: None, lambda name: None)  # type: ignore[arg-type, return-value]
    dated = [Column("date", DATE, domain=tuple(map(str, days)))] if days else []
    relation = Columns((*items, *dated))
    return read_parquet(order, wanted, relation), relation


def refused(root: Path, columns: Mapping[str, str | Mapping[str, Any]]) -> str:
    with pytest.raises(RunFailure) as failure:
        take(root, columns, "data", root / "run")
    return f"{failure.value.message} = {failure.value.fix}"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., None]:
    """Writes a file with one column `v` (or the given ones) below `data`."""

    def writing(name: str, values: Any, kind: Any = None, **options: Any) -> None:
        target = tmp_path / "data" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        table = values if isinstance(values, pa.Table) else pa.table({"v": pa.array(values, kind)})
        pq.write_table(table, target, **options)

    return writing


@pytest.mark.parametrize("names", [("a", "b", "c", "d"), ("d", "c", "b", "a")])
def test_each_file_has_its_own_type(names: tuple[str, ...], read: Read, write: Any) -> None:
    one, two, three, four = (f"{name}.parquet" for name in names)
    write(one, [1, 2**53, None], pa.int64())
    write(two, [1.2345], pa.float64())
    write(three, [1.5], pa.float32())
    write(four, [Decimal("0.0625")], pa.decimal128(6, 4))
    assert read({"v": "double"}) == [(0.0625,), (1.0,), (1.2345,), (1.5,), (9007199254740992.0,), (None,)]


def test_integers_and_decimals_widen(read: Read, write: Any) -> None:
    for index, kind in enumerate((pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32())):
        write(f"{index}.parquet", [index], kind)
    assert read({"v": "bigint"}) == [(index,) for index in range(7)]
    write("8.parquet", [2**64 - 1], pa.uint64())
    write("9.parquet", [Decimal("-0.5")], pa.decimal128(3, 1))
    assert read({"v": "decimal(22,2)"}) == sorted(
        [(Decimal(f"{index}.00"),) for index in range(7)]
        + [(Decimal("18446744073709551615.00"),), (Decimal("-0.50"),)],
        key=repr,
    )


@pytest.mark.parametrize(
    ("kind", "declared"),
    [
        (pa.int64(), "int"),
        (pa.int32(), "float"),
        (pa.uint64(), "bigint"),
        (pa.float64(), "bigint"),
        (pa.float64(), "float"),
        (pa.float64(), "decimal(10,2)"),
        (pa.decimal128(10, 4), "decimal(10,2)"),
        (pa.decimal128(20, 4), "double"),
        (pa.string(), "bigint"),
        (pa.int64(), "string"),
        (pa.bool_(), "int"),
        (pa.date32(), "timestamp"),
        (pa.time64("us"), "string"),
    ],
)
def test_a_type_that_does_not_hold_every_value_is_refused(kind: Any, declared: str, write: Any, tmp_path: Path) -> None:
    write("a.parquet", [None], kind)
    assert f"but {declared} is declared" in refused(tmp_path, {"v": declared}) or "which is not supported" in refused(
        tmp_path, {"v": declared}
    )


def test_a_value_that_would_be_rounded_is_an_error(read: Read, write: Any) -> None:
    write("a.parquet", [2**53 + 1], pa.int64())
    with pytest.raises(StatementError, match="a bigint that a double cannot store exactly, in `v`") as error:
        read({"v": "double"})
    assert error.value.condition == "bad-value"


def test_null_fits_every_column_that_may_be_null(read: Read, write: Any, tmp_path: Path) -> None:
    write("a.parquet", ["x"], pa.string())
    write("b.parquet", [None], pa.null())
    assert read({"v": "string"}) == [("x",), (None,)]
    assert "`v` is null in all rows, but `not null` is declared" in refused(tmp_path, {"v": "string not null"})


def test_a_column_may_be_absent_where_the_spec_says_so(read: Read, write: Any, tmp_path: Path) -> None:
    write("a.parquet", pa.table({"id": [1], "v": ["x"]}))
    write("b.parquet", pa.table({"id": [2]}))
    columns = {"id": "bigint", "v": {"type": "string", "optional": True}}
    assert read(columns) == [(1, "x"), (2, None)]
    read_result, _ = take(tmp_path, columns, "data", tmp_path / "run")
    (notice,) = read_result.notices
    assert (
        notice.startswith("`rows`: 1 of 2 files have no column `v`; it is null for their rows: ")
        and "b.parquet" in notice
    )
    assert "b.parquet: there is no column `v`" in refused(tmp_path, {"id": "bigint", "v": "string"})
    assert "no file of `rows` has a column `w`" in refused(tmp_path, {"w": {"type": "string", "optional": True}})


def test_an_optional_column_is_refused_where_a_name_looks_like_it(tmp_path: Path, write: Any) -> None:
    write("a.parquet", pa.table({"ng\u00e0y": [1], "s": [{"ng\u00e0y": 1}]}))
    write("b.parquet", pa.table({"nga\u0300y": [2], "s": [{"nga\u0300y": 2}]}))
    for name, column in {"ng\u00e0y": "ng\u00e0y", "s.ng\u00e0y": "inner"}.items():
        message = refused(tmp_path, {column: {"type": "bigint", "optional": True, "path": name}})
        assert (
            f"b.parquet: there is no column `{name}`, but there is one that looks the same and has other characters"
            in message
        )


@pytest.mark.parametrize("what", ["page", "end"])
def test_a_damaged_file_is_named_by_its_own_name(what: str, tmp_path: Path, start: Any, write: Any) -> None:
    write("a [1] é.parquet", list(range(5_000)), pa.int64(), use_dictionary=False, write_page_checksum=True)
    read_result, relation = take(tmp_path, {"v": "bigint"}, "data", tmp_path / "run")
    path = tmp_path / "data/a [1] é.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes(400) + content[500:] if what == "page" else content[: len(content) // 2])
    session = start()
    with pytest.raises(StatementError, match=re.escape(f"{path}: the engine cannot read the file (")) as error:
        session.read_files("rows", relation, read_result.files)
        session.fetch("SELECT sum(v) AS v FROM rows")
    assert error.value.condition == "damaged-file"
    assert "links-0" not in str(error.value)


def test_a_compression_that_spark_lacks_is_named(tmp_path: Path, start: Any, write: Any) -> None:
    write("a.parquet", [1], pa.int64(), compression="brotli")
    read_result, relation = take(tmp_path, {"v": "bigint"}, "data", tmp_path / "run")
    session = start()
    session.read_files("rows", relation, read_result.files)
    if session.version.startswith("duckdb"):
        assert session.fetch("SELECT v FROM rows").to_pydict() == {"v": [1]}
        return
    with pytest.raises(
        StatementError, match="a.parquet: the file is compressed with brotli, which this Spark"
    ) as error:
        session.fetch("SELECT sum(v) AS v FROM rows")
    assert error.value.condition == "unknown-compression"


def test_a_file_with_a_damaged_dictionary_is_named(tmp_path: Path, start: Any, write: Any) -> None:
    write("a.parquet", ["x", "y"] * 50, pa.string(), compression="none", write_page_checksum=False)
    path = tmp_path / "data/a.parquet"
    path.write_bytes(
        re.sub(rb"(?s)\x01\x00\x00\x00x\x01\x00\x00\x00y", b"\xff\xff\xff\x7fx\xff\xff\xff\x7fy", path.read_bytes())
    )
    read_result, relation = take(tmp_path, {"v": "string"}, "data", tmp_path / "run")
    session = start()
    session.read_files("rows", relation, read_result.files)
    with pytest.raises(StatementError, match="a.parquet: the engine cannot read the file") as error:
        session.fetch("SELECT sum(length(v)) AS v FROM rows")
    assert error.value.condition == "damaged-file"


def test_an_encrypted_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with duckdb.connect() as connection:
        connection.execute("SET force_mbedtls_unsafe = 'true'")
        connection.execute("PRAGMA add_parquet_key('key', '0123456789112345')")
        config = "{footer_key: 'key'}"
        connection.execute(f"COPY (SELECT 1 AS v) TO '{tmp_path}/data/a.parquet' (ENCRYPTION_CONFIG {config})")
    (trouble,) = take_inventory(Wanted(Places(tmp_path), "data", (), Days(False), Days(False), "parquet")).troubles
    assert trouble.message == "the file is encrypted"
    with pytest.raises(RunFailure, match="a.parquet: the file is encrypted"):
        open_footer(str(tmp_path / "data/a.parquet"), "a.parquet")


def test_json_is_read_as_text(read: Read, write: Any) -> None:
    write("a.parquet", pa.table({"v": pa.array(['{"a": 1}', None], pa.json_())}))
    assert read({"v": "string"}) == [('{"a": 1}',), (None,)]


def test_not_null_is_held(read: Read, write: Any, tmp_path: Path) -> None:
    write("a.parquet", [1], pa.int64())
    assert read({"v": "bigint not null"}) == [(1,)]
    write("b.parquet", [None, 2], pa.int64(), write_statistics=False)
    with pytest.raises(StatementError, match="a null in a column that is declared `not null`, in `v`"):
        read({"v": "bigint not null"})
    write("c.parquet", [None, 2, None], pa.int64())
    assert "c.parquet: `v` has 2 nulls, but `not null` is declared" in refused(tmp_path, {"v": "bigint not null"})


def test_members_of_structs_have_paths(read: Read, write: Any, tmp_path: Path) -> None:
    rows = [{"a": 1, "B": {"c d": "x", "e": 1.5}}, {"a": 2, "B": None}, None]
    write("a.parquet", pa.table({"s": rows, "x.y": [7, 8, 9]}))
    columns = {
        "a": {"type": "bigint", "path": "s.a"},
        "c": {"type": "string", "path": "S.b.c d"},
        "y": {"type": "bigint", "path": "x.y"},
    }
    assert read(columns) == [(1, "x", 7), (2, None, 8), (None, None, 9)]
    assert "`s.a` is int64, which has no fields" in refused(tmp_path, {"v": {"type": "int", "path": "s.a.b"}})
    assert "there is no column `s.q`" in refused(tmp_path, {"v": {"type": "int", "path": "s.q"}})


def test_of_a_nested_column_only_declared_fields_are_read(read: Read, write: Any, tmp_path: Path) -> None:
    sku = pa.struct([("Sku", pa.string()), ("more", pa.time64("us")), ("qty", pa.int16())])
    kind = pa.struct(
        [("items", pa.list_(sku)), ("m", pa.map_(pa.string(), pa.struct([("z", pa.int32()), ("y", pa.int8())])))]
    )
    write(
        "a.parquet",
        [{"items": [{"Sku": "A", "qty": 2}, None], "m": [("k", {"z": 1, "y": 2})]}, {"items": [], "m": []}, None],
        kind,
    )
    columns = {
        "q": {"type": "array<struct<qty: bigint>>", "path": "v.items"},
        "s": {"type": "array<struct<qty: int, sku: string>>", "path": "v.items"},
        "m": {"type": "map<string, struct<y: int>>", "path": "v.m"},
        "v": "struct<m: map<string, struct<z: int>>>",
    }
    first = ([{"qty": 2}, None], [{"qty": 2, "sku": "A"}, None], [("k", {"y": 2})], {"m": [("k", {"z": 1})]})
    assert read(columns) == sorted([first, ([], [], [], {"m": []}), (None, None, None, None)], key=repr)
    assert "there is no `v.items[].zz`" in refused(tmp_path, {"v": "struct<items: array<struct<zz: int>>>"})
    assert "`v.items[].qty` is smallint, but string is declared" in refused(
        tmp_path, {"v": "struct<items: array<struct<qty: string>>>"}
    )
    assert "`v.items[].more` is time64[us], but string is declared" in refused(
        tmp_path, {"v": "struct<items: array<struct<more: string>>>"}
    )


def test_names_that_differ_in_case_are_refused(write: Any, tmp_path: Path) -> None:
    write("a.parquet", pa.table({"v": [1], "V": [2]}))
    assert "`v` exists twice, with different letter case" in refused(tmp_path, {"v": "bigint"})


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Ho_Chi_Minh"])
def test_clocks_and_instants(unit: str, zone: str | None, read: Read, write: Any, tmp_path: Path) -> None:
    moment = EVENING.replace(microsecond=123000) if unit == "ms" else EVENING
    known = moment.replace(tzinfo=datetime.UTC) if zone else moment
    write("a.parquet", [known, None], pa.timestamp(unit, tz=zone))
    right, wrong = ("timestamp utc", "timestamp") if zone else ("timestamp", "timestamp utc")
    assert read({"v": right}) == [(None,), (moment,)]
    assert f"`v: {right}`" in refused(tmp_path, {"v": wrong})
    if zone:
        assert read({"v": "timestamptz"}) == [(None,), (moment,)]
        assert "declare `v: timestamptz`, or" in refused(tmp_path, {"v": wrong})
    else:
        assert "declare `v: timestamp`" in refused(tmp_path, {"v": "timestamptz"})


def test_an_int96_is_told_apart(read: Read, write: Any, tmp_path: Path) -> None:
    write("a.parquet", [EVENING, Moment(1500, 1, 1), None], pa.timestamp("us"), use_deprecated_int96_timestamps=True)
    assert read({"v": "timestamp utc"}) == [(None,), (Moment(1500, 1, 1),), (EVENING,)]
    assert "`v` is an INT96" in refused(tmp_path, {"v": "timestamp"})


def test_a_time_finer_than_a_microsecond_is_an_error(read: Read, write: Any) -> None:
    write("a.parquet", [1_648_845_000_000_000_001], pa.timestamp("ns"))
    with pytest.raises(StatementError, match="a time finer than a microsecond, in `v`"):
        read({"v": "timestamp"})


def test_dates_of_the_old_calendar_are_read_right(read: Read, write: Any) -> None:
    """Spark 2 wrote the number of days of the Julian date with the same name."""
    named = [
        "0001-01-01",
        "0900-02-28",
        "1000-03-01",
        "1001-01-01",
        "1300-02-28",
        "1582-10-04",
        "1582-10-15",
        "1900-01-01",
    ]
    table = pa.table({"v": pa.array([julian_day(text) for text in named], pa.date32())})
    write(
        "a.parquet",
        table.replace_schema_metadata({"org.apache.spark.legacyDateTime": "", "org.apache.spark.version": "2.4.8"}),
    )
    assert read({"v": "date"}) == sorted([(datetime.date.fromisoformat(text),) for text in named], key=repr)


def julian_day(text: str) -> int:
    """Days since 1970 of a date in the calendar that was in use on it (by the usual formulas of Julian day numbers)."""
    year, month, day = map(int, text.split("-"))
    if text >= "1582-10-15":
        return datetime.date(year, month, day).toordinal() - 719_163
    shifted, moved = year + 4800 - (14 - month) // 12, month + 12 * ((14 - month) // 12) - 3
    return day + (153 * moved + 2) // 5 + 365 * shifted + shifted // 4 - 32_083 - 2_440_588


def test_times_of_the_old_calendar_are_refused_where_they_are_in_doubt(read: Read, write: Any) -> None:
    old = {"org.apache.spark.legacyINT96": "", "org.apache.spark.version": "2.4.8"}
    for name, moment in (("new", EVENING), ("old", Moment(1850, 1, 1))):
        table = pa.table({"v": pa.array([moment], pa.timestamp("us"))}).replace_schema_metadata(old)
        write(f"{name}.parquet", table, use_deprecated_int96_timestamps=True)
        if name == "new":
            assert read({"v": "timestamp utc"}) == [(EVENING,)]
    with pytest.raises(StatementError, match="with Spark's old calendar has a time before 1900, in `v`"):
        read({"v": "timestamp utc"})


def test_days_and_odd_names(read: Read, write: Any) -> None:
    days = (datetime.date(2022, 4, 1), datetime.date(2022, 4, 2))
    for day in days:
        for name in ("v=9", "a[1]*?", "b:c", "é %20\n"):
            write(f"{day:%Y%m%d}/{name}/{name}.parquet", [day.day], pa.int32() if day.day == 1 else pa.int64())
    found = read({"v": "bigint"}, "data/{date:yyyyMMdd}", days=days)
    assert found == [(1, days[0])] * 4 + [(2, days[1])] * 4


def test_columns_that_a_statement_does_not_name_are_not_read(
    start: Callable[[], EngineSession], tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    pq.write_table(pa.table({"shop": ["A"], "units": [3], "note": ["x"]}), tmp_path / "data" / "a.parquet")
    found, relation = take(tmp_path, {"shop": "string", "units": "bigint", "note": "string"}, "data", tmp_path / "run")
    session = start()
    session.read_files("rows", relation, found.files)
    explained = session.fetch("EXPLAIN SELECT shop, sum(units) AS units FROM rows GROUP BY shop").to_pydict()
    plan = "\n".join(str(cell) for cells in explained.values() for cell in cells)
    scan = plan[plan.index("PARQUET") if "PARQUET" in plan else plan.index("ReadSchema") :]
    assert "shop" in scan
    assert "units" in scan
    assert "note" not in plan
