"""Parts of earlier runs, in any mix with files that are read, give what reading all files gives, to the byte; damage is read again."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import counted, no_database

from etlrun.contracts.source import InputFile, Inventory, ReadRequest, ReadResult
from etlrun.failures import RunFailure
from etlrun.language.columns import Column, Columns
from etlrun.language.type_texts import parse_type
from etlrun.reading.json_columns import JsonColumn
from etlrun.reading.source import OptionalColumn, TextSource
from etlrun.runtime.part_identity import name_of
from etlrun.runtime.parts import ACCOUNT, FOLDER, SourceParts, parts_of, sweep_parts
from etlrun.sources.csv import Csv
from etlrun.sources.json import Json
from etlrun.spec.part_settings import PartSettings
from etlrun.spec.project import Profile, Project, Use
from projects import Project as RunProject

COLUMNS = Columns((Column("id", parse_type("bigint"), nullable=False), Column("name", parse_type("string"))))
JSON = Json(path="*", columns={"id": JsonColumn("bigint not null"), "name": JsonColumn("string")})
CSV = Csv(path="*", columns={"id": OptionalColumn("bigint not null"), "name": OptionalColumn("string", optional=True)})
PIECES = (
    b'{"id": 1}',
    b'{"id": "x"}',
    b'{"id": 2, "name": 7}',
    b"{}",
    b"\n",
    b"\n",
    b"\r",
    b" ",
    b"\xff",
    "ế".encode(),
)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join)
HOUR = 3600


class Folder:
    """A project's folder with files an hour old."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.project = Project(path)
        self.parts = path / ".etlrun/runs" / FOLDER

    def write(self, *texts: bytes) -> list[Path]:
        paths = [self.path / f"{index}.txt" for index, _ in enumerate(texts)]
        for path, text in zip(paths, texts, strict=True):
            path.write_bytes(text)
            os.utime(path, (time.time() - HOUR, time.time() - HOUR))
        return paths

    def inventory(self, paths: Sequence[Path]) -> Inventory:
        files = []
        for path in paths:
            status = path.stat()
            state = f"{status.st_ino} {status.st_ctime_ns}"
            files.append(InputFile(str(path), None, status.st_size, status.st_mtime_ns, state=state))
        return Inventory(tuple(files), taken=time.time_ns())

    def store(self, source: TextSource, inventory: Inventory) -> SourceParts:
        found = parts_of(self.project, PartSettings(), "texts", source, COLUMNS, inventory)
        assert isinstance(found, SourceParts)
        return found

    def read(
        self, source: TextSource, paths: Sequence[Path], *, kept: bool = True
    ) -> tuple[ReadResult, list[str], bytes, int]:
        """What reading gives but for the places of its rows, its rows, its quarantine, and how many parts it took over."""
        run = Path(tempfile.mkdtemp(dir=self.path))
        inventory = self.inventory(paths)
        parts = self.store(source, inventory) if kept else None
        quarantine = run / "quarantine.jsonl"
        request = ReadRequest(
            "texts",
            inventory,
            run / "rows",
            quarantine,
            lambda *news: None,
            no_database,
            quarantine_limit=source.quarantine_limit,
            parts=parts,
        )
        found = source.read(request, COLUMNS)
        rows: list[tuple[object, ...]] = []
        with duckdb.connect() as connection:
            for files in found.files:
                where = f' WHERE "{files.marker}" IS NULL' if files.marker else ""
                rows += connection.execute(f"SELECT id, name FROM read_parquet({list(files.paths)}){where}").fetchall()
        written = quarantine.read_bytes() if quarantine.exists() else b""
        accounts = tuple(replace(account, line_ends=0) for account in found.accounts)
        shutil.rmtree(run)
        facts = replace(found, files=(), accounts=accounts)
        return facts, sorted(counted(rows).elements()), written, parts.used if parts else 0


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@settings(max_examples=6, deadline=None)
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=4),
    known=st.sets(st.integers(0, 3)),
    limit=st.integers(0, 900),
    is_csv=st.booleans(),
)
def test_any_mix_of_parts_and_files_gives_what_all_files_give(
    texts: list[bytes], known: set[int], limit: int, is_csv: bool
) -> None:
    with tempfile.TemporaryDirectory() as path:
        folder = Folder(Path(path))
        source = replace(CSV if is_csv else JSON, quarantine_limit=limit)
        heads = [b"id,name\n", b"id\n"]
        paths = folder.write(*(heads[index % 2] * is_csv + text for index, text in enumerate(texts)))
        known = {index for index in known if index < len(paths)}
        for index in known:
            if not is_csv or index % 2 == 0:  # a file that lacks a column is none of its own
                folder.read(source, [paths[index]])
        *whole, _ = folder.read(source, paths, kept=False)
        *mixed, _ = folder.read(source, paths)
        *again, used = folder.read(source, paths)
        assert mixed == whole
        assert again == whole
        assert used == len(paths)


def test_a_column_that_no_file_has_is_told_of_all_files_and_one_that_some_lack_is_a_notice(folder: Folder) -> None:
    bare, full = folder.write(b"id\n1\n", b"id,name\n2,b\n")
    with pytest.raises(RunFailure, match="no file of `texts` has a column `name`"):
        folder.read(CSV, [bare])
    assert folder.read(CSV, [bare, full]) == (*folder.read(CSV, [bare, full], kept=False)[:3], 0)
    found, _, _, used = folder.read(CSV, [bare, full])
    assert (len(found.notices), used) == (1, 2)
    with pytest.raises(RunFailure, match="no file of `texts` has a column `name`"):
        folder.read(CSV, [bare])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def link(path: Path) -> None:
    path.rename(path.with_name("other"))
    path.symlink_to("/etc/hostname")


DAMAGES = {"cut": cut, "flipped": flip, "gone": Path.unlink, "empty": lambda path: path.write_bytes(b""), "link": link}


@pytest.mark.parametrize("name", ["rows", "broken.jsonl", ACCOUNT])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_part_that_is_not_whole_is_read_again_and_is_whole_again(
    folder: Folder, damage: Callable[[Path], object], name: str
) -> None:
    paths = folder.write(b'{"id": 1}\nno\n')
    expected = folder.read(JSON, paths)
    (part,) = folder.parts.iterdir()
    damage(min(part.glob("*.parquet")) if name == "rows" else part / name)
    assert folder.read(JSON, paths) == expected
    assert folder.read(JSON, paths) == (*expected[:3], 1)
    assert [path.name for path in folder.parts.iterdir()] == [part.name]


def test_the_part_of_another_file_in_its_place_is_none(folder: Folder) -> None:
    paths = folder.write(b'{"id": 1}\n', b'{"id": 2}\n')
    expected = folder.read(JSON, paths)
    one, other = folder.parts.iterdir()
    shutil.rmtree(one)
    shutil.copytree(other, one)
    assert folder.read(JSON, paths) == (*expected[:3], 1)


def test_a_file_that_changed_in_any_way_is_read_again(folder: Folder) -> None:
    (path,) = folder.write(b'{"id": 1}\n')
    folder.read(JSON, [path])
    before = path.stat()
    changes: list[Callable[[], object]] = [
        lambda: os.utime(path, (before.st_atime, before.st_mtime - 1)),
        lambda: (path.write_bytes(b'{"id": 2}\n'), os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))),
        lambda: (path.unlink(), folder.write(b'{"id": 3}\n')),
    ]
    for change in changes:
        change()
        _, rows, _, used = folder.read(JSON, [path])
        assert used == 0
        assert rows == folder.read(JSON, [path], kept=False)[1]


def test_a_part_is_of_the_settings_that_decide_what_a_record_is_and_of_no_others(folder: Folder) -> None:
    paths = folder.write(b'{"id": 1}\n{"r": {"id": 2}}\n')
    folder.read(JSON, paths)
    described = {**JSON.columns, "id": replace(JSON.columns["id"], description="a number", tags=("pii",))}
    same = replace(JSON, path="0.txt", max_bad_rows=1.0, missing="warn", empty="skip", key_=("id",), columns=described)
    assert folder.read(same, paths)[3] == 1
    named = {**JSON.columns, "name": replace(JSON.columns["name"], path="title")}
    others = (
        replace(JSON, record="r"),
        replace(JSON, columns=named),
        replace(JSON, bad_rows="drop"),
        replace(JSON, quarantine_limit=7),
        replace(JSON, format="array"),
    )
    inventory = folder.inventory(paths)
    assert not any(folder.store(other, inventory).has(file) for other in others for file in inventory.files)
    typed = Columns((COLUMNS.items[0], replace(COLUMNS.items[1], type=parse_type("int"))))
    for name, columns in (("texts", typed), ("others", COLUMNS)):
        store = parts_of(folder.project, PartSettings(), name, JSON, columns, inventory)
        assert store is not None and not any(map(store.has, inventory.files))


def test_a_file_that_changed_a_moment_ago_is_read_and_not_kept(folder: Folder) -> None:
    (path,) = folder.write(b'{"id": 1}\n')
    os.utime(path)
    assert folder.read(JSON, [path])[3] == folder.read(JSON, [path])[3] == 0
    assert not folder.parts.exists()


def test_runs_at_the_same_time_keep_one_whole_part(folder: Folder) -> None:
    paths = folder.write(*(b'{"id": %d}\n' % number for number in range(8)))
    expected = folder.read(JSON, paths, kept=False)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(folder.read(JSON, paths)[:3])) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected[:3]] * 3
    assert folder.read(JSON, paths) == (*expected[:3], 8)
    assert len(list(folder.parts.iterdir())) == 8


def test_a_cache_that_cannot_be_written_stops_no_run(folder: Folder) -> None:
    paths = folder.write(b'{"id": 1}\n')
    folder.parts.parent.mkdir(parents=True)
    folder.parts.write_text("a file\n")
    inventory = folder.inventory(paths)
    store = folder.store(JSON, inventory)
    assert folder.read(JSON, paths) == folder.read(JSON, paths, kept=False)
    store.keep(inventory.files[0], None)  # type: ignore[arg-type]
    assert store.trouble == "Not a directory"


def keeping(folder: Folder, *settings: PartSettings | None) -> Project:
    """The project with a profile for each."""
    profiles = {
        str(index): Profile(str(index), Use("duckdb", None, ()), {}, parts=each) for index, each in enumerate(settings)
    }
    return replace(folder.project, profiles=profiles)


def test_parts_go_by_age_then_by_room_and_nothing_else_goes(folder: Folder) -> None:
    paths = folder.write(*(b'{"id": %d}\n' % number for number in range(3)))
    folder.read(JSON, paths)
    inventory = folder.inventory(paths)
    store = folder.store(JSON, inventory)
    old, middle, new = (folder.parts / name_of(file, store.identity) for file in inventory.files)
    others = [folder.parts / "notes.txt", folder.parts / "a" / "b.txt"]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine\n")
    (folder.parts / ("0" * 64)).symlink_to(folder.path)
    for part, age in ((old, 3 * 86400), (middle, 86400), (new, 0)):
        os.utime(part / ACCOUNT, (time.time() - age, time.time() - age))
    size = sum(path.stat().st_size for path in new.iterdir())
    sweep_parts(keeping(folder, PartSettings("1 day", size), None, PartSettings("4d", 10 * size)))
    assert old.exists()
    sweep_parts(keeping(folder, PartSettings("2 days", 10 * size)))
    assert [part.exists() for part in (old, middle, new)] == [False, True, True]
    sweep_parts(keeping(folder, PartSettings("2w", size)))
    assert [part.exists() for part in (middle, new)] == [False, True]
    sweep_parts(keeping(folder, None))
    assert new.exists()
    os.utime(new / ACCOUNT, (time.time() - 8 * 86400,) * 2)
    sweep_parts(keeping(folder, None))
    assert not new.exists()
    assert all(path.exists() for path in (*others, *paths))


SPEC = """
sources:
  views: {json: {path: "views/*.json", max_bad_rows: 50%, columns: {id: bigint not null}}}
steps:
  seen: [{from: views}]
sinks:
  seen: {files: {from: seen, path: out.csv}}
"""


def test_plan_and_summary_say_how_many_files_are_in_the_cache(tmp_path: Path) -> None:
    project = RunProject(tmp_path)
    project.write("etlrun.yaml", "profiles: {local: {engine: {duckdb: {}}, parts: {keep: 40d, room: 2GB}}}\n")
    for day in range(2):
        path = project.write(f"views/{day}.json", '{"id": 1}\nno\n') or tmp_path / f"views/{day}.json"
        os.utime(path, (time.time() - HOUR,) * 2)
    pipeline = project.pipeline(SPEC)
    first = project.run(pipeline)
    assert "in the cache" not in first.err
    assert "2 json files, 2 in the cache" in project.run("plan", pipeline).out
    project.write("views/2.json", '{"id": 2}\n')
    second = project.run(pipeline)
    assert "read      views: 3 rows from 3 files, 2 in the cache, 2 broken" in second.err
    assert (tmp_path / "out.csv").read_text().split() == ["id", "1", "1", "2"]


def test_an_age_that_is_none_is_a_mistake_in_its_place(tmp_path: Path) -> None:
    project = RunProject(tmp_path)
    project.write("etlrun.yaml", "profiles:\n  local:\n    parts: {keep: 1 month}\n")
    found = project.run("plan", project.pipeline(SPEC))
    assert (found.code, "etlrun.yaml:3:19: wrong-value: `1 month` is not an age" in found.err) == (2, True)
