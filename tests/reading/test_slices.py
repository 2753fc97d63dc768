"""Slices of a file, cut anywhere, give together what the whole file gives: rows, account, quarantine, every line number."""

from __future__ import annotations

import bz2
import gzip
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import Found, columns_of, fields, no_database, read_csv_files, read_json_files

from etlrun.contracts.source import FileAccount, InputFile, Inventory, ReadRequest
from etlrun.failures import RunFailure
from etlrun.reading.account import merge
from etlrun.reading.file_slices import cut
from etlrun.reading.framing import frame_lines
from etlrun.reading.json_lines import read_json
from etlrun.reading.lines import LongLine, ends_lines_in_cr
from etlrun.reading.opened import records_in
from etlrun.reading.separated import Separated
from etlrun.reading.side_by_side import side_by_side

PAIR = fields(id="bigint not null", name="string")
PARTS = (
    b'{"id": 1}',
    b'{"id": "x"}',
    b"{}",
    b"\n",
    b"\n",
    b"\r\n",
    b"\r",
    b" ",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\x00",
    "ế".encode(),
)
TEXTS = st.lists(st.sampled_from(PARTS) | st.binary(max_size=4), max_size=25).map(b"".join)


def slices_of(path: Path, cuts: Sequence[int]) -> list[InputFile]:
    """The slices of a file between the bytes `cuts`."""
    status = path.stat()
    file = InputFile(str(path), None, status.st_size, status.st_mtime_ns)
    edges = sorted({0, status.st_size, *(at % max(1, status.st_size) for at in cuts)})
    return [replace(file, start=start, end=end) for start, end in pairwise(edges)]


def framed(file: InputFile) -> tuple[list[tuple[int, object]], int]:
    """The records of a slice with their lines, and its line ends."""
    found: list[tuple[int, object]] = []
    ends: list[int] = []
    for records in records_in(file, frame_lines, line_ends=ends.append):
        if isinstance(records, LongLine):
            found.append((records.line, (records.head, records.size)))
            continue
        found += zip(records.lines.to_pylist(), (text.encode() for text in records.texts.to_pylist()), strict=True)
        found += ((raw.line, raw.data) for raw in records.undecodable)
    return sorted(found, key=lambda one: one[0]), sum(ends)


@settings(max_examples=100, deadline=None)
@given(text=TEXTS, cuts=st.lists(st.integers(0, 200), max_size=6), chunk=st.sampled_from([3, 7, 1 << 22]))
def test_slices_hold_the_lines_of_the_whole_file_once_each(text: bytes, cuts: list[int], chunk: int) -> None:
    if ends_lines_in_cr(text.removeprefix(b"\xef\xbb\xbf")):
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        patch("etlrun.reading.lines.CHUNK", chunk),
        patch("etlrun.reading.lines.LOOKED_AT", 1000),
        patch("etlrun.reading.lines.MAX_LINE", 20),
    ):
        path = Path(folder) / "text.json"
        path.write_bytes(text)
        together: list[tuple[int, object]] = []
        before = 0
        for piece in slices_of(path, cuts):
            found, ends = framed(piece)
            together += [(line + before, record) for line, record in found]
            before += ends
        assert together == framed(InputFile(str(path), None, len(text), path.stat().st_mtime_ns))[0]


def whole_and_cut(folder: Path, size: int, *contents: bytes) -> tuple[Found, Found]:
    """What files give when they are cut into slices of `size` bytes, and when they are not."""
    found = []
    for each in (1 << 40, size):
        shutil.rmtree(folder / "rows", ignore_errors=True)
        (folder / "quarantine.jsonl").unlink(missing_ok=True)
        with (
            patch("etlrun.reading.text_files.SLICE_BYTES", each),
            patch("etlrun.reading.text_files.find_tame", return_value=[]),
        ):
            found.append(read_json_files(folder, PAIR, *contents))
    return found[0], found[1]


@settings(max_examples=10, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=3), size=st.integers(1, 60))
def test_a_read_in_slices_gives_the_account_and_the_quarantine_of_the_whole(texts: list[bytes], size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        whole, pieces = whole_and_cut(Path(folder), size, *texts)
    assert pieces.counted() == whole.counted()
    assert pieces.broken == whole.broken
    facts = [replace(found.read_result, files=(), accounts=()) for found in (whole, pieces)]
    assert facts[1] == facts[0]
    assert [replace(account, line_ends=0) for account in pieces.read_result.accounts] == list(
        whole.read_result.accounts
    )


def test_a_long_line_and_one_that_is_no_text_keep_their_places_across_slices(tmp_path: Path) -> None:
    lines = [b'{"id": %d, "name": "%s"}' % (number, b"x" * (number % 50)) for number in range(3000)]
    lines[2500] = b'{"id": "late"}'
    lines[1700] = b"\xff"
    lines[900] = b'{"id": 1, "name": "' + "ế".encode() * 3000 + b'"}'
    lines[20] = b""
    whole, pieces = whole_and_cut(tmp_path, 4096, b"\n".join(lines))
    assert [item["line"] for item in pieces.broken] == [1701, 2501]
    assert pieces.broken == whole.broken
    assert pieces.account == whole.account == (2997, 2, 1)
    assert pieces.counted() == whole.counted()


def test_slices_that_are_read_by_different_requests_add_up_to_the_whole(tmp_path: Path) -> None:
    lines = [b'{"id": %d}' % number if number % 7 else b"{}" for number in range(200)]
    whole = read_json_files(tmp_path, PAIR, b"\r\n".join(lines))
    found = []
    for number, piece in enumerate(slices_of(tmp_path / "0.json", (500, 900, 905, 1500))):
        request = ReadRequest(
            "texts", Inventory((piece,)), tmp_path / f"{number}", None, lambda *news: None, no_database
        )
        found += read_json(request, columns_of(PAIR), PAIR, frame_lines).accounts
    assert len(found) == 5
    (account,) = merge(found)
    assert replace(account, line_ends=0) == whole.read_result.accounts[0]


def test_accounts_are_merged_in_any_grouping() -> None:
    slices = [
        FileAccount("a", 5, 1, 2, {"bad": 2}, ((2, "bad"), (4, "bad")), 1, (9, -3), 6),
        FileAccount("a", 3, 0, 3, {"worse": 3}, ((1, "worse"), (2, "worse"), (3, "worse")), 0, (0, 0), 3),
        FileAccount("a", 4, 0, 1, {"bad": 1}, ((2, "bad"),), 2, (9, -1), 0),
        FileAccount("b", 4),
    ]
    whole = merge(slices)
    assert merge([*merge(slices[:2]), *slices[2:]]) == whole
    assert merge([slices[0], *merge(slices[1:])]) == whole
    assert whole[0] == FileAccount(
        "a", 12, 1, 6, {"bad": 3, "worse": 3}, ((2, "bad"), (4, "bad"), (7, "worse")), 3, (9, -3), 9
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.json.gz", gzip.compress(b"{}\n" * 99)), ("a.json.bz2", bz2.compress(b"{}\n" * 99)), ("a.json", b"{}\r" * 99)],
    ids=["gzip", "bzip2", "carriage returns"],  # the bytes of gzip hold the time
)
def test_a_compressed_file_and_one_whose_lines_end_in_cr_are_never_cut(tmp_path: Path, name: str, text: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(text)
    file = InputFile(str(path), None, len(text), 0)
    assert cut([file], 10) == [file]


def test_the_broken_records_of_files_that_are_read_at_once_are_in_the_order_of_files(tmp_path: Path) -> None:
    texts = [gzip.compress(b'{"id": 1}\n\xff\n{"id": "%d"}\n' % number) for number in range(8)]
    found = read_json_files(tmp_path, PAIR, *texts, ending=".json.gz")
    assert [(Path(item["file"]).name, item["line"]) for item in found.broken] == [
        (f"{number}.json.gz", line) for number in range(8) for line in (2, 3)
    ]


def test_a_tame_file_among_others_keeps_its_place_in_the_quarantine(tmp_path: Path) -> None:
    found = read_json_files(tmp_path, PAIR, b'{"id": "0"}\r\n', b'{"id": "1"}\n', b'{"id": "2"}\r\n')
    assert [Path(item["file"]).name for item in found.broken] == ["0.json", "1.json", "2.json"]


def test_a_file_of_quoted_values_is_read_whole_whatever_the_size_of_slices(tmp_path: Path) -> None:
    text = b"id,name\n" + b'1,"a\n2,b"\n3,c\n' * 200
    with patch("etlrun.reading.text_files.SLICE_BYTES", 16):
        found = read_csv_files(tmp_path, PAIR, text, how=Separated(",", has_header=True, max_lines=5))
    assert found.account == (400, 0, 0)


def test_the_first_damaged_file_is_named_however_late_its_damage_is_found(tmp_path: Path) -> None:
    late = gzip.compress(b'{"id": 1}\n' * 400_000)[:-9]
    with pytest.raises(RunFailure) as caught:
        read_json_files(tmp_path, PAIR, late, gzip.compress(b"{}\n")[:-9], ending=".json.gz")
    assert "0.json.gz: the file is incomplete or damaged" in caught.value.message


def test_sources_are_pulled_at_the_same_time_and_each_in_order() -> None:
    together = threading.Barrier(4, timeout=20)

    def meeting(name: str) -> Iterator[str]:
        for number in range(3):
            together.wait()
            yield f"{name}{number}"

    found = list(side_by_side((meeting(name) for name in "abcd"), 4))
    assert sorted(found) == [f"{name}{number}" for name in "abcd" for number in range(3)]
    assert [item for item in found if item.startswith("c")] == ["c0", "c1", "c2"]
