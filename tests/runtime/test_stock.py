"""What is written down of staged files: rows, digests, and a checksum that follows the rows and not their order."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from etlrun.failures import RunFailure
from etlrun.language.columns import Column, Columns
from etlrun.language.type_texts import parse_type
from etlrun.runtime.stage import Staged, take_stock

COLUMNS = Columns((Column("id", parse_type("int")), Column("name", parse_type("string"))))


def stock(folder: Path, **values: str) -> Staged:
    """The stock of a folder in which each file holds the rows of a SQL list."""
    folder.mkdir()
    for file, rows in values.items():
        select = f"SELECT * FROM (VALUES {rows or '(0, NULL)'}) t(id, name) WHERE {bool(rows)}"
        duckdb.execute(
            f"COPY (SELECT id::INT AS id, name::VARCHAR AS name FROM ({select})) TO '{folder / file}.parquet'"
        )
    return take_stock("rows", folder, COLUMNS)


def test_rows_are_counted_by_file_and_a_file_without_rows_is_kept(tmp_path: Path) -> None:
    found = stock(tmp_path / "a", first="(1, 'a'), (2, NULL)", second="", third="(1, 'a')")
    assert [(path.name, file.rows) for path, file in zip(found.paths, found.files, strict=True)] == [
        ("first.parquet", 2),
        ("second.parquet", 0),
        ("third.parquet", 1),
    ]
    assert found.rows == 3


def test_the_checksum_follows_the_rows_and_not_their_files(tmp_path: Path) -> None:
    one = stock(tmp_path / "one", all="(1, 'a'), (2, NULL), (1, 'a')")
    several = stock(tmp_path / "several", first="(2, NULL)", second="(1, 'a'), (1, 'a')")
    fewer = stock(tmp_path / "fewer", all="(1, 'a'), (2, NULL)")
    assert one.checksum == several.checksum != fewer.checksum
    assert stock(tmp_path / "none", all="").checksum == stock(tmp_path / "no file").checksum == "0"


def test_a_file_that_was_cut_is_named(tmp_path: Path) -> None:
    stock(tmp_path / "a", first="(1, 'a')", second="(2, 'b')")
    path = tmp_path / "a" / "second.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RunFailure) as caught:
        take_stock("rows", tmp_path / "a", COLUMNS)
    assert caught.value.code == "stage-damaged"
    assert "second.parquet in" in caught.value.message
