"""Text files in other encodings than UTF-8: every encoding of the list, what cannot be decoded, and what `etlrun new` makes of them."""

from __future__ import annotations

import codecs
import gzip
from io import BytesIO
from pathlib import Path
from typing import Any, get_args

import pytest

from etlrun.reading.encodings import Encoding, guess_encoding, is_as_stored, open_text, why_undecodable
from projects import Project

PIPELINE = """
pipeline: shops
sources:
  rows:
    csv:
      path: shops.csv{ending}
      encoding: {encoding}
      max_bad_rows: 100%
      columns: {{id: int, name: string}}
steps:
  shops:
    - from: rows
sinks:
  shops:
    table: {{from: shops, connection: warehouse, write: replace}}
"""


def text_of(content: bytes, encoding: str, size: int = 1 << 22) -> bytes:
    stream = open_text(BytesIO(content), "a.csv", encoding)
    return b"".join(iter(lambda: stream.read(size), b""))


@pytest.mark.parametrize("encoding", get_args(Encoding))
def test_every_character_of_an_encoding_is_read_as_its_own_decoder_reads_it(encoding: str) -> None:
    """Bytes that the codec rejects become FF, which is in no text of UTF-8."""
    characters = [bytes([byte]) for byte in range(256)] if "utf" not in encoding else ["Café ế 🎬\n".encode(encoding)]
    for character in characters:
        try:
            expected = character.decode(encoding).removeprefix("\ufeff").encode()
        except UnicodeDecodeError:
            expected = b"\xff"
        assert text_of(character, encoding) in (expected, b"\xef\xbb\xbf" + expected)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16le", "shift_jis", "gb18030", "windows-1258"])
@pytest.mark.parametrize("size", [1, 5, 9, 4096])
def test_characters_may_cross_the_ends_of_what_is_read_at_a_time(encoding: str, size: int) -> None:
    text = "id,name\n1,abc\n" * 50 + ("テレビ\n" * 30 if encoding != "windows-1258" else "Đ ₫\n" * 30)
    stream = open_text(BytesIO(text.encode(encoding)), "a.csv", encoding)
    parts = list(iter(lambda: stream.read(size), b""))
    assert b"".join(parts).decode() == text


def test_rejected_bytes_never_join_to_a_character_of_utf_8() -> None:
    """C3 A9 is é in UTF-8, and both bytes are unknown in this encoding."""
    assert text_of(b"\xa9\xe7\xc3\xa9", "iso-8859-6") == b"\xff" + "ه".encode() + "أ".encode() + b"\xff"
    assert b"\xff" in text_of(b"\xff\xff", "shift_jis")


def test_a_record_is_broken_where_it_cannot_be_decoded_and_names_the_character(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("shops.yaml", PIPELINE.format(ending="", encoding="windows-1252"))
    (tmp_path / "shops.csv").write_bytes(b"id,name\n1,Caf\xe9 \x80\n2,ab\x81\n3,na\xefve\n")
    result = project.run("shops.yaml")
    assert (result.code, project.table("shops")) == (0, [(1, "Café €"), (3, "naïve")])
    assert "1 of 3 records cannot be read: not windows-1252 (1)" in result.err


@pytest.mark.parametrize(
    ("encoding", "ending"), [("utf-16", ""), ("utf-16be", ".gz"), ("gb18030", ""), ("koi8-r", ".gz")]
)
def test_a_file_is_read_in_its_encoding_also_compressed(tmp_path: Path, encoding: str, ending: str) -> None:
    name = "магазин" if encoding == "koi8-r" else "电视 ế"
    project = Project(tmp_path)
    project.write("shops.yaml", PIPELINE.format(ending=ending, encoding=encoding))
    content = f'id,name\r\n1,{name}\r\n2,"a\n{name}"\r\n'.encode(encoding)
    (tmp_path / f"shops.csv{ending}").write_bytes(gzip.compress(content) if ending else content)
    assert project.run("shops.yaml").code == 0
    assert project.table("shops") == [(1, name), (2, f"a\n{name}")]


@pytest.mark.parametrize(
    ("content", "fix"),
    [
        ("id,name\n1,Café\n".encode("cp1252"), "`encoding: windows-1252`"),
        ("id,nämé\n1,Cafe\n".encode("cp1252"), "`encoding: windows-1252`"),
        ("id,name\n1,Café\n".encode("utf-16"), "`encoding: utf-16`"),
    ],
    ids=["a value", "the header", "a byte order mark"],
)
def test_a_file_that_is_not_utf_8_leads_to_the_key(tmp_path: Path, content: bytes, fix: str) -> None:
    project = Project(tmp_path)
    project.write("shops.yaml", PIPELINE.format(ending="", encoding="utf-8").replace("max_bad_rows: 100%", ""))
    (tmp_path / "shops.csv").write_bytes(content)
    result = project.run("shops.yaml")
    assert (result.code, fix in result.err) == (1, True), result.err


@pytest.mark.parametrize(
    ("content", "written", "rows"),
    [
        ("id,name\n1,Café\n".encode("cp1252"), "encoding: windows-1252        # ", [(1, "Café")]),
        ("id,name\n1,Café\n".encode("utf-16"), "encoding: utf-16\n", [(1, "Café")]),
        ("id,name\n1,Café\n".encode(), "", [(1, "Café")]),
        (b"id,name\r1,a\r2,b\r", "", [(1, "a"), (2, "b")]),
    ],
    ids=["windows", "UTF-16", "UTF-8", "CR"],
)
def test_new_finds_the_encoding(tmp_path: Path, content: bytes, written: str, rows: list[Any]) -> None:
    project = Project(tmp_path)
    (tmp_path / "shops.csv").write_bytes(content)
    assert project.run("new", "shops", "--from", "shops.csv").code == 0
    text = (tmp_path / "pipelines" / "shops.yaml").read_text()
    assert written in text if written else "encoding" not in text
    assert project.run("pipelines/shops.yaml").code == 0
    assert project.table("shops") == rows


def test_the_beginning_of_a_text_shows_its_encoding() -> None:
    assert guess_encoding("Café".encode()[:-1]) == "utf-8"  # the end of what was looked at cuts a character
    assert guess_encoding(codecs.BOM_UTF16_BE + "a".encode("utf-16be")) == "utf-16"
    assert guess_encoding("id,é\n".encode("utf-16le")) == "utf-16le"
    assert guess_encoding("id,é\n".encode("utf-16be")) == "utf-16be"
    assert guess_encoding(b"") == "utf-8"
    assert guess_encoding("Café au".encode("cp1252")) == "windows-1252"


def test_only_plain_utf_8_is_stored_as_it_is_read() -> None:
    assert is_as_stored("a.csv", "utf-8")
    assert not is_as_stored("a.csv.gz", "utf-8")
    assert not is_as_stored("a.csv", "windows-1252")


def test_the_reason_counts_bytes_of_utf_8_and_characters_of_other_encodings() -> None:
    assert why_undecodable("é".encode() + b"\xff") == "not UTF-8 (byte 3)"
    assert why_undecodable("é".encode() + b"\xff", "koi8-r") == "not koi8-r (character 2)"
    assert why_undecodable("é".encode()) == ""
