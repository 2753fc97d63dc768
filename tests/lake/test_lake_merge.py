"""`merge` into Delta and Iceberg tables: rows with the same key are replaced, whoever wrote them, and every other row stays."""

from __future__ import annotations

import datetime
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import iceberg_tables
import lake_tables
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_tables import COLUMNS, FIRST, SECOND, THIRD, Row, publication

from etlrun.failures import RunFailure
from etlrun.lake import delta_log, iceberg_log, merging
from etlrun.lake.commits import Committed, Write
from etlrun.lake.iceberg_catalog import CatalogTable
from etlrun.lake.iceberg_commit import Attempt
from etlrun.language.columns import BIGINT, Column, Columns
from etlrun.language.type_texts import parse_type

BEFORE: list[Row] = [("2022-04", 1), ("2022-04", 2), ("2022-05", 3), ("2022-05", 4)]
BY_UNITS = Write("merge", key=("units",))
KINDS = ("delta", "iceberg")
HOSTILE = ["a'b", 'a"b', "a/b", "../x", "a%2Fb", "é😀", " ", "a=b", "__HIVE_DEFAULT_PARTITION__", "null", "a%20b"]


@dataclass(frozen=True)
class Place:
    """A table of one of the two formats in a folder."""

    kind: str
    folder: Path

    def publish(self, rows: list[Row], run: str, write: Write, columns: Columns = COLUMNS, by: str = "p") -> Committed:
        rows_of_run = publication(self.folder / "stage" / run / by, rows, run, columns, by)
        if self.kind == "delta":
            return delta_log.publish(lake_tables.at(self.folder / "t"), rows_of_run, write)
        return iceberg_log.publish(iceberg_tables.at(self.folder), rows_of_run, write)

    def rows(self, version: int | None = None) -> list[Row]:
        """The rows as the library of the format reads them, with sorted columns."""
        if self.kind == "delta":
            found = DeltaTable(self.folder / "t", version=version).to_pyarrow_table()
        else:
            table = iceberg_tables.at(self.folder).load()
            assert table is not None
            found = table.scan(snapshot_id=version).to_arrow()
        return sorted((tuple(row[name] for name in sorted(row)) for row in found.to_pylist()), key=repr)

    def files(self) -> set[str]:
        """The names of the files of the current version, with their folders."""
        if self.kind == "delta":
            return {unquote(file) for file in DeltaTable(self.folder / "t").file_uris()}
        table = iceberg_tables.at(self.folder).load()
        assert table is not None
        return {task.file.file_path.removeprefix("file://") for task in table.scan().plan_files()}

    def folders(self) -> int:
        return len(list(self.folder.glob("t/etlrun-*"))) + len(iceberg_tables.folders(self.folder))

    def append_foreign(self, rows: pa.Table) -> None:
        """Add rows as another program does."""
        if self.kind == "delta":
            write_deltalake(self.folder / "t", rows, mode="append")
            return
        table = iceberg_tables.at(self.folder).load()
        assert table is not None
        table.append(rows)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(request.param, tmp_path)


def foreign(*rows: Row) -> pa.Table:
    return pa.table({"month": [row[0] for row in rows], "units": pa.array([row[1] for row in rows], pa.int64())})


def test_rows_with_the_same_key_are_replaced_the_others_added_and_a_run_again_changes_nothing(place: Place) -> None:
    place.publish(BEFORE, FIRST, BY_UNITS)
    assert place.rows() == BEFORE
    done = place.publish([("2022-06", 2), ("2022-06", 9)], SECOND, BY_UNITS)
    after = [("2022-04", 1), ("2022-05", 3), ("2022-05", 4), ("2022-06", 2), ("2022-06", 9)]
    assert place.rows() == after
    assert place.publish([("2022-06", 2), ("2022-06", 9)], SECOND, BY_UNITS).version == done.version
    place.publish([("2022-06", 2), ("2022-06", 9)], THIRD, BY_UNITS)
    assert place.rows() == after


def test_the_independent_reader_of_iceberg_finds_the_same(tmp_path: Path) -> None:
    place = Place("iceberg", tmp_path)
    for run, rows in ((FIRST, BEFORE), (SECOND, [("2022-06", 2)])):
        place.publish(rows, run, Write("merge", ("month",), key=("units",)))
    (found,) = iceberg_tables.duckdb_rows("ORDER BY units", iceberg_tables.at(tmp_path))
    assert found == [["2022-04", "1"], ["2022-06", "2"], ["2022-05", "3"], ["2022-05", "4"]]


def test_only_files_with_such_keys_are_written_again(place: Place) -> None:
    for number, run in enumerate((FIRST, SECOND, THIRD)):
        place.publish([("m", 10 * number), ("n", 10 * number + 1)], run, BY_UNITS)
    before = place.files()
    place.publish([("x", 10), ("y", 99)], "20220504T000000Z-a", BY_UNITS)
    stayed = place.files() & before
    assert len(before) == 6 and len(stayed) == 5  # the file of (m, 10) had no other row
    assert place.rows() == [("m", 0), ("m", 20), ("n", 1), ("n", 11), ("n", 21), ("x", 10), ("y", 99)]


def test_a_row_moves_to_another_partition_whatever_its_value_looks_like(place: Place) -> None:
    rows: list[Row] = [(value, number) for number, value in enumerate([*HOSTILE, None])]
    write = Write("merge", ("month",), key=("units",))
    place.publish(rows, FIRST, write)
    moved: list[Row] = [(rows[(number + 1) % len(rows)][0], number) for number in range(0, len(rows), 2)]
    place.publish(moved, SECOND, write)
    assert place.rows() == sorted([*rows[1::2], *moved], key=repr)


def test_a_key_with_the_partition_columns_reads_only_the_partitions_of_the_run(place: Place) -> None:
    write = Write("merge", ("month",), key=("UNITS", "Month"))
    place.publish(BEFORE, FIRST, write)
    hidden = [path for path in place.files() if pa.parquet.read_table(path)["units"].to_pylist()[0] in (1, 2)]
    for path in hidden:
        Path(path).rename(f"{path}.away")
    place.publish([("2022-05", 3), ("2022-05", 5)], SECOND, write)
    for path in hidden:
        Path(f"{path}.away").rename(path)
    assert place.rows() == [*BEFORE, ("2022-05", 5)]


def test_rows_of_another_program_with_null_keys_stay_and_repeated_keys_become_one_row(place: Place) -> None:
    place.publish(BEFORE, FIRST, Write("replace"))
    place.append_foreign(foreign(("x", None), ("x", 4), ("x", 7), ("x", 7)))
    place.publish([("new", 4), ("new", 7)], SECOND, BY_UNITS)
    assert place.rows() == sorted([*BEFORE[:3], ("x", None), ("new", 4), ("new", 7)], key=repr)


def test_rows_that_another_program_adds_meanwhile_are_merged_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.publish(BEFORE, FIRST, BY_UNITS)
    left = [foreign(("x", 7), ("x", 8))]
    owner, name = (delta_log, "_write") if place.kind == "delta" else (Attempt, "commit")
    commit = getattr(owner, name)

    def late(*arguments: Any) -> Any:
        if left:
            place.append_foreign(left.pop())
        return commit(*arguments)

    monkeypatch.setattr(owner, name, late)
    place.publish([("new", 2), ("new", 7)], SECOND, BY_UNITS)
    assert place.rows() == sorted([BEFORE[0], *BEFORE[2:], ("x", 8), ("new", 2), ("new", 7)], key=repr)
    assert place.folders() == 3  # of the two runs and of the rewritten rows; none of the first try


def test_runs_that_merge_at_the_same_time_are_all_in_the_table(place: Place) -> None:
    place.publish(BEFORE, FIRST, BY_UNITS)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda n: place.publish([(f"m{n}", n), (f"m{n}", 10 + n)], SECOND, BY_UNITS, by=f"p{n}"), (1, 2)))
    assert place.rows() == sorted([*BEFORE[2:], ("m1", 1), ("m1", 11), ("m2", 2), ("m2", 12)], key=repr)


def test_an_older_run_does_not_merge_over_a_newer_one(place: Place) -> None:
    place.publish(BEFORE, SECOND, BY_UNITS)
    with pytest.raises(RunFailure) as failure:
        place.publish([("x", 1)], FIRST, BY_UNITS)
    assert failure.value.code == "newer-run" and place.rows() == BEFORE and place.folders() == 1


def test_a_merge_that_would_write_too_much_again_changes_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "MOST_BYTES", 1000)
    place.publish(BEFORE, FIRST, BY_UNITS)
    with pytest.raises(RunFailure) as failure:
        place.publish([("x", 1), ("x", 2)], SECOND, BY_UNITS)
    assert failure.value.code == "merge-too-large" and "2 files" in failure.value.message
    assert place.rows() == BEFORE and place.folders() == 1
    place.publish([("x", 5)], SECOND, BY_UNITS)
    assert place.rows() == [*BEFORE, ("x", 5)]


def test_a_missing_or_damaged_file_of_the_table_and_other_columns_are_refused(place: Place) -> None:
    place.publish(BEFORE, FIRST, BY_UNITS)
    wider = Columns((*COLUMNS, Column("more", BIGINT)))
    with pytest.raises(RunFailure) as failure:
        place.publish([("x", 1, 2)], SECOND, BY_UNITS, wider)
    assert failure.value.code == "table-mismatch"
    path = Path(min(place.files()))
    path.rename(f"{path}.away")
    with pytest.raises(RunFailure) as failure:
        place.publish([("x", 1)], SECOND, BY_UNITS)
    assert failure.value.code == "damaged-file" and path.name in failure.value.message
    path.write_bytes(b"PAR1")
    with pytest.raises(RunFailure) as failure:
        place.publish([("x", 1)], SECOND, BY_UNITS)
    assert failure.value.code == "unreadable-table" and "was not changed" in failure.value.message
    Path(f"{path}.away").rename(path)
    assert place.rows() == BEFORE and place.folders() == 1


VALUES: Mapping[str, list[Any]] = {
    "bigint": [-(2**63), -1, 0, 2**63 - 1],
    "int": [-(2**31), 7],
    "string": ["", "a", "A", "a ", "é", "é", "😀", "null"],
    "date": [datetime.date(1, 1, 1), datetime.date(1970, 1, 1), datetime.date(9999, 12, 31)],
    "timestamp": [datetime.datetime(1900, 1, 1), datetime.datetime(2022, 4, 1, 1, 2, 3, 456789)],
    "decimal(38, 9)": [Decimal("-1.000000001"), Decimal("0"), Decimal("12345678901234567890.5")],
    "boolean": [True, False],
}


@pytest.mark.parametrize("type_text", VALUES)
def test_a_key_of_any_type(place: Place, type_text: str) -> None:
    kind, values = parse_type(type_text), VALUES[type_text]
    columns = Columns((Column("k", kind), Column("v", BIGINT), Column("more", parse_type("map<string, array<int>>"))))
    write = Write("merge", key=("k",))
    rows = [(value, number, {"a": [number, None]}) for number, value in enumerate(values)]
    place.publish(rows, FIRST, write, columns)
    place.publish([(values[0], 100, None), (values[-1], 101, {})], SECOND, write, columns)
    found = {row[0]: row[2] for row in place.rows()}  # by name: k, more, v
    assert found == {**{value: number for number, value in enumerate(values)}, values[0]: 100, values[-1]: 101}
    middle = [dict(row[1]) for row in place.rows() if row[0] == values[1] and len(values) > 2]
    assert middle == ([{"a": [1, None]}] if len(values) > 2 else [])


PARTITIONS: Mapping[str, list[Any]] = {
    "string": ["é 😀", "a%20b", "a/b"],
    "bigint": [-1, 10**18, 0],
    "smallint": [-1, 7, 0],
    "boolean": [True, False],
    "date": [datetime.date(1, 1, 1), datetime.date(2022, 4, 1)],
}


@pytest.mark.parametrize("type_text", PARTITIONS)
def test_a_partition_of_any_type_in_the_key_is_found_again(place: Place, type_text: str) -> None:
    columns = Columns((Column("part", parse_type(type_text)), Column("units", BIGINT), Column("v", BIGINT)))
    write, values = Write("merge", ("part",), key=("units", "part")), PARTITIONS[type_text]
    place.publish([(value, 1, 1) for value in values], FIRST, write, columns)
    place.publish([(value, 1, 2) for value in values], SECOND, write, columns)
    assert place.rows() == sorted([(value, 1, 2) for value in values], key=repr)


MERGES = st.lists(st.dictionaries(st.integers(0, 12), st.sampled_from("abc"), max_size=8), min_size=2, max_size=4)


@pytest.mark.parametrize("partition_by", [(), ("month",)])
@settings(max_examples=6)
@given(merges=MERGES)
def test_merges_in_a_row_give_what_a_dictionary_gives(
    tmp_path_factory: pytest.TempPathFactory, partition_by: tuple[str, ...], merges: list[dict[int, str]]
) -> None:
    for kind in KINDS:
        place, model = Place(kind, tmp_path_factory.mktemp("merges")), dict[int, str]()
        for number, rows in enumerate(merges):
            write = Write("merge", partition_by, key=("units",))
            place.publish([(month, key) for key, month in rows.items()], f"2022050{number + 1}T000000Z-a", write)
            model.update(rows)
            assert place.rows() == sorted(((month, key) for key, month in model.items()), key=repr)


def test_a_commit_whose_reply_is_lost_is_found_and_its_files_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, commit = Place("delta", tmp_path), delta_log._write
    for run, rows, write in (
        (FIRST, BEFORE, BY_UNITS),
        (SECOND, [("x", 1)], BY_UNITS),
        (THIRD, [("y", 1)], Write("replace")),
    ):

        def lost(*arguments: Any) -> None:
            commit(*arguments)
            raise OSError("connection reset")

        monkeypatch.setattr(delta_log, "_write", lost)
        place.publish(rows, run, write)
        assert DeltaTable(tmp_path / "t").version() == int(run[7]) - 1
    assert place.rows() == [("y", 1)]
    assert sorted(DeltaTable(tmp_path / "t", version=1).to_pyarrow_table()["month"].to_pylist()) == [
        "2022-04",
        "2022-05",
        "2022-05",
        "x",
    ]


@pytest.mark.parametrize("write", [BY_UNITS, Write("append"), Write("replace")])
def test_no_file_of_a_commit_is_removed_if_the_look_after_it_fails(
    place: Place, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    place.publish(BEFORE[:1], FIRST, write)
    module = delta_log if place.kind == "delta" else iceberg_log

    def fail(*_: Any) -> None:
        raise RunFailure("sink", "storage-failed", "the store does not answer", "try again")

    monkeypatch.setattr(module, "_verify", fail)
    with pytest.raises(RunFailure, match="does not answer"):
        place.publish([("x", 9)], SECOND, write)
    monkeypatch.undo()
    after = [("x", 9)] if write.mode == "replace" else sorted([*BEFORE[:1], ("x", 9)])
    assert place.rows() == after
    place.publish([("x", 9)], SECOND, write)
    assert place.rows() == after


def test_a_commit_is_reported_as_unknown_and_its_files_stay_if_the_table_cannot_be_opened_after_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.publish(BEFORE, FIRST, BY_UNITS)
    owner, name = (delta_log, "_write") if place.kind == "delta" else (Attempt, "commit")
    opener = (delta_log, "open_delta") if place.kind == "delta" else (CatalogTable, "load")
    commit = getattr(owner, name)

    def fail(*_: Any) -> Any:
        raise RunFailure("sink", "storage-failed", "no answer", "try again")

    def lost(*arguments: Any) -> Any:
        commit(*arguments)
        monkeypatch.setattr(*opener, fail)
        if place.kind == "iceberg":
            raise RunFailure("sink", "publish-unknown", "no reply", "wait")
        raise OSError("connection reset")

    monkeypatch.setattr(owner, name, lost)
    with pytest.raises(RunFailure) as failure:
        place.publish([("x", 2)], SECOND, BY_UNITS)
    monkeypatch.undo()
    assert failure.value.code == "publish-unknown"
    after = [BEFORE[0], *BEFORE[2:], ("x", 2)]
    assert place.rows() == after
    place.publish([("x", 2)], SECOND, BY_UNITS)
    assert place.rows() == after


@pytest.mark.parametrize("write", [BY_UNITS, Write("append"), Write("replace")])
def test_a_version_stays_readable_if_a_newer_run_publishes_before_the_older_one_has_ended(
    place: Place, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    place.publish(BEFORE, FIRST, write)
    module = delta_log if place.kind == "delta" else iceberg_log
    verify, newer = module._verify, [[("newer", 1), ("newer", 9)]]

    def late(*arguments: Any) -> Any:
        if newer:
            place.publish(newer.pop(), THIRD, Write("replace"), by="q")
        return verify(*arguments)

    monkeypatch.setattr(module, "_verify", late)
    done = place.publish([("x", 2)], SECOND, write)
    kept = {"merge": [BEFORE[0], *BEFORE[2:]], "append": BEFORE, "replace": []}[write.mode]
    assert place.rows(done.version) == sorted([*kept, ("x", 2)])
    assert place.rows() == [("newer", 1), ("newer", 9)]


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import duckdb
from etlrun.lake import delta_log, iceberg_log, merging
from etlrun.lake.commits import Write
from etlrun.lake.iceberg_catalog import CatalogTable
from etlrun.lake.iceberg_commit import Attempt
from lake_tables import SECOND
from test_lake_merge import BY_UNITS, Place
place = Place(sys.argv[2], Path(sys.argv[3]))
log, commit = (delta_log, (delta_log, "_write")) if place.kind == "delta" else (iceberg_log, (Attempt, "commit"))
owner, name = [(os, "link"), (merging, "add_files"), commit, (log, "_verify")][int(sys.argv[4])]
setattr(owner, name, lambda *_, **__: os._exit(9))
place.publish([("new", 2), ("new", 9)], SECOND, BY_UNITS)
"""


@pytest.mark.parametrize("moment", range(4))
def test_a_process_killed_anywhere_leaves_the_old_rows_or_the_new_ones_and_the_next_one_ends_its_work(
    place: Place, moment: int
) -> None:
    place.publish(BEFORE, FIRST, BY_UNITS)
    after = [BEFORE[0], *BEFORE[2:], ("new", 2), ("new", 9)]
    killed = [sys.executable, "-c", KILLED, str(Path(__file__).parent), place.kind, str(place.folder), str(moment)]
    assert subprocess.run(killed, check=False).returncode == 9
    assert place.rows() == (after if moment == 3 else BEFORE)
    place.publish([("new", 2), ("new", 9)], SECOND, BY_UNITS)
    assert place.rows() == after and place.folders() == 3
