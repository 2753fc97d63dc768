"""The fast way and the exact way of reading JSON lines give the same rows and refuse the same lines."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from texts import read_json_files

from etlrun.contracts.source import InputFile, Inventory, ReadRequest, ReadResult
from etlrun.failures import RunFailure
from etlrun.language.columns import Column, Columns
from etlrun.language.type_texts import parse_type
from etlrun.reading.framing import frame_lines
from etlrun.reading.json_lines import read_json
from etlrun.reading.record_values import BrokenRecordError
from etlrun.reading.records import Field, read_line

FIELDS = (
    Field("contract", ("s", "contract"), parse_type("string"), False),
    Field("seconds", ("s", "seconds"), parse_type("bigint"), True),
    Field("price", ("price",), parse_type("decimal(6,2)"), False),
    Field("ratio", ("ratio",), parse_type("double"), False),
    Field("day", ("day",), parse_type("date"), False),
    Field("is_live", ("is_live",), parse_type("boolean"), False),
    Field("tags", ("tags",), parse_type("array<string>"), False),
)
COLUMNS = Columns(tuple(Column(item.name, item.type) for item in FIELDS))


def no_database(connection: str) -> Any:
    raise AssertionError(connection)


def read(
    folder: Path, *contents: bytes, suffix: str = ".json"
) -> tuple[ReadResult, list[tuple[Any, ...]], list[dict[str, Any]]]:
    """The intake of files with these contents, its rows, and what went into quarantine."""
    files = []
    for index, content in enumerate(contents):
        path = folder / f"{index}{suffix}"
        path.write_bytes(content)
        files.append(InputFile(str(path), None, len(content), path.stat().st_mtime_ns))
    quarantine = folder / "quarantine.jsonl"
    order = ReadRequest("views", Inventory(tuple(files)), folder / "rows", quarantine, lambda *news: None, no_database)
    read_result = read_json(order, COLUMNS, FIELDS, frame_lines)
    broken = [json.loads(line) for line in quarantine.read_text().split("\n")[:-1]] if quarantine.exists() else []
    return read_result, rows_of(read_result), broken


def rows_of(read_result: ReadResult) -> list[tuple[Any, ...]]:
    names = ", ".join(f'"{item.name}"' for item in COLUMNS)
    found: list[tuple[Any, ...]] = []
    with duckdb.connect() as connection:
        for part in read_result.files:
            where = f' WHERE "{part.marker}" IS NULL' if part.marker else ""
            found += connection.execute(f"SELECT {names} FROM read_parquet({list(part.paths)}){where}").fetchall()
    return found


def exactly(lines: list[bytes]) -> tuple[list[tuple[Any, ...]], int, int]:
    """The rows, the number of broken lines and of blank ones, by the exact reader alone."""
    rows, broken, blank = [], 0, 0
    for line in lines:
        try:
            values = read_line(line, FIELDS)
        except BrokenRecordError:
            broken += 1
            continue
        if values is None:
            blank += 1
        else:
            rows.append(values)
    return rows, broken, blank


def countable(rows: list[tuple[Any, ...]]) -> Counter[str]:
    """Rows that can be counted; 3.5 and 3.50 are one decimal."""
    return Counter(repr([value.normalize() if isinstance(value, Decimal) else value for value in row]) for row in rows)


GOOD = b'{"s": {"contract": "A", "seconds": 5}, "price": 1.25, "ratio": 0.5, "day": "2022-04-01", "is_live": true, "tags": ["x"]}'
texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["ngày", "nga\u0300y", "1.2.3.4", "3.5", "{x", "[", "NaN", "", "0", 'a"b', "\\", "],"]),
)
numbers = st.one_of(
    st.integers(-(2**65), 2**65).map(str),
    st.sampled_from(["1.50", "-0.0", "1e5", "1E400", "0.1", "-7", "123.456", "9999.99", "10000", "01", "+1", "NaN"]),
)
literals = st.one_of(
    texts.map(json.dumps),
    numbers,
    st.sampled_from(["null", "true", "false", "{}", "[]", '{"x": 1}', '["a", 1.5, null]', "[{}]", '"2022-02-30"']),
)


@st.composite
def lines(draw: Any) -> bytes:
    """A line that resembles a record: some values replaced, keys left out, doubled or respelt, and at times the whole line spoilt."""
    members = {"contract": '"A"', "seconds": "5"}
    outer = {"price": "1.25", "ratio": "0.5", "day": '"2022-04-01"', "is_live": "true", "tags": '["x"]'}
    for name in draw(st.lists(st.sampled_from([*members, *outer]), max_size=3)):
        (members if name in members else outer)[name] = draw(literals)
    for name in draw(st.lists(st.sampled_from([*members, *outer]), max_size=2)):
        (members if name in members else outer).pop(name, None)
    inside = ", ".join(f'"{name}": {value}' for name, value in members.items())
    inside += draw(st.sampled_from(["", "", "", ', "seconds": 1', ', "Seconds": 1', ', "other": {"seconds": 1}', ","]))
    text = "{" + ", ".join([f'"s": {{{inside}}}', *(f'"{name}": {value}' for name, value in outer.items())]) + "}"
    spoil = draw(st.sampled_from(["", "", "", "", "cut", "twice", "list", "after", "space", "blank"]))
    cut = draw(st.integers(0, len(text)))
    found = {
        "cut": text[:cut],
        "twice": text + text,
        "list": f"[{text}]",
        "after": text + " x",
        "space": f"  {text}\t",
        "blank": " ",
    }.get(spoil, text)
    return found.replace("\n", " ").replace("\r", " ").encode("utf-8", errors="surrogatepass")


@pytest.mark.parametrize("many", [0, 1000])
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(found=st.lists(lines(), min_size=1, max_size=40))
def test_all_ways_agree_on_any_lines(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, many: int, found: list[bytes]
) -> None:
    """With `many` at 0 the patient statement runs over whatever the strict one left open."""
    monkeypatch.setattr("etlrun.reading.text_files.TextReader.many", many)
    folder = tmp_path_factory.mktemp("lines")
    read_result, rows, broken = read(folder, b"\n".join([GOOD, *found]))
    wanted, bad, blank = exactly([GOOD, *found])
    if found[-1] == b"":
        blank -= 1  # what follows the last line end is no line
    assert countable(rows) == countable(wanted)
    assert (read_result.rows, read_result.bad_rows, read_result.blank) == (len(wanted), bad, blank)
    assert len(broken) == bad


def test_a_broken_record_is_kept_with_file_line_reason_and_text(tmp_path: Path) -> None:
    bad = b'{"s": {"contract": "A", "seconds": "12"}}'
    read_result, rows, broken = read(tmp_path, GOOD + b"\n" + GOOD, b"\n".join([GOOD, b"", bad, GOOD]))
    assert (read_result.rows, read_result.bad_rows, read_result.blank) == (4, 1, 1)
    assert len(rows) == 4
    assert broken == [
        {
            "source": "views",
            "file": str(tmp_path / "1.json"),
            "line": 3,
            "reason": '`seconds` is "12", but bigint is expected',
            "raw": bad.decode(),
            "cut": False,
        }
    ]
    assert (tmp_path / "quarantine.jsonl").stat().st_mode & 0o777 == 0o600


def test_equal_broken_lines_are_told_apart_by_their_line(tmp_path: Path) -> None:
    _, _, broken = read(tmp_path, b"x\n" + GOOD + b"\nx\n")
    assert [record["line"] for record in broken] == [1, 3]


def test_a_file_of_odd_bytes_is_read_line_by_line(tmp_path: Path) -> None:
    read_result, rows, broken = read(tmp_path, GOOD, GOOD + b"\n\xff\xfe\n" + GOOD + b"\r\n" + GOOD)
    assert (read_result.rows, read_result.bad_rows) == (4, 1)
    assert len(rows) == 4
    assert broken[0]["line"] == 2
    assert broken[0]["raw"] == "\\xff\\xfe"


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_in_any_way(tmp_path: Path, end: bytes) -> None:
    read_result, rows, _ = read(tmp_path, b"\xef\xbb\xbf" + GOOD + end + GOOD)
    assert (read_result.rows, len(rows)) == (2, 2)


def test_gzip_is_read(tmp_path: Path) -> None:
    read_result, _, _ = read(tmp_path, gzip.compress(GOOD + b"\n" + GOOD), suffix=".json.gz")
    assert read_result.rows == 2


@pytest.mark.parametrize("spoil", ["cut", "checksum"])
def test_a_damaged_gzip_file_is_refused(tmp_path: Path, spoil: str) -> None:
    whole = bytearray(gzip.compress((GOOD + b"\n") * 5000))
    content = bytes(whole[: len(whole) // 2])
    if spoil == "checksum":
        whole[-6] ^= 255
        content = bytes(whole)
    with pytest.raises(RunFailure) as caught:
        read(tmp_path, content, suffix=".json.gz")
    assert caught.value.code in ("damaged-file", "unreadable-file")
    assert str(tmp_path / "0.json.gz") in caught.value.message


def test_a_long_text_is_read_whole(tmp_path: Path) -> None:
    text = "x" * 20_000_000
    _, rows, _ = read(
        tmp_path,
        b'{"s": {"contract": "'
        + text.encode()
        + b'", "seconds": 5}, "price": null, "ratio": null, "day": null, "is_live": null, "tags": null}',
    )
    assert rows[0][0] == text


def test_lines_without_some_key_are_read_without_looking_at_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    monkeypatch.setattr("etlrun.reading.json_lines.read_text", lambda raw, fields: seen.append(raw))
    short = b'{"s": {"seconds": 5}, "ratio": 0.5}'
    read_result, rows, _ = read(tmp_path, b"\n".join([GOOD, *[short] * 2000]))
    assert (read_result.rows, len(rows), seen) == (2001, 2001, [])
    assert rows.count((None, 5, None, 0.5, None, None, None)) == 2000


@pytest.mark.parametrize(("one", "other"), [(("a",), ("A",)), (("b", "k"), ("b", "K")), (("b", "x"), ("B", "y"))])
def test_keys_that_differ_in_case_alone_are_two_keys(
    one: tuple[str, ...], other: tuple[str, ...], tmp_path: Path
) -> None:
    declared = tuple(Field(name, path, parse_type("bigint"), False) for name, path in (("v", one), ("w", other)))
    text = b'{"a": 1, "A": 2, "b": {"k": 1, "K": 2, "x": 1}, "B": {"y": 2}}\n'
    assert read_json_files(tmp_path, declared, text).rows == [(1, 2)]


@pytest.mark.parametrize("spelled", ["nga\u0300y", "Nga\u0300y", "NG\u00c0Y", "\u212angày"])
def test_a_key_that_only_looks_like_the_declared_one_breaks_its_record(tmp_path: Path, spelled: str) -> None:
    declared = (Field("ngày", ("ngày",), parse_type("int"), False), Field("id", ("id",), parse_type("int"), False))
    declared = (Field("kngày", ("kngày",), parse_type("int"), False), declared[1]) if "\u212a" in spelled else declared
    records = [{"id": 1, declared[0].name: 1}, {"id": 2, spelled: 2}, {"id": 3}, {"id": 4, "ngay": 4}]
    found = read_json_files(
        tmp_path, declared, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
    )
    assert sorted(found.rows, key=lambda row: row[1]) == [(1, 1), (None, 3), (None, 4)]
    assert [record["line"] for record in found.broken] == [2]


def test_a_key_in_other_unicode_characters_is_shown_with_its_escapes(tmp_path: Path) -> None:
    declared = (Field("ngày", ("ngày",), parse_type("int"), False),)
    found = read_json_files(tmp_path, declared, '{"nga\u0300y": 2}\n'.encode())
    assert found.broken[0]["reason"] == (
        'the key "nga\\u0300y" has other Unicode characters than the declared "ng\\u00e0y", although both look the same'
    )


def test_two_columns_may_have_keys_that_look_alike(tmp_path: Path) -> None:
    declared = (
        Field("a", ("ng\u00e0y",), parse_type("int"), False),
        Field("b", ("nga\u0300y",), parse_type("int"), False),
    )
    found = read_json_files(tmp_path, declared, '{"nga\u0300y": 2, "ng\u00e0y": 1}\n'.encode())
    assert found.rows == [(1, 2)]
