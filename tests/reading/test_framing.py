"""Where records start and end: quotes that are left open, line ends of all kinds, long lines, the elements of an array."""

from __future__ import annotations

import bz2
import gzip
import os
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pytest
from texts import fields, read_csv_files, read_json_files

from etlrun.failures import RunFailure
from etlrun.reading.elements import frame_elements, frame_objects
from etlrun.reading.quarantine import Quarantine, Spools, Way
from etlrun.reading.separated import Separated

PAIR = fields(id="bigint", name="string")


def lines(first: int, last: int) -> bytes:
    return b"".join(b"%d,name%d\n" % (number, number) for number in range(first, last + 1))


def test_a_quote_that_is_never_closed_breaks_its_line_alone(tmp_path: Path) -> None:
    found = read_csv_files(tmp_path, PAIR, b"id,name\n" + lines(1, 499) + b'500,"name500\n' + lines(501, 1000))
    assert found.account == (999, 1, 0)
    assert found.broken[0]["line"] == 501
    assert found.broken[0]["raw"] == '500,"name500'
    assert "a quote is not closed" in found.broken[0]["reason"]


@pytest.mark.parametrize("last", [b'900,name900"\n', b'900,"name900"\n'])
def test_a_quote_that_is_closed_hundreds_of_lines_later_breaks_its_line_alone(tmp_path: Path, last: bytes) -> None:
    text = b"id,name\n" + lines(1, 499) + b'500,"name500\n' + lines(501, 899) + last + lines(901, 1000)
    found = read_csv_files(tmp_path, PAIR, text)
    assert found.account == (999, 1, 0)
    assert found.broken[0]["line"] == 501


def test_a_record_of_more_than_a_few_lines_is_noted(tmp_path: Path) -> None:
    text = b'id,name\n1,"a\nb"\n2,"' + b"x\n" * 20 + b'"\n3,c\n'
    found = read_csv_files(tmp_path, PAIR, text)
    assert sorted(found.rows, key=repr) == [(1, "a\nb"), (2, "x\n" * 20), (3, "c")]
    assert "has 21 lines" in found.read_result.notices[0]
    assert "0.csv:4)" in found.read_result.notices[0]


def test_a_record_of_many_lines_is_told_by_line_and_lines_where_a_value_is_broken(tmp_path: Path) -> None:
    found = read_csv_files(tmp_path, PAIR, b'id,name\n1,a\nx,"b\nc"\n2,d\n')
    assert found.account == (2, 1, 0)
    assert (found.broken[0]["line"], found.broken[0]["lines"], found.broken[0]["raw"]) == (3, 2, 'x,"b\nc"')


@pytest.mark.parametrize("chunk", [7, 16, 64, 1 << 20])
def test_records_are_the_same_however_the_file_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr("etlrun.reading.lines.CHUNK", chunk)
    text = b'id,name\r\n1,"a\r\nb"\r\n2,c\n\n3,"d\n4,e\n5,"f""\n"\n6,\xff\n7,"g"h\n8,i,\n9,j\rk'
    found = read_csv_files(tmp_path, PAIR, text)
    assert sorted(found.rows, key=repr) == [(1, "a\r\nb"), (2, "c"), (4, "e"), (5, 'f"\n')]
    assert [
        (item["line"], item["reason"].split(" (")[0]) for item in sorted(found.broken, key=lambda item: item["line"])
    ] == [
        (6, "a quote is not closed"),
        (10, "not UTF-8"),
        (11, "there is text after a closing quote"),
        (12, "more values than the header has"),
        (13, "a value without quotes contains a line end"),
    ]
    assert found.read_result.blank == 1


@pytest.mark.parametrize(
    ("text", "account"),
    [
        (b"id,name\n1,An\r\n2,Ba\n", (2, 0, 0)),
        (b"id,name\r\n1,An\n2,Ba\r\n", (2, 0, 0)),
        (b"id,name\n1,A\rn\n2,Ba\n", (1, 1, 0)),
        (b"id,name\r1,An\r2,Ba\r", (2, 0, 0)),
        (b"\xef\xbb\xbfid,name\r\n1,An\r\n2,Ba", (2, 0, 0)),
        (b"id,name\n1,a,\n2,b\n", (1, 1, 0)),
        (b"id,name\n1\n2,b\n", (1, 1, 0)),
        (b"id,name\n\n1,a\n\n", (1, 0, 2)),
        (b"id,name\n", (0, 0, 0)),
    ],
)
def test_one_odd_line_breaks_itself_at_most(tmp_path: Path, text: bytes, account: tuple[int, int, int]) -> None:
    assert read_csv_files(tmp_path, PAIR, text).account == account


def test_a_file_of_one_column_keeps_its_lines(tmp_path: Path) -> None:
    found = read_csv_files(tmp_path, fields(a="string"), b'a\nx\n\n"y"\n""\n"z\nz"\n')
    assert found.counted() == {"['x']": 1, "['y']": 1, "[None]": 1, "['z\\nz']": 1}
    assert found.read_result.blank == 1


def test_a_separator_of_many_bytes_separates(tmp_path: Path) -> None:
    how = Separated("§", has_header=True, max_lines=100)
    found = read_csv_files(tmp_path, PAIR, 'id§name\n1§An\n2§"B§a"\n'.encode(), how=how)
    assert sorted(found.rows) == [(1, "An"), (2, "B§a")]


@pytest.mark.parametrize(
    ("ending", "compress"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".zst", lambda data: pa.compress(data, "zstd", asbytes=True))],
)
def test_compressed_files_are_read_and_cut_ones_refused(tmp_path: Path, ending: str, compress: object) -> None:
    assert callable(compress)
    whole = compress(b'{"id": 1}\n' * 1000)
    (tmp_path / "whole").mkdir()
    assert read_json_files(tmp_path / "whole", PAIR, whole + whole, ending=f".json{ending}").account == (2000, 0, 0)
    for name, content in {
        "cut": whole[:-3],
        "cut_later": whole + whole[:-3],
        "other": whole + b"other" + whole,
    }.items():
        (tmp_path / name).mkdir()
        with pytest.raises(RunFailure) as caught:
            read_json_files(tmp_path / name, PAIR, content, ending=f".json{ending}")
        assert caught.value.code == "damaged-file"


def test_a_line_that_is_too_long_is_one_broken_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etlrun.reading.lines.MAX_LINE", 1000)
    monkeypatch.setattr("etlrun.reading.tame_files.WINDOW", 500)
    monkeypatch.setattr("etlrun.reading.lines.CHUNK", 256)
    monkeypatch.setattr("etlrun.reading.lines.HEAD", 100)
    text = b'{"id": 1}\n{"id": 2, "name": "' + b"x" * 5000 + b'"}\n{"id": 3}\n' + b"y" * 3000
    found = read_json_files(tmp_path, PAIR, text)
    assert sorted(found.rows) == [(1, None), (3, None)]
    assert [(item["line"], item["cut"]) for item in found.broken] == [(2, True), (4, True)]
    assert found.broken[0]["bytes"] == 5021


@pytest.mark.parametrize("chunk", [3, 10, 1 << 20])
def test_the_elements_of_an_array_are_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr("etlrun.reading.elements.CHUNK", chunk)
    text = b'\xef\xbb\xbf\n[\n  {"id": 1,\n   "name": "a]}, [\\""},{"id": "x"},\n  7, {"id": 2, "more": [{"a": [1, 2]}]}\n]\n'
    found = read_json_files(tmp_path, PAIR, text, framer=frame_elements)
    assert sorted(found.rows) == [(1, 'a]}, ["'), (2, None)]
    assert [(item["line"], item["raw"]) for item in found.broken] == [(4, '{"id": "x"}'), (5, "7")]


@pytest.mark.parametrize("chunk", [1, 3, 10, 1 << 20])
def test_objects_that_follow_each_other_are_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr("etlrun.reading.elements.CHUNK", chunk)
    text = b"""\xef\xbb\xbf {"id": 1,
 "name": "a]}, [\\""}{"id": "x"}
 [4] 5, {"id": 2, "more": [{"a": [1, 2]}]}
}{"id": 3} {"id": """
    found = read_json_files(tmp_path, PAIR, text, framer=frame_objects)
    assert sorted(found.rows) == [(1, 'a]}, ["'), (2, None), (3, None)]
    broken = [(2, '{"id": "x"}'), (3, "[4]"), (3, "5,"), (4, "}"), (4, '{"id":')]
    assert sorted((item["line"], item["raw"]) for item in found.broken) == sorted(broken)


@pytest.mark.parametrize("text", [b"", b" \n ", b"{}", b'{}{"id":null}\n\n{}\r\n'])
def test_files_of_objects_have_no_blank_records(tmp_path: Path, text: bytes) -> None:
    assert read_json_files(tmp_path, PAIR, text, framer=frame_objects).account == (text.count(b"{"), 0, 0)


@pytest.mark.parametrize("text", [b"[]", b" [\n] ", b"[{}]", b'[{"id": null},{}]'])
def test_a_whole_array_is_read(tmp_path: Path, text: bytes) -> None:
    assert read_json_files(tmp_path, PAIR, text, framer=frame_elements).account == (text.count(b"{"), 0, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'[{"id": 1}, {"id": 2', "0.json:1: the array is not closed"),
        (b'[{"id": 1},\n{"id": "2', "0.json:2: the array is not closed"),
        (b"[", "the array is not closed"),
        (b'{"id": 1}\n', "it does not start with `[`"),
        (b'[{"id": 1}]\n[{"id": 2}]', "0.json:2: there is more text after the array"),
        (b'[{"id": 1}]]', "there is more text after the array"),
    ],
)
def test_a_file_that_is_not_one_array_is_refused(tmp_path: Path, text: bytes, message: str) -> None:
    with pytest.raises(RunFailure, match="wrong-format|array") as caught:
        read_json_files(tmp_path, PAIR, text, framer=frame_elements)
    assert message in caught.value.message


def test_a_file_that_changes_while_it_is_read_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etlrun.reading.lines.CHUNK", 64)
    path = tmp_path / "0.json"
    stat = os.fstat

    def grown(number: int) -> os.stat_result:
        with path.open("ab") as more:
            more.write(b"{}\n")
        return stat(number)

    monkeypatch.setattr("etlrun.reading.opened.os.fstat", grown)
    with pytest.raises(RunFailure) as caught:
        read_json_files(tmp_path, PAIR, b'{"id": 1}\n' * 50)
    assert caught.value.code == "changed-file"


def test_a_quarantine_ends_at_its_limit_and_says_so(tmp_path: Path) -> None:
    found = read_json_files(tmp_path, PAIR, *[b"x" * 100 + b"\n"] * 100, quarantine_limit=1000)
    kept = (tmp_path / "quarantine.jsonl").read_bytes()
    assert 0 < len(kept) <= 1000
    assert found.account == (0, 100, 0)
    left_out = 100 - kept.count(b"\n")
    assert f"{left_out} of 100 broken records" in found.read_result.notices[0]


@pytest.mark.parametrize("way", ["framed", "judged"])
def test_what_a_limit_keeps_is_the_beginning_in_whatever_order_slices_are_read(tmp_path: Path, way: Way) -> None:
    lines = {
        (place, 0): [b'{"line": %d}\n' % line for line in range(place * 100, place * 100 + 20)] for place in range(3)
    }
    spools = Spools(tmp_path / "spools", limit=300)
    for place in ((2, 0), (0, 0), (1, 0)):
        for line in lines[place]:
            spools.add(place, way, line)
    with closing(Quarantine(tmp_path / "kept.jsonl", limit=300)) as quarantine:
        for place in sorted(lines):
            for line in spools.lines(place, 0):
                quarantine.add(line)
    whole = b"".join(line for place in sorted(lines) for line in lines[place])
    kept = (tmp_path / "kept.jsonl").read_bytes()
    assert whole.startswith(kept)
    assert len(whole[: len(kept) + 15]) > 300


@pytest.mark.parametrize("size", [1 << 40, 64])
def test_a_limit_leaves_no_gap_whichever_way_a_record_breaks(tmp_path: Path, size: int) -> None:
    lines = [b"\xff", b'{"id": "%s"}' % (b"x" * 2000), b"\xff"]
    with patch("etlrun.reading.text_files.SLICE_BYTES", size):
        found = read_json_files(tmp_path, PAIR, b"\n".join(lines), quarantine_limit=1000)
    assert [item["line"] for item in found.broken] == [1]
    assert "2 of 3 broken records were counted, but not written to it" in found.read_result.notices[0]
