"""Publishing into a Delta table: whole or not at all, once, and never over newer rows, whoever else writes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from lake_tables import COLUMNS, FIRST, SECOND, THIRD, Row, at, publication, rows_of

from etlrun.failures import RunFailure
from etlrun.lake import delta_log
from etlrun.lake.commits import Write
from etlrun.lake.delta_log import foresee, publish
from etlrun.lake.snapshot import copy_rows, open_delta, read_snapshot
from etlrun.language.columns import BIGINT, BOOLEAN, DATE, Column, Columns
from etlrun.language.type_texts import parse_type

REPLACE, APPEND = Write("replace"), Write("append")
APRIL: list[Row] = [("2022-04", 1), ("2022-04", 2)]
MAY: list[Row] = [("2022-05", 5)]
HOSTILE = [
    "a'b",
    'a"b',
    "a/b",
    "../x",
    "a%2Fb",
    "é😀",
    " ",
    "a=b",
    "__HIVE_DEFAULT_PARTITION__",
    "null",
    "NULL",
    "\\n",
    "*?[",
]


def month(value: str) -> Write:
    return Write("replace_where", ("month",), {"month": value})


def folders(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("etlrun-*"))


def test_append_adds_once_per_run_and_not_the_rows_of_the_last_run_again(tmp_path: Path) -> None:
    root = tmp_path / "t"
    publish(at(root), publication(tmp_path, APRIL), APPEND)
    again = publish(at(root), publication(tmp_path, APRIL), APPEND)
    same = publish(at(root), publication(tmp_path, APRIL, SECOND), APPEND)
    assert (again.version, same.version, rows_of(root)) == (0, 0, APRIL)
    assert (again.earlier, same.earlier) == ("", FIRST)
    publish(at(root), publication(tmp_path, MAY, THIRD), APPEND)
    assert rows_of(root) == [*APRIL, *MAY]


def test_replace_where_leaves_every_other_partition_alone_whatever_its_value_looks_like(tmp_path: Path) -> None:
    root = tmp_path / "t"
    rows: list[Row] = [(value, number) for number, value in enumerate([*HOSTILE, None])]
    publish(at(root), publication(tmp_path, rows), Write("replace", ("month",)))
    assert rows_of(root) == sorted(rows, key=repr)
    for number, value in list(enumerate(HOSTILE))[::2]:
        run = f"202206{number + 1:02}T000000Z-a"
        publish(at(root), publication(tmp_path, [(value, number + 100)], run), month(value))
        rows[number] = (value, number + 100)
    assert rows_of(root) == sorted(rows, key=repr)
    table = open_delta(at(root))
    assert table is not None
    snapshot = read_snapshot(at(root), table)
    assert copy_rows(snapshot, [file.at for file in snapshot.input_files()], COLUMNS, tmp_path / "copy.parquet") == len(
        rows
    )
    assert sorted(map(tuple, (row.values() for row in pa.parquet.read_table(tmp_path / "copy.parquet").to_pylist())), key=repr) == sorted(rows, key=repr)  # fmt: skip


def test_no_rows_empty_the_partition_that_is_replaced_and_no_other(tmp_path: Path) -> None:
    root = tmp_path / "t"
    publish(at(root), publication(tmp_path, [*APRIL, *MAY]), Write("replace", ("month",)))
    publish(at(root), publication(tmp_path, [], SECOND), month("2022-04"))
    assert rows_of(root) == MAY


def test_partitions_of_dates_booleans_and_integers(tmp_path: Path) -> None:
    import datetime

    root, day = tmp_path / "t", datetime.date(2022, 4, 1)
    columns = Columns((Column("day", DATE), Column("ok", BOOLEAN), Column("n", BIGINT), Column("units", BIGINT)))
    rows: list[Row] = [(day, True, -1, 1), (day, False, -1, 2), (None, True, 3, 3)]
    keys = ("day", "ok", "n")
    publish(at(root), publication(tmp_path, rows, FIRST, columns), Write("replace", keys))
    owned = Write("replace_where", keys, {"day": "2022-04-01", "ok": "true", "n": "-1"})
    publish(at(root), publication(tmp_path, [(day, True, -1, 9)], SECOND, columns), owned)
    assert rows_of(root) == sorted([(day, True, -1, 9), *rows[1:]], key=repr)


def test_an_empty_text_is_no_partition(tmp_path: Path) -> None:
    with pytest.raises(RunFailure, match="empty text"):
        publish(at(tmp_path / "t"), publication(tmp_path, [("", 1)]), Write("replace", ("month",)))
    assert folders(tmp_path / "t") == []


def test_rows_outside_the_partition_that_is_replaced_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "t"
    publish(at(root), publication(tmp_path, APRIL), Write("replace", ("month",)))
    with pytest.raises(RunFailure) as failure:
        publish(at(root), publication(tmp_path, [*APRIL, *MAY], SECOND), month("2022-04"))
    assert failure.value.code == "rows-outside" and "in 1 row" in failure.value.message
    assert rows_of(root) == APRIL


@pytest.mark.parametrize(
    ("before", "after"), [(REPLACE, REPLACE), (month("2022-04"), month("2022-04")), (month("2022-04"), Write("replace", ("month",)))]
)  # fmt: skip
def test_an_older_run_does_not_write_over_a_newer_one(tmp_path: Path, before: Write, after: Write) -> None:
    root = tmp_path / "t"
    publish(at(root), publication(tmp_path, APRIL, SECOND), before)
    with pytest.raises(RunFailure) as failure:
        publish(at(root), publication(tmp_path, [("2022-04", 9)], FIRST), after)
    assert failure.value.code == "newer-run" and SECOND in failure.value.message
    assert rows_of(root) == APRIL


def test_an_older_run_of_another_month_is_published_and_so_is_an_append_of_another_pipeline(tmp_path: Path) -> None:
    root = tmp_path / "t"
    publish(at(root), publication(tmp_path, MAY, SECOND), month("2022-05"))
    publish(at(root), publication(tmp_path, APRIL, FIRST), month("2022-04"))
    assert rows_of(root) == [*APRIL, *MAY]
    other = tmp_path / "u"
    publish(at(other), publication(tmp_path, MAY, SECOND), APPEND)
    publish(at(other), publication(tmp_path, APRIL, FIRST, pipeline="q"), APPEND)
    assert rows_of(other) == [*APRIL, *MAY]


def test_two_processes_that_publish_one_run_give_its_rows_once(tmp_path: Path) -> None:
    root = tmp_path / "t"
    publish(at(root), publication(tmp_path, MAY), APPEND)
    given = publication(tmp_path, APRIL, SECOND)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: publish(at(root), given, APPEND), range(4)))
    assert {committed.version for committed in found} == {1}
    assert rows_of(root) == [*APRIL, *MAY] and len(folders(root)) == 2


def test_runs_that_append_at_the_same_time_are_all_in_the_table(tmp_path: Path) -> None:
    root = tmp_path / "t"
    runs = [publication(tmp_path, [(str(number), number)], FIRST, pipeline=f"p{number}") for number in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda run: publish(at(root), run, APPEND), runs))
    assert rows_of(root) == [(str(number), number) for number in range(3)]


@pytest.mark.parametrize("write", [APPEND, REPLACE])
def test_rows_that_another_program_adds_meanwhile_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    root, foreign = tmp_path / "t", pa.table({"month": ["x"], "units": pa.array([7], pa.int64())})
    publish(at(root), publication(tmp_path, APRIL), REPLACE)
    commit, left = delta_log._write, [foreign]

    def late(*arguments: object) -> None:
        if left:
            write_deltalake(root, left.pop(), mode="append")
        commit(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(delta_log, "_write", late)
    if write == APPEND:
        assert publish(at(root), publication(tmp_path, MAY, SECOND), write).version == 2
        assert rows_of(root) == [*APRIL, *MAY, ("x", 7)]
        return
    with pytest.raises(RunFailure) as failure:
        publish(at(root), publication(tmp_path, MAY, SECOND), write)
    assert failure.value.code == "publish-conflict" and "version 1" in failure.value.message
    assert rows_of(root) == [*APRIL, ("x", 7)] and len(folders(root)) == 1


def test_columns_change_with_replace_only_and_a_notice_says_so(tmp_path: Path) -> None:
    root, wider = tmp_path / "t", Columns((*COLUMNS, Column("more", BIGINT)))
    publish(at(root), publication(tmp_path, APRIL), APPEND)
    given = publication(tmp_path, [("2022-05", 5, None)], SECOND, wider)
    with pytest.raises(RunFailure, match="`more` long, new"):
        publish(at(root), given, APPEND)
    (notice,) = publish(at(root), given, REPLACE).notices
    assert "`more` long, new" in notice
    assert rows_of(root) == [("2022-05", 5, None)]


@pytest.mark.parametrize(
    "kind",
    [
        "timestamp",
        "array<timestamp>",
        "struct<at timestamp>",
        "map<string, timestamp>",
        "timestamptz",
        "binary",
        "float",
    ],
)
def test_a_column_of_any_type_may_join_a_table_that_was_made_without_it(kind: str, tmp_path: Path) -> None:
    root, wider = tmp_path / "t", Columns((*COLUMNS, Column("more", parse_type(kind))))
    publish(at(root), publication(tmp_path, APRIL), APPEND)
    given = publication(tmp_path, [("2022-05", 5, None)], SECOND, wider)
    (notice,) = foresee(at(root), given, REPLACE)[1]
    assert ("`timestampNtz`" in notice) == ("timestamp" in kind and kind != "timestamptz")
    publish(at(root), given, REPLACE)
    assert rows_of(root) == [("2022-05", 5, None)]
    publish(at(root), publication(tmp_path, [("2022-06", 6, None)], THIRD, wider), APPEND)
    assert rows_of(root) == [("2022-05", 5, None), ("2022-06", 6, None)]


def test_what_is_no_delta_table_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/x.parquet").write_text("x")
    for place in ("file", "folder"):
        with pytest.raises(RunFailure, match="is not a Delta table"):
            foresee(at(tmp_path / place), publication(tmp_path, APRIL), REPLACE)


def test_a_damaged_log_and_other_partitions_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "t"
    publish(at(root), publication(tmp_path, APRIL), REPLACE)
    with pytest.raises(RunFailure, match="not partitioned"):
        foresee(at(root), publication(tmp_path, APRIL, SECOND), Write("replace", ("month",)))
    (root / "_delta_log/00000000000000000000.json").write_text("{")
    with pytest.raises(RunFailure) as failure:
        foresee(at(root), publication(tmp_path, APRIL, SECOND), REPLACE)
    assert failure.value.code == "unreadable-table"


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from etlrun.lake import adoption, delta_log
from etlrun.lake.commits import Write
from lake_tables import FIRST, SECOND, at, publication
root = Path(sys.argv[2])
children = []
for number, (module, name) in enumerate([(os, "link"), (os, "fsync"), (delta_log, "_write"), (delta_log, "_verify")]):
    children.append(os.fork())
    if not children[-1]:
        setattr(module, name, lambda *_: os._exit(9))
        delta_log.publish(at(root / str(number)), publication(root / f"stage-{number}", [("2022-05", 5)], SECOND), Write("replace"))
for child in children:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
"""


def test_a_process_killed_anywhere_leaves_the_old_rows_or_the_new_ones_and_the_next_one_ends_its_work(
    tmp_path: Path,
) -> None:
    for number in range(4):
        publish(at(tmp_path / str(number)), publication(tmp_path, APRIL), REPLACE)
    subprocess.run([sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tmp_path)], check=True)
    assert [rows_of(tmp_path / str(number)) for number in range(4)] == [APRIL, APRIL, APRIL, MAY]
    for number in range(4):
        root = tmp_path / str(number)
        assert publish(at(root), publication(tmp_path, MAY, SECOND), REPLACE).version == 1
        assert rows_of(root) == MAY and len(folders(root)) == 2
        assert DeltaTable(root).version() == 1


def test_a_killed_run_that_nobody_resumes_leaves_its_folder_for_a_week(tmp_path: Path) -> None:
    root, day = tmp_path / "t", 24 * 3600
    publish(at(root), publication(tmp_path, APRIL), APPEND)
    for run, days in (("20220401T000000Z-a", 8), ("20220402T000000Z-a", 6)):
        left = root / f"etlrun-{run}-0123abcd-0123abcd"
        left.mkdir()
        os.utime(left, (time.time() - days * day, time.time() - days * day))
    for old in [*folders(root)][-1:]:
        os.utime(root / old, (time.time() - 8 * day, time.time() - 8 * day))
    publish(at(root), publication(tmp_path, MAY, SECOND), REPLACE)
    publish(at(root), publication(tmp_path, APRIL, THIRD), REPLACE)
    assert [name.split("-")[1] for name in folders(root)] == [
        "20220402T000000Z",
        *(run[:16] for run in (FIRST, SECOND, THIRD)),
    ]
