"""Publishing into an Iceberg table: whole or not at all, once, and never over newer rows, whoever else writes."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from iceberg_tables import at, duckdb_rows, folders, rows_of
from lake_tables import COLUMNS, FIRST, SECOND, THIRD, Row, publication
from pyiceberg.expressions import EqualTo, GreaterThan

from etlrun.failures import RunFailure
from etlrun.lake.commits import Write
from etlrun.lake.iceberg_commit import Attempt
from etlrun.lake.iceberg_log import foresee, publish
from etlrun.lake.iceberg_snapshot import read_iceberg
from etlrun.lake.snapshot import copy_rows
from etlrun.language.columns import BIGINT, BOOLEAN, DATE, DOUBLE, Column, Columns
from etlrun.language.type_texts import parse_type

REPLACE, APPEND = Write("replace"), Write("append")
APRIL: list[Row] = [("2022-04", 1), ("2022-04", 2)]
MAY: list[Row] = [("2022-05", 5)]
HOSTILE = ["a'b", 'a"b', "a/b", "../x", "a%2Fb", "é😀", " ", "a=b", "__HIVE_DEFAULT_PARTITION__", "null", "x" * 400]


def month(value: str) -> Write:
    return Write("replace_where", ("month",), {"month": value})


def test_append_adds_once_per_run_and_not_the_rows_of_the_last_run_again(tmp_path: Path) -> None:
    place = at(tmp_path)
    first = publish(place, publication(tmp_path, APRIL), APPEND)
    again = publish(place, publication(tmp_path, APRIL), APPEND)
    same = publish(place, publication(tmp_path, APRIL, SECOND), APPEND)
    assert again.version == same.version == first.version and rows_of(place) == APRIL
    assert (first.earlier, again.earlier, same.earlier) == ("", "", FIRST)
    publish(place, publication(tmp_path, MAY, THIRD), APPEND)
    assert rows_of(place) == [*APRIL, *MAY]


def test_an_append_is_known_after_its_snapshot_has_expired(tmp_path: Path) -> None:
    place = at(tmp_path)
    for rows, run, pipeline in ((APRIL, FIRST, "p"), (MAY, SECOND, "q"), (MAY, THIRD, "r")):
        publish(place, publication(tmp_path, rows, run, pipeline=pipeline), APPEND)
    table = place.load()
    assert table is not None
    table.maintenance.expire_snapshots().by_id(table.snapshots()[0].snapshot_id).commit()
    publish(place, publication(tmp_path / "again", APRIL), APPEND)
    assert rows_of(place) == [*APRIL, *MAY, *MAY]


def test_replace_where_leaves_every_other_partition_alone_whatever_its_value_looks_like(tmp_path: Path) -> None:
    place = at(tmp_path)
    rows: list[Row] = [(value, number) for number, value in enumerate([*HOSTILE, None])]
    publish(place, publication(tmp_path, rows), Write("replace", ("month",)))
    for number, value in list(enumerate(HOSTILE))[::2]:
        run = f"202206{number + 1:02}T000000Z-a"
        publish(place, publication(tmp_path, [(value, number + 100)], run), month(value))
        rows[number] = (value, number + 100)
    assert rows_of(place) == sorted(rows, key=repr)
    table = place.load()
    assert table is not None and table.scan(row_filter=EqualTo("month", "a/b")).to_arrow().num_rows == 1
    snapshot = read_iceberg(place, table, None)
    paths = [file.at for file in snapshot.input_files()]
    assert copy_rows(snapshot, paths, COLUMNS, tmp_path / "copy.parquet") == len(rows)
    copied = pa.parquet.read_table(tmp_path / "copy.parquet").to_pylist()
    assert sorted((tuple(row.values()) for row in copied), key=repr) == sorted(rows, key=repr)


def test_another_reader_finds_the_same_rows(tmp_path: Path) -> None:
    whole, parts, kinds = at(tmp_path), at(tmp_path, "gold.parts"), at(tmp_path, "gold.kinds")
    publish(whole, publication(tmp_path / "a", MAY), APPEND)
    publish(whole, publication(tmp_path / "a", APRIL, SECOND), REPLACE)
    publish(whole, publication(tmp_path / "a", MAY, THIRD), APPEND)
    publish(parts, publication(tmp_path / "b", [*APRIL, *MAY, (None, 7)]), Write("replace", ("month",)))
    publish(parts, publication(tmp_path / "b", [("2022-04", 9)], SECOND), month("2022-04"))
    columns = Columns((Column("day", DATE), Column("x", DOUBLE), Column("a", parse_type("array<int>"))))
    day = datetime.date(2022, 4, 1)
    rows: list[Row] = [(day, float("nan"), [1, None]), (day, 2.5, []), (day, None, None)]
    publish(kinds, publication(tmp_path / "c", rows, FIRST, columns), Write("replace", ("day",)))
    found = duckdb_rows("ORDER BY ALL", whole, parts, kinds)
    assert [[(one, int(units)) for one, units in table] for table in found[:2]] == [
        [*APRIL, *MAY],
        [("2022-04", 9), ("2022-05", 5), ("None", 7)],
    ]
    assert found[2] == [["2022-04-01", "2.5", "[]"], ["2022-04-01", "nan", "[1, None]"], ["2022-04-01", "None", "None"]]
    table = kinds.load()
    assert table is not None and table.scan(row_filter=GreaterThan("x", 2.0)).to_arrow().num_rows >= 1


def test_no_rows_empty_the_partition_that_is_replaced_and_no_other(tmp_path: Path) -> None:
    place = at(tmp_path)
    publish(place, publication(tmp_path, [*APRIL, *MAY]), Write("replace", ("month",)))
    publish(place, publication(tmp_path, [], SECOND), month("2022-04"))
    assert rows_of(place) == MAY
    publish(place, publication(tmp_path, [], THIRD), Write("replace", ("month",)))
    assert rows_of(place) == []


def test_partitions_of_dates_booleans_and_integers(tmp_path: Path) -> None:
    place, day = at(tmp_path), datetime.date(2022, 4, 1)
    columns = Columns((Column("day", DATE), Column("ok", BOOLEAN), Column("n", BIGINT), Column("units", BIGINT)))
    rows: list[Row] = [(day, True, -1, 1), (day, False, -1, 2), (None, True, 3, 3)]
    keys = ("day", "ok", "n")
    publish(place, publication(tmp_path, rows, FIRST, columns), Write("replace", keys))
    owned = Write("replace_where", keys, {"day": "2022-04-01", "ok": "true", "n": "-1"})
    publish(place, publication(tmp_path, [(day, True, -1, 9)], SECOND, columns), owned)
    assert rows_of(place) == sorted([(day, True, -1, 9), *rows[1:]], key=repr)


def test_rows_outside_the_partition_that_is_replaced_are_refused(tmp_path: Path) -> None:
    place = at(tmp_path)
    publish(place, publication(tmp_path, APRIL), Write("replace", ("month",)))
    with pytest.raises(RunFailure) as failure:
        publish(place, publication(tmp_path, [*APRIL, *MAY], SECOND), month("2022-04"))
    assert failure.value.code == "rows-outside" and "in 1 row" in failure.value.message
    assert rows_of(place) == APRIL and len(folders(tmp_path)) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [(REPLACE, REPLACE), (month("2022-04"), month("2022-04")), (month("2022-04"), Write("replace", ("month",)))],
)
def test_an_older_run_does_not_write_over_a_newer_one(tmp_path: Path, before: Write, after: Write) -> None:
    place = at(tmp_path)
    publish(place, publication(tmp_path, APRIL, SECOND), before)
    with pytest.raises(RunFailure) as failure:
        publish(place, publication(tmp_path, [("2022-04", 9)], FIRST), after)
    assert failure.value.code == "newer-run" and SECOND in failure.value.message
    assert rows_of(place) == APRIL


def test_processes_that_publish_one_run_give_its_rows_once(tmp_path: Path) -> None:
    publish(at(tmp_path), publication(tmp_path, MAY), APPEND)
    given = publication(tmp_path, APRIL, SECOND)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: publish(at(tmp_path), given, APPEND), range(4)))
    assert len({committed.version for committed in found}) == 1
    assert rows_of(at(tmp_path)) == [*APRIL, *MAY] and len(folders(tmp_path)) == 2


def test_runs_that_append_at_the_same_time_are_all_in_the_table(tmp_path: Path) -> None:
    runs = [publication(tmp_path, [(str(number), number)], FIRST, pipeline=f"p{number}") for number in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda run: publish(at(tmp_path), run, APPEND), runs))
    assert rows_of(at(tmp_path)) == [(str(number), number) for number in range(3)]


@pytest.mark.parametrize("write", [APPEND, REPLACE])
def test_rows_that_another_program_adds_meanwhile_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    place, foreign = at(tmp_path), pa.table({"month": ["x"], "units": pa.array([7], pa.int64())})
    publish(place, publication(tmp_path, APRIL), REPLACE)
    commit, left = Attempt.commit, [foreign]

    def late(self: Attempt, *arguments: object) -> int | None:
        if left:
            table = at(tmp_path).load()
            assert table is not None
            table.append(left.pop())
        return commit(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Attempt, "commit", late)
    if write == APPEND:
        publish(place, publication(tmp_path, MAY, SECOND), write)
        assert rows_of(place) == [*APRIL, *MAY, ("x", 7)]
        return
    with pytest.raises(RunFailure) as failure:
        publish(place, publication(tmp_path, MAY, SECOND), write)
    assert failure.value.code == "publish-conflict" and "another program wrote snapshot" in failure.value.message
    assert rows_of(place) == [*APRIL, ("x", 7)] and len(folders(tmp_path)) == 1


@pytest.mark.parametrize(
    "kind", ["timestamp", "array<timestamp>", "struct<at timestamp>", "map<string, bigint>", "timestamptz", "binary"]
)
def test_columns_change_with_replace_only_and_a_notice_says_so(kind: str, tmp_path: Path) -> None:
    place, wider = at(tmp_path), Columns((*COLUMNS, Column("more", parse_type(kind))))
    publish(place, publication(tmp_path, APRIL), APPEND)
    given = publication(tmp_path, [("2022-05", 5, None)], SECOND, wider)
    with pytest.raises(RunFailure, match="`more` .*, new"):
        publish(place, given, APPEND)
    (notice,) = publish(place, given, REPLACE).notices
    assert "`more` " in notice and rows_of(place) == [("2022-05", 5, None)]
    other = Columns((Column("month", BIGINT), Column("units", BIGINT)))
    publish(place, publication(tmp_path, [(4, 5)], THIRD, other), REPLACE)
    assert rows_of(place) == [(5, 4)]


def test_what_does_not_fit_or_cannot_be_read_is_refused(tmp_path: Path) -> None:
    place = at(tmp_path)
    assert foresee(place, publication(tmp_path, APRIL), REPLACE) == (None, ())
    assert not (tmp_path / "catalog.db").exists()
    publish(place, publication(tmp_path, APRIL), REPLACE)
    with pytest.raises(RunFailure, match="partitioned by nothing"):
        foresee(place, publication(tmp_path, APRIL, SECOND), Write("replace", ("month",)))
    for path in (tmp_path / "tables/gold/t/metadata").glob("*.json"):
        path.unlink()
    with pytest.raises(RunFailure) as failure:
        foresee(place, publication(tmp_path, APRIL, SECOND), REPLACE)
    assert failure.value.code == "unreadable-table"
    (tmp_path / "catalog.db").write_text("no database")
    with pytest.raises(RunFailure) as failure:
        foresee(at(tmp_path), publication(tmp_path, APRIL, SECOND), REPLACE)
    assert failure.value.code == "connection-failed" and "catalog.db" in failure.value.message


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import pyiceberg.io.pyarrow
import pyiceberg.table.snapshots
from pyiceberg.catalog.sql import SqlCatalog
from etlrun.lake import iceberg_log
from etlrun.lake.commits import Write
from etlrun.lake.iceberg_commit import Attempt
from lake_tables import FIRST, SECOND, publication
from iceberg_tables import at
root = Path(sys.argv[2])
points = [(os, "link"), (os, "fsync"), (Attempt, "commit"), (SqlCatalog, "commit_table"), (SqlCatalog, "_write_metadata"), (iceberg_log, "_verify")]
children = []
for number, (module, name) in enumerate(points):
    children.append(os.fork())
    if not children[-1]:
        setattr(module, name, lambda *_, **__: os._exit(9))
        iceberg_log.publish(at(root, f"gold.t{number}"), publication(root / f"stage-{number}", [("2022-05", 5)], SECOND), Write("replace"))
for child in children:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
"""


def test_a_process_killed_anywhere_leaves_the_old_rows_or_the_new_ones_and_the_next_one_ends_its_work(
    tmp_path: Path,
) -> None:
    places = [at(tmp_path, f"gold.t{number}") for number in range(6)]
    for number, place in enumerate(places):
        publish(place, publication(tmp_path / "stage", APRIL, pipeline=str(number)), REPLACE)
    subprocess.run([sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tmp_path)], check=True)
    assert [rows_of(place) for place in places] == [*[APRIL] * 5, MAY]
    for place in places:
        publish(place, publication(tmp_path / "stage", MAY, SECOND), REPLACE)
        table = place.load()
        assert table is not None and len(table.snapshots()) == 2 and rows_of(place) == MAY
    assert len(folders(tmp_path)) == 12


def test_a_killed_run_that_nobody_resumes_leaves_its_folder_for_a_week(tmp_path: Path) -> None:
    place, day, data = at(tmp_path), 24 * 3600, tmp_path / "tables/gold/t/data"
    publish(place, publication(tmp_path, APRIL), APPEND)
    for run, days in (("20220401T000000Z-a", 8), ("20220402T000000Z-a", 6)):
        left = data / f"etlrun-{run}-0123abcd-0123abcd"
        left.mkdir()
        os.utime(left, (time.time() - days * day, time.time() - days * day))
    publish(place, publication(tmp_path, MAY, SECOND), REPLACE)
    assert [name.split("-")[1] for name in folders(tmp_path)] == ["20220402T000000Z", FIRST[:16], SECOND[:16]]
