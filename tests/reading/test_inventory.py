"""Which files a source has: missing, empty, doubled and wrong ones are found before anything is read."""

from __future__ import annotations

import datetime
import multiprocessing
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

import pytest

from etlrun.contracts.source import Inventory, Wanted
from etlrun.reading.inventory import take_inventory
from etlrun.spec.dates import Days
from etlrun.spec.paths import Places

DAY1, DAY2 = datetime.date(2022, 4, 1), datetime.date(2022, 4, 2)
NEVER, ANY = Days(False), Days(True)


def look(
    template: Path,
    *days: datetime.date,
    may_miss: Days = NEVER,
    may_be_empty: Days = NEVER,
    form: Literal["text", "parquet"] = "text",
) -> Inventory:
    return take_inventory(Wanted(Places(template.parent), template.name, days, may_miss, may_be_empty, form))


def codes(inventory: Inventory) -> list[str]:
    return [trouble.code for trouble in inventory.troubles]


def test_every_day_has_its_file(tmp_path: Path) -> None:
    for day in (DAY1, DAY2):
        (tmp_path / f"{day:%Y%m%d}.json").write_text("{}")
    found = look(tmp_path / "{date:yyyyMMdd}.json", DAY1, DAY2)
    assert [(Path(file.path).name, file.date) for file in found.files] == [
        ("20220401.json", DAY1),
        ("20220402.json", DAY2),
    ]
    assert not found.troubles


def test_a_missing_day_is_trouble_and_says_how_to_allow_it(tmp_path: Path) -> None:
    (tmp_path / "20220401.json").write_text("{}")
    found = look(tmp_path / "{date:yyyyMMdd}.json", DAY1, DAY2)
    assert codes(found) == ["missing-day"]
    assert "missing: [2022-04-02]" in found.troubles[0].fix


@pytest.mark.parametrize("allowed", [ANY, Days(False, frozenset({DAY2}))])
def test_a_missing_day_may_be_allowed(tmp_path: Path, allowed: Days) -> None:
    (tmp_path / "20220401.json").write_text("{}")
    found = look(tmp_path / "{date:yyyyMMdd}.json", DAY1, DAY2, may_miss=allowed)
    assert (found.missing, codes(found)) == ((DAY2,), [])


def test_an_empty_day_is_trouble_unless_it_is_allowed_by_name(tmp_path: Path) -> None:
    (tmp_path / "20220401.json").write_text("{}")
    (tmp_path / "20220402.json").touch()
    assert codes(look(tmp_path / "{date:yyyyMMdd}.json", DAY1, DAY2)) == ["empty-file"]
    allowed = look(tmp_path / "{date:yyyyMMdd}.json", DAY1, DAY2, may_be_empty=Days(False, frozenset({DAY2})))
    assert (allowed.empty, len(allowed.files), codes(allowed)) == ((DAY2,), 1, [])


def test_a_compressed_day_stands_in_for_a_plain_one(tmp_path: Path) -> None:
    (tmp_path / "20220401.json.gz").write_bytes(b"\x1f\x8b\x08\x00")
    assert [Path(file.path).name for file in look(tmp_path / "{date:yyyyMMdd}.json", DAY1).files] == [
        "20220401.json.gz"
    ]


def test_the_same_day_plain_and_compressed_is_trouble(tmp_path: Path) -> None:
    (tmp_path / "20220401.json").write_text("{}")
    (tmp_path / "20220401.json.gz").write_bytes(b"\x1f\x8b\x08\x00")
    assert codes(look(tmp_path / "*")) == ["double-file"]
    assert codes(look(tmp_path / "{date:yyyyMMdd}.json", DAY1)) == ["double-file"]


def test_the_same_day_compressed_in_two_ways_is_trouble(tmp_path: Path) -> None:
    (tmp_path / "20220401.json.gz").write_bytes(b"\x1f\x8b\x08\x00")
    (tmp_path / "20220401.json.zst").write_bytes(b"\x28\xb5\x2f\xfd")
    assert codes(look(tmp_path / "*")) == ["double-file"]
    assert codes(look(tmp_path / "20220401.json")) == ["double-file"]
    assert codes(look(tmp_path / "{date:yyyyMMdd}.json", DAY1)) == ["double-file"]


def test_one_file_under_two_names_is_trouble(tmp_path: Path) -> None:
    (tmp_path / "20220401.json").write_text("{}")
    os.link(tmp_path / "20220401.json", tmp_path / "20220402.json")
    assert codes(look(tmp_path / "{date:yyyyMMdd}.json", DAY1, DAY2)) == ["double-file"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", b"\x1f\x8b\x08\x00", "gzip, but its name does not end in .gz"),
        ("a.json.gz", b"{}", "is not gzip"),
        ("a.json", "{}".encode("utf-16"), "UTF-16"),
        ("a.json", b"PAR1xxxx", "Parquet"),
        ("a.json", b"PK\x03\x04", "zip"),
    ],
)
def test_a_file_of_another_kind_is_trouble(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    found = look(tmp_path / name)
    assert len(found.troubles) == 1
    assert words in found.troubles[0].message


def test_text_is_no_parquet(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("a,b")
    assert codes(look(tmp_path / "a.parquet", form="parquet")) == ["wrong-format"]


def test_a_folder_gives_its_files_without_marks_and_checksums(tmp_path: Path) -> None:
    for name in ("part-1.parquet", "_SUCCESS", ".part-1.parquet.crc"):
        (tmp_path / name).write_bytes(b"PAR1" if name.startswith("part") else b"")
    assert [Path(file.path).name for file in look(tmp_path, form="parquet").files] == ["part-1.parquet"]


def test_nothing_at_a_path_is_trouble(tmp_path: Path) -> None:
    assert codes(look(tmp_path / "none.json")) == ["missing-file"]


def _look_as_nobody(template: str, summary: Any) -> None:
    if os.getuid() == 0:
        os.setuid(65534)
    summary.send(codes(look(Path(template), DAY1, may_miss=ANY)))


def test_a_closed_folder_is_trouble_even_where_days_may_be_missing() -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        (folder / "logs").mkdir(mode=0o000)
        folder.chmod(0o755)
        here, there = multiprocessing.get_context("fork").Pipe()
        process = multiprocessing.get_context("fork").Process(
            target=_look_as_nobody, args=(str(folder / "logs/{date:yyyyMMdd}.json"), there)
        )
        process.start()
        assert here.poll(30)
        assert here.recv() == ["unreadable-file"]
        process.join()
    finally:
        (folder / "logs").chmod(0o700)
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json.zst", b"{}", "the name ends in .zst, but the file is not zstd"),
        ("a.json", b"\x28\xb5\x2f\xfd", "the file is zstd, but its name does not end in .zst"),
        ("a.json", b"\x04\x22\x4d\x18....", "the file is compressed with lz4"),
        ("a.json", b"\xff\x06\x00\x00sNaPpY", "the file is compressed with snappy"),
        ("a.json", b"\x78\x9c....", "the file is compressed with deflate (zlib)"),
        ("a.json.snappy", b"{}", "by its name the file is compressed with snappy, which is not supported"),
    ],
)
def test_a_compression_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    found = take_inventory(Wanted(Places(tmp_path), name, (), Days(False), Days(False), "text"))
    assert [trouble.message for trouble in found.troubles] == [message]
