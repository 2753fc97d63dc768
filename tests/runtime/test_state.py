"""State on disk is judged before it is used: what does not fit is reported and skipped, and names no path."""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from commanding import etlrun
from etlrun.connections._duckdb.warehouse_file import open_warehouse
from etlrun.failures import RunFailure
from etlrun.language.columns import BIGINT, Column, Columns
from etlrun.private import new_files_as
from etlrun.runtime.full_disk import as_full_disk
from etlrun.runtime.run_folder import RunFolder
from etlrun.runtime.run_place import RunPlace
from etlrun.runtime.run_records import StoredRun, Unreadable, find_run, stored_runs, sweep_old
from etlrun.runtime.stage import from_record
from etlrun.warehouse.fencing import is_published
from mysql.loads import make_load, many
from projects import PROJECT

RUN = "20220501T000000Z-00000a"
RECORD: dict[str, Any] = {
    "pipeline": "p",
    "file": "pipelines/p.yaml",
    "run_id": RUN,
    "engine": "duckdb",
    "profile": "fast",
    "started_at": "2022-05-01T00:00:00Z",
    "host": "elsewhere",
    "pid": 1,
    "spec_hash": "0",
    "version": "0.1.0",
    "status": "killed",
    "seconds": 1.5,
}
STAGED = {"totals": {"rows": 0, "checksum": "0", "files": []}}


def write(runs: Path, content: object, folder: str = RUN) -> Path:
    """A run's folder with this record, and what a killed run left."""
    path = runs / folder / "run.json"
    (path.parent / "work").mkdir(parents=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_record_that_fits_is_read(tmp_path: Path) -> None:
    write(tmp_path, RECORD)
    (found,) = stored_runs(RunPlace(tmp_path))
    assert isinstance(found, StoredRun)
    assert (found.folder.path, found.record.status, found.record.pid) == (tmp_path / RUN, "killed", 1)


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        "",
        "{",
        "null",
        "[" * 100_000,
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
        {**RECORD, "run_id": "../../elsewhere"},
        {**RECORD, "run_id": "20220501T000000Z-00000b"},
        {**RECORD, "status": "merry"},
        {**RECORD, "pid": 10**30},
        {**RECORD, "pid": True},
        {**RECORD, "pid": "1"},
        {**RECORD, "sinks": {"totals": {}}},
        {**RECORD, "sinks": []},
        {**RECORD, "staged": {"totals": {"rows": 1, "checksum": "0", "files": [{"path": "/x"}]}}},
        {**RECORD, "params": {"month": 4}},
    ],
)
def test_a_record_that_does_not_fit_is_skipped_and_nothing_is_removed(tmp_path: Path, content: object) -> None:
    path = write(tmp_path / "runs", content)
    kept = tmp_path / "elsewhere" / "work"
    kept.mkdir(parents=True)
    (found,) = sweep_old(RunPlace(tmp_path / "runs"))
    assert isinstance(found, Unreadable) and found.folder.path == path.parent
    assert kept.is_dir() and (path.parent / "work").is_dir()
    with pytest.raises(RunFailure, match="is not a run record"):
        find_run(RunPlace(tmp_path / "runs"), RUN)


@pytest.mark.parametrize(
    ("status", "staged", "is_kept"),
    [("interrupted", {}, False), ("failed", {}, False), ("done", STAGED, False), ("interrupted", STAGED, True)],
)
def test_what_spark_makes_after_a_run_is_removed_unless_it_may_be_resumed(
    tmp_path: Path, status: str, staged: object, is_kept: bool
) -> None:
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-00000a"
    path = write(tmp_path / "runs", {**RECORD, "run_id": run, "status": status, "staged": staged}, run)
    assert sweep_old(RunPlace(tmp_path / "runs")) == []
    assert (path.parent / "work").exists() is is_kept


def test_a_folder_that_is_a_link_is_skipped(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", RECORD)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / RUN).symlink_to(tmp_path / "elsewhere" / RUN)
    (found,) = sweep_old(RunPlace(tmp_path / "runs"))
    assert isinstance(found, Unreadable)
    assert (tmp_path / "elsewhere" / RUN / "work").is_dir()


def test_the_beginning_of_an_id_is_no_pattern_and_no_path(tmp_path: Path) -> None:
    write(tmp_path / "runs", RECORD)
    for run in ("*", "2022*", "../runs/2022", "./"):
        with pytest.raises(RunFailure, match="there is no run"):
            find_run(RunPlace(tmp_path / "runs"), run)
    assert find_run(RunPlace(tmp_path / "runs"), "2022").folder.id == RUN


def test_runs_lists_what_fits_and_names_what_does_not(tmp_path: Path) -> None:
    (tmp_path / "etlrun.yaml").write_text(PROJECT)
    write(tmp_path / ".etlrun" / "runs", RECORD)
    write(tmp_path / ".etlrun" / "runs", [], "20220502T000000Z-00000a")
    outcome = etlrun(tmp_path, "runs", "--json")
    assert outcome.code == 0
    assert [run["run_id"] for run in json.loads(outcome.out)["runs"]] == [RUN]
    assert "20220502T000000Z-00000a/run.json is not a run record and is skipped ($: [] is not of type" in outcome.err


def test_staged_files_outside_the_folder_of_the_run_are_refused(tmp_path: Path) -> None:
    file = {"path": str(tmp_path / "other.parquet"), "rows": 1, "sha256": "0" * 64}
    with pytest.raises(RunFailure, match=r"other\.parquet is not in"):
        from_record(
            "totals", Columns(()), {"rows": 1, "checksum": "0", "files": [file]}, RunFolder(RUN, tmp_path / RUN)
        )


def damaged(folder: Path, how: str) -> Path:
    path = folder / "could not set lock, held in block.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT range AS x FROM range(100000)")
    data = bytearray(path.read_bytes())
    if how == "cut":
        data = data[: len(data) // 2]
    elif how == "flipped":
        data[12_300:13_000] = bytes(700)
    elif how == "of another program":
        data = bytearray(b"SQLite format 3\0" + bytes(5000))
    else:
        data = bytearray()
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("how", ["cut", "flipped", "empty", "of another program"])
def test_a_damaged_warehouse_is_called_damaged_whatever_its_name(tmp_path: Path, how: str) -> None:
    path = damaged(tmp_path, how)
    with pytest.raises(RunFailure) as caught:
        open_warehouse("warehouse", path, writing=True)
    assert caught.value.code == "connection-damaged"
    assert f"mv '{path}' '{path}.damaged'" in caught.value.fix


def test_a_warehouse_whose_damage_is_seen_late_is_called_damaged(tmp_path: Path) -> None:
    path = damaged(tmp_path, "")
    path.unlink()
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT range AS x FROM range(100000)")
    path.write_bytes(path.read_bytes()[:-1])
    with closing(open_warehouse("warehouse", path, writing=True)) as warehouse, pytest.raises(RunFailure) as caught:
        warehouse.copy("t", Columns((Column("x", BIGINT, True),)), tmp_path)
    assert "the file is damaged" in caught.value.message and f"mv '{path}'" in caught.value.fix


def test_a_warehouse_that_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "warehouse.duckdb")
    (tmp_path / "folder.duckdb").mkdir()
    for name in ("warehouse.duckdb", "folder.duckdb"):
        with pytest.raises(RunFailure, match="is not a file"):
            open_warehouse("warehouse", tmp_path / name, writing=True)


def test_a_new_warehouse_is_for_its_owner_and_an_old_one_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    open_warehouse("warehouse", path, writing=True).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    open_warehouse("warehouse", path, writing=True).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with new_files_as(path):
        (tmp_path / "beside").touch()
    assert stat.S_IMODE((tmp_path / "beside").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("other", "is_newer"),
    [
        ("20220502T000000Z-b", True),
        ("20990502T000000Z-b", False),
        ("zzz", False),
        ("", False),
    ],
)
def test_a_clock_that_was_far_ahead_does_not_stop_later_runs(tmp_path: Path, other: str, is_newer: bool) -> None:
    load = make_load(tmp_path, many("2022-04", 1), run_id="20220501T000000Z-a")
    if is_newer:
        with pytest.raises(RunFailure, match="which started after this run"):
            is_published(load, "", [("", other)])
    else:
        assert not is_published(load, "", [("", other)])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_called_so_whoever_met_it(tmp_path: Path, number: int) -> None:
    cause = OSError(f"Could not write file {tmp_path}/x: {os.strerror(number)}")
    for code in ("engine", "unreadable-file", "publish-failed"):
        failure = RunFailure("engine", code, "it gave up")
        failure.__cause__ = cause
        assert as_full_disk(failure, tmp_path).code == "disk"
    other = RunFailure("sink", "publish-failed", f"/elsewhere: {os.strerror(number)}")
    assert as_full_disk(other, tmp_path) is other
