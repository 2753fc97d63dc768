"""Separated values: rows, nulls, broken lines."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from texts import fields, read_csv_files

from etlrun.contracts.source import InputFile, Inventory, ReadRequest, ReadResult
from etlrun.failures import RunFailure
from etlrun.language.columns import Column, Columns
from etlrun.language.type_texts import parse_type
from etlrun.reading.records import Field
from etlrun.reading.separated import Separated, read_separated
from etlrun.reading.splitting import Splitter

FIELDS = (
    Field("shop", ("shop",), parse_type("string"), True),
    Field("units", ("units",), parse_type("int"), False),
    Field("price", ("price",), parse_type("decimal(6,2)"), False),
)
COLUMNS = Columns(tuple(Column(item.name, item.type) for item in FIELDS))


def no_database(connection: str) -> Any:
    raise AssertionError(connection)


def read(
    folder: Path,
    *texts: bytes,
    separator: str = ",",
    has_header: bool = True,
    max_lines: int = 100,
    optional: frozenset[str] = frozenset(),
    skip: int = 0,
) -> tuple[ReadResult, list[tuple[Any, ...]], list[dict[str, Any]]]:
    files = []
    for index, text in enumerate(texts):
        path = folder / (f"{index}.csv.gz" if text.startswith(b"\x1f\x8b") else f"{index}.csv")
        path.write_bytes(text)
        files.append(InputFile(str(path), None, len(text), path.stat().st_mtime_ns))
    quarantine = folder / "quarantine.jsonl"
    order = ReadRequest("sales", Inventory(tuple(files)), folder / "rows", quarantine, lambda *news: None, no_database)
    read_result = read_separated(order, COLUMNS, FIELDS, Separated(separator, has_header, max_lines, optional, skip))
    rows: list[tuple[Any, ...]] = []
    with duckdb.connect() as connection:
        for part in read_result.files:
            where = f' WHERE "{part.marker}" IS NULL' if part.marker else ""
            rows += connection.execute(
                f"SELECT shop, units, CAST(price AS VARCHAR) FROM read_parquet({list(part.paths)}){where}"
            ).fetchall()
    broken = [json.loads(line) for line in quarantine.read_text().split("\n")[:-1]] if quarantine.exists() else []
    return read_result, sorted(rows, key=repr), broken


def test_columns_are_found_by_the_header(tmp_path: Path) -> None:
    read_result, rows, _ = read(tmp_path, b"price,other,shop,units\n1.5,x,A,2\n,,B,\n")
    assert rows == [("A", 2, "1.50"), ("B", None, None)]
    assert (read_result.rows, read_result.bad_rows) == (2, 0)


def test_files_may_order_their_columns_differently(tmp_path: Path) -> None:
    _, rows, _ = read(tmp_path, b"shop,units,price\nA,1,1\n", b"units,price,shop\n2,2,B\n")
    assert rows == [("A", 1, "1.00"), ("B", 2, "2.00")]


def test_quotes_hold_separators_quotes_and_line_ends(tmp_path: Path) -> None:
    _, rows, _ = read(
        tmp_path, 'shop,units,price\n"a,b",1,1\n"say ""hi""",2,2\n"two\nlines",3,3\nBún bò Huế,4,4\n'.encode()
    )
    assert [row[0] for row in sorted(rows, key=lambda row: row[1])] == ["a,b", 'say "hi"', "two\nlines", "Bún bò Huế"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("A,1", "fewer values than the header has (2 instead of 3)"),
        ("A,1,2,3", "more values than the header has (4 instead of 3)"),
        ("A,1.5,2", '`units` is "1.5", but int is expected'),
        ("A,x,2", '`units` is "x", but int is expected'),
        ("A,1,1.234", '`price` is "1.234", but decimal(6,2) is expected'),
        (",1,2", "`shop` has no value"),
    ],
)
def test_a_broken_line_is_set_aside_with_its_reason(tmp_path: Path, line: str, reason: str) -> None:
    read_result, rows, broken = read(tmp_path, f"shop,units,price\nok,1,1\n{line}\nok,2,2\n".encode())
    assert (read_result.rows, read_result.bad_rows, len(rows)) == (2, 1, 2)
    assert broken[0]["reason"] == reason
    assert broken[0]["raw"].strip() == line


def test_another_separator_no_header_and_gzip(tmp_path: Path) -> None:
    _, rows, _ = read(tmp_path, gzip.compress(b"A;1;2\nB;3;4\n"), separator=";", has_header=False)
    assert rows == [("A", 1, "2.00"), ("B", 3, "4.00")]


def test_windows_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    _, rows, _ = read(tmp_path, b"\xef\xbb\xbfshop,units,price\r\nA,1,2\r\n")
    assert rows == [("A", 1, "2.00")]


@pytest.mark.parametrize(
    ("header", "name"), [('"a""b",s', 'a"b'), ('a"b,s', 'a"b'), ('"a\nb",s', "a\nb"), ('"a\r\nb",s\r', "a\r\nb")]
)
def test_a_header_may_hold_quotes_and_line_ends(tmp_path: Path, header: str, name: str) -> None:
    declared = (Field("n", (name,), parse_type("int"), False), *fields(s="string"))
    found = read_csv_files(tmp_path, declared, f"{header}\n1,x\n2,y\n".encode())
    assert sorted(found.rows) == [(1, "x"), (2, "y")]
    assert found.account == (2, 0, 0)


def test_a_header_with_a_stray_line_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFailure, match="the header cannot be read: a value without quotes contains a line end"):
        read_csv_files(tmp_path, fields(shop="string"), b"shop,units\r\r\nA,1\r\r\n")


def test_a_header_without_a_declared_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFailure) as caught:
        read(tmp_path, b"shop,unit,price\nA,1,2\n")
    assert caught.value.code == "missing-column"
    assert "`units`" in caught.value.message
    assert "shop, unit, price" in caught.value.fix


def test_a_name_that_only_looks_like_the_declared_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFailure) as caught:
        read_csv_files(
            tmp_path, (Field("caf\u00e9", ("caf\u00e9",), parse_type("int"), False),), "cafe\u0301,s\n1,x\n".encode()
        )
    assert caught.value.fix.endswith('characters that look the same: `path: "cafe\\u0301"`')


def test_an_optional_column_is_refused_where_a_name_looks_like_it(tmp_path: Path) -> None:
    texts = (b"shop,units,price\nA,1,2\n", b"shop,Units,price\nB,2,3\n")
    with pytest.raises(RunFailure) as caught:
        read(tmp_path, *texts, optional=frozenset({"units"}))
    assert caught.value.code == "missing-column"
    assert caught.value.fix == 'the header spells `units` in other letter case: `path: "Units"`'


def test_files_may_lack_an_optional_column(tmp_path: Path) -> None:
    texts = (b"shop,units,price\nA,1,2\n", b'shop,units\nB,2\n"C,c",many\n"D,d",4\n', b"units,shop\n\n5,E\n")
    read_result, rows, broken = read(tmp_path, *texts, optional=frozenset({"price"}))
    assert rows == [("A", 1, "2.00"), ("B", 2, None), ("D,d", 4, None), ("E", 5, None)]
    assert (read_result.rows, read_result.bad_rows, read_result.blank, len(broken)) == (4, 1, 1, 1)
    assert read_result.notices == (
        f"`sales`: 2 of 3 files have no column `price`; it is null for their rows: {tmp_path / '1.csv'}",
    )


def test_a_file_may_hold_optional_columns_only(tmp_path: Path) -> None:
    optional = frozenset({"units", "price"})
    _, rows, _ = read(tmp_path, b"shop,units,price\nA,1,2\n", b"other,shop\nx,B\n", b"shop\nC\n", optional=optional)
    assert rows == [("A", 1, "2.00"), ("B", None, None), ("C", None, None)]


def test_an_optional_column_that_no_file_has_is_misspelled(tmp_path: Path) -> None:
    with pytest.raises(RunFailure, match="no file of `sales` has a column `price`"):
        read(tmp_path, b"shop,units\nA,1\n", optional=frozenset({"price"}))


def test_a_name_twice_in_the_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFailure) as caught:
        read(tmp_path, b"shop,units,price,units\nA,1,2,3\n")
    assert caught.value.code == "double-column"


def test_empty_values_become_null_in_one_pass_however_many_the_columns() -> None:
    """A condition of each column makes DuckDB plan for minutes where there are thousands."""
    assert Splitter(",", 5_000, range(5_000)).of_lines("lines").count("nullif") == 1


def test_a_file_of_thousands_of_columns_is_read(tmp_path: Path) -> None:
    names = [f"c{index}" for index in range(2_000)]
    values = ["" if index % 3 else str(index) for index in range(2_000)]
    content = f"{','.join(names)}\n{','.join(values)}\n".encode()
    found = read_csv_files(tmp_path, fields(**dict.fromkeys(names, "bigint")), content)
    assert found.rows == [tuple(int(value) if value else None for value in values)]


def test_a_name_twice_in_the_header_matters_only_where_it_is_declared(tmp_path: Path) -> None:
    _, rows, _ = read(tmp_path, b"shop,x,units,x,price,,\nA,8,1,9,2,,\n")
    assert rows == [("A", 1, "2.00")]


@pytest.mark.parametrize(
    "above", [b'Sales "of 2022\n\n', b"\xff\xfe,,,\r\n\r\n", b"\xef\xbb\xbfa,b\nc\n", b"x" * (1 << 21) + b"\n,\n"]
)
def test_lines_above_the_header_are_passed_over_whatever_they_hold(above: bytes, tmp_path: Path) -> None:
    texts = above + b'shop,units,price\n"A,a",1,2\nB,many,3\n', above + b"units,price,shop\n1,2,C\n"
    read_result, rows, broken = read(tmp_path, *texts, skip=2)
    assert rows == [("A,a", 1, "2.00"), ("C", 1, "2.00")]
    assert (read_result.rows, read_result.bad_rows, broken[0]["line"]) == (2, 1, 5)


def test_columns_in_their_order_replace_a_header_that_cannot_be_used(tmp_path: Path) -> None:
    plain, packed = b"a,a,\nA,1,2\nB,2,x\n", gzip.compress(b"a,a,\nC,3,4\n")
    _, rows, broken = read(tmp_path, plain, packed, b"a,a,\n", b"", has_header=False, skip=1)
    assert rows == [("A", 1, "2.00"), ("C", 3, "4.00")]
    assert [each["line"] for each in broken] == [3]


def test_a_file_of_fewer_lines_than_are_passed_over_has_no_rows(tmp_path: Path) -> None:
    read_result, rows, _ = read(tmp_path, b"A,1,2\nB,1,2\n", b"A,1,2\nB,1,2\nC,1,2\nD,1,2", has_header=False, skip=3)
    assert (rows, read_result.rows, read_result.bad_rows) == ([("D", 1, "2.00")], 1, 0)
