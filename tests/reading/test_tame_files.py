"""Files that DuckDB cuts into lines by itself give what our own cutting gives: rows, account and quarantine, with every line number."""

from __future__ import annotations

import json
import random
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_verdicts import TYPES, agrees, csv_judge, csv_records, json_records
from texts import Found, fields, read_csv_files, read_json_files

from etlrun.contracts.source import InputFile
from etlrun.failures import RunFailure
from etlrun.reading import tame_files
from etlrun.reading.encodings import open_text
from etlrun.reading.framing import frame_lines
from etlrun.reading.records import read_line
from etlrun.reading.separated import Separated
from etlrun.reading.tame_files import LineRules, find_tame

ONE_LINE = Separated(",", has_header=True, max_lines=1)


def is_tame(path: Path, rules: LineRules = LineRules()) -> bool:  # noqa: B008 - a frozen value
    return bool(find_tame([InputFile(str(path), None, path.stat().st_size, 0)], rules, 2))


def tame_only(records: list[bytes], meaningful: bytes = b"") -> list[bytes]:
    """Those records that may be lines of a tame file."""
    found = []
    for record in records:
        try:
            record.decode()
        except UnicodeDecodeError:
            continue
        if not record.startswith(b"\xef\xbb\xbf") and not set(record) & {0, 1, *b"\r\n", *meaningful}:
            found.append(record)
    return found


@pytest.mark.parametrize("many", [0, 10**9])
def test_a_json_line_of_a_tame_file_is_judged_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    monkeypatch.setattr("etlrun.reading.text_files.TextReader.many", many)
    records = [b"{}", *tame_only(json_records())]
    random.Random(many).shuffle(records)
    found = read_json_files(tmp_path, TYPES, b"\n".join((*records, b"{}")))
    assert is_tame(tmp_path / "0.json")
    agrees(found, lambda record: read_line(record, TYPES), [*records, b"{}"])
    assert all(records[item["line"] - 1].decode().startswith(item["raw"][:100]) for item in found.broken)


def test_a_record_of_separated_values_in_a_tame_file_is_judged_alone(tmp_path: Path) -> None:
    records = tame_only(csv_records(), b'"')
    random.Random(0).shuffle(records)
    header = ",".join(item.name for item in TYPES).encode()
    found = read_csv_files(tmp_path, TYPES, b"\n".join((header, *records, b"x")), how=ONE_LINE)
    assert is_tame(tmp_path / "0.csv", LineRules(b'"'))
    agrees(found, csv_judge, [*records, b"x"])
    assert all(records[item["line"] - 2].decode() == item["raw"] for item in found.broken if item["raw"] != "x")


PIECES = st.sampled_from(
    (
        b"{}",
        b'{"a":1}',
        b'{"a":"x"}',
        b'{"a":1,}',
        b"{",
        b" ",
        b"1",
        b"a",
        b"1,2",
        b",",
        b'"',
        "é\u2028".encode(),
        b"\xff",
        b"\r",
        b"\0",
        b"\x0b",
    )
)
TEXTS = st.lists(st.one_of(PIECES, st.just(b"\n"), st.just(b"\n")), max_size=30).map(b"".join)


@given(text=TEXTS, size=st.integers(1, 40), room=st.integers(1, 60))
@settings(max_examples=200, deadline=None)
def test_a_look_counts_the_lines_whatever_its_slices(
    text: bytes, size: int, room: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "look.json"
    path.write_bytes(text)
    with patch.multiple(tame_files, SLICE=size, CHUNK=room):
        found = find_tame([InputFile(str(path), None, len(text), 0)], LineRules(), 2)
    with open(path, "rb") as file:
        lines = sum(len(records) for records in frame_lines(open_text(file, str(path))))  # type: ignore[arg-type]
    assert [tame.lines for tame in found] in ([], [lines])
    is_plain = text.isascii() and not set(text) & set(b"\r\0")
    if is_plain and text and max(map(len, text.split(b"\n"))) < room:
        assert found


SKIPPING = Separated(",", has_header=False, max_lines=100, skip=2)


@given(texts=st.lists(TEXTS.filter(bool), min_size=1, max_size=3))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("kind", ["json", "csv", "skipping"])
def test_a_tame_file_reads_as_if_it_were_cut_here(
    kind: str, texts: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    def read() -> Found:
        folder = tmp_path_factory.mktemp("read")
        if kind == "json":
            return read_json_files(folder, fields(a="bigint"), *texts)
        if kind == "skipping":
            return read_csv_files(folder, fields(a="bigint", b="string"), *texts, how=SKIPPING)
        return read_csv_files(folder, fields(a="bigint", b="string"), *(b"a,b\n" + text for text in texts))

    with patch("etlrun.reading.text_files.find_tame", lambda files, rules, threads: []):
        cut_here = read()
    by_duckdb = read()
    assert by_duckdb.counted() == cut_here.counted()
    assert by_duckdb.account == cut_here.account
    assert sorted(map(_place, by_duckdb.broken)) == sorted(map(_place, cut_here.broken))


def _place(broken: dict[str, object]) -> tuple[str, object, object, object]:
    return str(broken["file"]).rsplit("/", 1)[-1], broken["line"], broken["reason"], broken["raw"]


@pytest.mark.parametrize(
    "text",
    [b"\xef\xbb\xbf{}\n", b"{}\r\n{}", b"{}\r{}", b'{"a":"\0"}', b'{"a":"\xff"}', b"{" + b" " * (1 << 21) + b"}\n{}"],
    ids=["mark", "CR LF", "CR", "zero byte", "not UTF-8", "long line"],
)
def test_what_lines_end_and_hold_otherwise_is_not_tame(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(text)
    assert not is_tame(path)


def test_a_file_that_changes_while_duckdb_reads_it_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_and_append(files: list[InputFile], rules: LineRules, threads: int) -> object:
        found = find_tame(files, rules, 2)
        with open(files[0].path, "ab") as file:
            file.write(b'{"a":2}\n')
        return found

    monkeypatch.setattr("etlrun.reading.text_files.find_tame", look_and_append)
    with pytest.raises(RunFailure, match="the file changed while the run read it"):
        read_json_files(tmp_path, fields(a="bigint"), b'{"a":1}\n')


@pytest.mark.parametrize("name", ["a[1].json", "b*.json", "day=2.json", "a b\u0103.json", "'q'.json"])
def test_an_odd_name_is_a_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "folder=[x]" / name
    path.parent.mkdir()
    path.write_bytes(b'{"a":1}\nbroken\n{"a":2}\n')
    assert is_tame(path)
    found = read_json_files(path.parent, fields(a="bigint"), b'{"a":1}\nbroken\n', ending=f"-{name}")
    assert found.rows == [(1,)]
    assert [item["line"] for item in found.broken] == [2]


@pytest.mark.parametrize("text", ["a\\0b", "\\0", "C:\\07\\0data", "1e-\\07", "a\\x01", "a\\,b", "a\x01b", "a|b;c\td"])
def test_no_text_of_a_line_is_taken_for_a_separator(tmp_path: Path, text: str) -> None:
    quoted = f'"{text}"' if "," in text else text
    for folder in ("csv", "json", "number"):
        (tmp_path / folder).mkdir()
    found = read_csv_files(tmp_path / "csv", fields(id="bigint", name="string"), f"id,name\n1,{quoted}\n2,b\n".encode())
    assert sorted(found.rows) == [(1, text), (2, "b")]
    line = json.dumps({"id": 1, "name": text})
    found = read_json_files(tmp_path / "json", fields(id="bigint", name="string"), f"{line}\n".encode())
    assert found.rows == [(1, text)]
    found = read_csv_files(
        tmp_path / "number", fields(id="bigint", name="double"), f"id,name\n1,{quoted}\n2,5\n".encode()
    )
    assert (found.rows, found.account) == ([(2, 5.0)], (1, 1, 0))
