"""Parts in the store of runs: later runs read only new files, and whatever happens to the parts, the rows and the quarantine are those of all files."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import duckdb
import pytest
from store_projects import Lake, lines, with_runs

from etlrun.contracts.engine import ParquetFiles
from etlrun.contracts.source import InputFile, Inventory, PartStore, ReadRequest, ReadResult
from etlrun.engines._sql_aggregation import SqlAggregation
from etlrun.failures import RunFailure
from etlrun.language.columns import Column, Columns
from etlrun.language.type_texts import parse_type
from etlrun.reading import slice_task
from etlrun.reading.fetching import Fetching, with_parts
from etlrun.reading.json_columns import JsonColumn
from etlrun.reading.task_reader import TaskReader
from etlrun.runtime.part_folder import INDEX
from etlrun.runtime.partial_parts import PartialParts
from etlrun.runtime.parts import parts_of
from etlrun.runtime.run_store import RunStore
from etlrun.runtime.store_parts import StoreParts, sweep_store_parts
from etlrun.sources.json import Json
from etlrun.spec.part_settings import PartSettings
from etlrun.spec.project import Project, Use
from etlrun.spec.urls import read_url
from etlrun.storage.object_store import ObjectStore
from etlrun.storage.staging_area import StagingArea
from etlrun.storage.stores import Stores
from etlrun.storages.s3 import S3
from etlrun.warehouse.opening import filled

HOUR, DAY = 3600, 86_400
COLUMNS = Columns((Column("c", parse_type("string")), Column("s", parse_type("bigint"))))
SOURCE = Json(path="*", columns={"c": JsonColumn("string"), "s": JsonColumn("bigint")})
SPARK = 'apart: {engine: {spark: {master: "local[2]", memory: 1g, read: tasks, staging: store}}, parts: {keep: 40d, room: 2GB}}'
DRIVER = SPARK.replace("apart", "driver").replace("tasks", "driver")
TOTALS = """sources:
  s: {json: {path: "s3://BUCKET/raw/*.json", columns: {c: string, s: bigint}, max_bad_rows: 0.9}}
steps:
  totals:
    - from: s
    - aggregate: {by: c, columns: {n: count(*), t: sum(s)}}
sinks:
  out: {files: {from: totals, path: out.csv}}
"""
SPECS = {
    "first": TOTALS.replace("*.json", "a*.json"),
    "totals": TOTALS,
    "changed": TOTALS.replace("- aggregate", "- filter: s > 3\n    - aggregate"),
    "rows": TOTALS.replace("from: totals", "from: s"),
}
Read = tuple[Counter[tuple[object, ...]], bytes, int]


def here_twice(payload: bytes, count: int) -> list[str]:
    """The answers of tasks in this process, each tried twice at the same time."""
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda number: slice_task.answer(payload, number % count), range(2 * count)))
    return answers[count:]


def no_database(connection: str) -> Any:
    raise AssertionError(connection)


class Runs:
    """Runs that read the objects below `raw/` of a bucket by tasks in this process, and keep their parts in the store."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.folder = lake.project.folder / "scratch"
        self.url = read_url(f"s3://{lake.bucket}/runs")
        use = Use("s3", S3(endpoint=lake.server.url, region="us-east-1", access_key="etl", secret_key="secret"), ())
        self.area = StagingArea(self.folder, self.url, {read_url(f"s3://{lake.bucket}"): use}, filled)
        self.stores = Stores(self.area.storages, filled)
        self.numbers = count()
        self.hidden = ""  # the name of an object that is not there yet

    @property
    def store(self) -> ObjectStore:
        return self.area.opened()

    def inventory(self) -> Inventory:
        found = self.store.all_below(read_url(f"s3://{self.lake.bucket}/raw"))
        files = (
            InputFile(str(each.url), None, each.size, each.modified) for each in found if each.url.key != self.hidden
        )
        return Inventory(tuple(files), taken=time.time_ns())

    def parts(self, inventory: Inventory) -> StoreParts:
        project = Project(self.lake.project.folder)
        found = parts_of(project, PartSettings(), "s", SOURCE, COLUMNS, inventory, self.area)
        assert isinstance(found, StoreParts)
        return found

    def read(self, parts: StoreParts | None = None, *, is_saved: bool = True, is_here: bool = False) -> Read:
        """The rows of all objects, their quarantine, and how many parts were used; `is_here` reads them in this process."""
        inventory = self.inventory()
        parts = parts or self.parts(inventory)
        run = self.folder / f"run-{next(self.numbers)}"
        run.mkdir(parents=True)
        request = self.request(run, inventory, parts)
        if is_here:
            known = with_parts(inventory, parts, request.folder)
            copies = Fetching(known, request.folder / "copies", self.stores).fetch()
            found = SOURCE.read(replace(request, inventory=copies), COLUMNS)
        else:
            found = TaskReader(request, SOURCE, COLUMNS, "200MB").read(here_twice)
        if is_saved:
            parts.save()
            assert not parts.trouble
        return self.rows(found, run), (run / "quarantine.jsonl").read_bytes(), parts.used

    def request(self, run: Path, inventory: Inventory, parts: PartStore) -> ReadRequest:
        return ReadRequest(
            "s",
            inventory,
            run / "rows",
            run / "quarantine.jsonl",
            lambda *news: None,
            no_database,
            quarantine_limit=1 << 30,
            parts=parts,
            stores=self.stores,
            area=self.area,
        )

    def rows(self, found: ReadResult, run: Path) -> Counter[tuple[object, ...]]:
        """The rows of a result, those in the store are downloaded."""
        rows: Counter[tuple[object, ...]] = Counter()
        with duckdb.connect() as connection:
            for number, files in enumerate(found.files):
                assert isinstance(files, ParquetFiles)
                stored = {path: sha256 for path, sha256 in files.digest_by_path.items() if not os.path.exists(path)}
                assert all(stored.values())
                paths = {*files.paths} - {*stored} | {*self.area.fetch(stored, run / str(number))}
                where = f' WHERE "{files.marker}" IS NULL' if files.marker else ""
                rows.update(connection.execute(f"SELECT c, s FROM read_parquet({list(paths)}){where}").fetchall())
        return rows

    def objects(self) -> dict[str, int]:
        """The objects of parts by name, with their sizes."""
        found = self.store.all_below(self.url / "parts")
        return {each.url.key.partition("/parts/")[2]: each.size for each in found}

    def indexes(self) -> list[str]:
        return [name for name in self.objects() if f"/{INDEX}" in name]

    def let_pass(self, days: int) -> None:
        """Let all uses and removals of parts, which the only index tells, have been some days earlier."""
        (name,) = self.indexes()
        url = self.url / "parts" / name
        content = json.loads((self.store.read(url) or b"").partition(b" ")[2])
        for part in content["parts"].values():
            part["used"] -= days * DAY
        content["removed"] = {name: since - days * DAY for name, since in content["removed"].items()}
        text = json.dumps(content)
        self.store.write(url, f"{hashlib.sha256(text.encode()).hexdigest()} {text}".encode())

    def sweep(self, age: float, room: int | None = None) -> None:
        self.store.delete(self.url / "parts" / "swept")
        sweep_store_parts(RunStore(self.url, self.store), age, room)


@pytest.fixture
def runs(lake: Lake) -> Runs:
    """Runs of three objects that are an hour old, each with a broken record."""
    for number in range(3):
        lake.put(f"raw/{number}.json", lines(*((letter, number) for letter in "ABé")) + f"broken {number}\n")
    lake.server.age(lake.bucket, HOUR)
    return Runs(lake)


def raw_reads(lake: Lake) -> list[str]:
    """The objects that were downloaded since the last time."""
    return sorted({found[1] for found in re.finditer(r"GET /[^/]+/(raw/[^?\n]+)$", "\n".join(lake.server.log()), re.M)})


def test_a_new_object_is_read_and_no_other_one(runs: Runs) -> None:
    runs.hidden = "raw/1.json"
    rows, quarantine, used = runs.read()
    assert (rows.total(), quarantine.count(b"broken"), used) == (6, 2, 0)
    assert not list((runs.folder / "parts").rglob("*"))
    runs.lake.server.log()
    assert runs.read() == (rows, quarantine, 2)
    assert raw_reads(runs.lake) == []
    runs.hidden = ""
    more, quarantine, used = runs.read()
    assert (more, used) == (rows + Counter((letter, 1) for letter in "ABé"), 2)
    assert [f"broken {number}".encode() in line for number, line in enumerate(quarantine.splitlines())] == [True] * 3
    assert raw_reads(runs.lake) == ["raw/1.json"]
    assert runs.read() == (more, quarantine, 3)
    assert len(runs.indexes()) == 1


def test_this_process_and_tasks_use_the_same_parts(runs: Runs) -> None:
    runs.hidden = "raw/1.json"
    runs.read()
    runs.hidden = ""
    runs.lake.server.log()
    rows, quarantine, used = runs.read(is_here=True)
    assert (rows.total(), quarantine.count(b"broken"), used) == (9, 3, 2)
    assert raw_reads(runs.lake) == ["raw/1.json"]
    assert runs.read() == runs.read(is_here=True) == (rows, quarantine, 3)


@pytest.mark.parametrize("place", ["store", "disk"])
def test_tasks_aggregate_the_rows_that_are_kept_if_the_statement_changes(runs: Runs, place: str) -> None:
    inventory = runs.inventory()
    area = runs.area if place == "store" else None
    project = Project(runs.lake.project.folder)

    def aggregated(statement: str) -> tuple[Counter[tuple[object, ...]], bytes, int]:
        rows = parts_of(project, PartSettings(), "s", SOURCE, COLUMNS, inventory, area)
        assert rows is not None
        run = runs.folder / f"run-{next(runs.numbers)}"
        run.mkdir(parents=True)
        parts = PartialParts(rows, rows.of(statement), Mock(), None, run / "work")
        request = replace(runs.request(run, inventory, parts), area=area)
        found = TaskReader(request, SOURCE, COLUMNS, "200MB", SqlAggregation("s", COLUMNS, statement)).read(here_twice)
        parts.save()
        parts.verify(inventory)
        return runs.rows(found, run), (run / "quarantine.jsonl").read_bytes(), parts.used

    first = "SELECT c, sum(s)::BIGINT AS s FROM s GROUP BY c"
    rows, quarantine, used = aggregated(first)
    assert (rows, used) == (Counter((letter, number) for letter in "ABé" for number in range(3)), 0)
    runs.lake.server.log()
    assert aggregated(first) == (rows, quarantine, 3)
    other = first.replace("sum(s)", "max(s + 1)")
    changed = Counter((letter, number + 1) for letter in "ABé" for number in range(3))
    assert aggregated(other) == aggregated(other) == (changed, quarantine, 3)
    assert aggregated(first) == (rows, quarantine, 3)
    assert raw_reads(runs.lake) == []


def test_an_object_that_changed_a_moment_ago_is_not_kept(runs: Runs) -> None:
    runs.lake.put("raw/1b.json", lines(("new", 7)))
    assert runs.read()[2] == 0
    assert runs.read()[2] == 3


@pytest.mark.parametrize("what", ["rows", "broken", "index", "half of rows", "half of broken", "half of index"])
def test_a_part_that_is_damaged_is_read_again_and_is_complete_again(runs: Runs, what: str) -> None:
    rows, quarantine, _ = runs.read()
    sign = {"rows": ".parquet", "broken": "broken.jsonl", "index": "json"}[what.rpartition(" ")[2]]
    name = next(name for name in runs.objects() if name.endswith(sign) and ("index" in what) == (f"/{INDEX}" in name))
    url = runs.url / "parts" / name
    content = runs.store.read(url) or b""
    runs.store.delete(url)
    if what.startswith("half"):
        runs.store.write(url, content[: len(content) // 2])
    assert runs.read() == (rows, quarantine, 0 if "index" in what else 2)
    assert runs.read() == (rows, quarantine, 3)


@pytest.mark.parametrize("sign", [".parquet", "broken.jsonl"])
def test_a_part_with_other_bytes_is_noticed(runs: Runs, sign: str) -> None:
    rows, quarantine, _ = runs.read()
    url = runs.url / "parts" / next(name for name in runs.objects() if name.endswith(sign))
    content = runs.store.read(url) or b""
    runs.store.write(url, content.replace(content[40:50], b"x" * 10))
    if sign == ".parquet":
        with pytest.raises(RunFailure, match=f"the part {url} was removed or changed") as failed:
            runs.read(is_saved=False)
        assert failed.value.code == "stage-damaged" and "delete this object" in failed.value.fix
        runs.store.delete(url)
    assert runs.read() == (rows, quarantine, 2)
    assert runs.read() == (rows, quarantine, 3)


def test_a_run_that_is_killed_before_its_end_has_kept_nothing_and_its_objects_are_removed_a_day_later(
    runs: Runs,
) -> None:
    found = runs.read(is_saved=False)
    parts = runs.parts(runs.inventory())
    runs.store.write(runs.url / parts._name / "part-left.parquet", b"left by a killed run")
    assert runs.read() == found
    runs.sweep(40 * DAY)
    assert any(name.endswith("part-left.parquet") for name in runs.objects())
    runs.lake.server.age(runs.lake.bucket, 2 * DAY)
    runs.sweep(40 * DAY)
    assert not any(name.endswith("part-left.parquet") for name in runs.objects())
    assert len(runs.objects()) == 8  # rows and broken records of three objects, an index, and the time of the sweep


def test_of_two_runs_at_once_both_keep_their_parts(runs: Runs) -> None:
    inventory = runs.inventory()
    one, other = runs.parts(inventory), runs.parts(inventory)
    expected = runs.read(one, is_saved=False)
    assert runs.read(other, is_saved=False) == expected
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(StoreParts.save, (one, other)))
    assert len(runs.indexes()) == 2
    assert runs.read() == (*expected[:2], 3)


def test_a_run_that_has_found_a_part_can_read_it_for_a_day_after_it_was_removed(runs: Runs) -> None:
    expected = runs.read()
    runs.let_pass(days=50)
    began = runs.parts(runs.inventory())
    assert began.has(runs.inventory().files[0])
    runs.sweep(40 * DAY)
    assert runs.read(began) == (*expected[:2], 3)  # and its index names the parts again
    assert runs.read() == expected  # yet they stay removed
    assert len([name for name in runs.objects() if name.endswith(".parquet")]) == 6
    runs.let_pass(days=2)
    runs.lake.server.age(runs.lake.bucket, 2 * DAY)
    runs.sweep(40 * DAY)
    assert len([name for name in runs.objects() if name.endswith(".parquet")]) == 3


def test_the_least_recently_used_parts_make_room(runs: Runs) -> None:
    expected = runs.read()
    runs.let_pass(days=3)
    inventory = runs.inventory()
    new = runs.parts(inventory)
    new.find(inventory.files[0], runs.folder / "found")
    new.save()
    size = max(part.size for part in runs.parts(inventory)._stored().parts.values())
    runs.sweep(40 * DAY, room=size)
    assert [runs.parts(inventory).has(file) for file in inventory.files] == [True, False, False]
    assert runs.read() == (*expected[:2], 1)


def test_a_store_that_refuses_parts_stops_no_run(runs: Runs) -> None:
    inventory = runs.inventory()
    parts = runs.parts(inventory)
    expected = runs.read(parts, is_saved=False)
    runs.lake.server.fail({"runs/parts": "403"})
    parts.save()
    assert "the store denies access" in parts.trouble
    unread = runs.parts(inventory)
    assert not unread.has(inventory.files[0])
    runs.lake.server.fail({})
    assert runs.read() == expected


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_to_parts_the_rows_are_those_of_all_objects(runs: Runs, seed: int) -> None:
    chance = random.Random(seed)
    inventory = runs.inventory()
    unfinished = [runs.parts(inventory)]
    expected = runs.read(unfinished[0], is_saved=False)[:2]

    def damage() -> None:
        url = runs.url / "parts" / chance.choice(sorted(runs.objects()) or ["none"])
        content = runs.store.read(url)
        runs.store.delete(url)
        if content and chance.random() < 0.5:
            runs.store.write(url, content[: len(content) // 2])

    def begin() -> None:
        unfinished.append(runs.parts(inventory))
        assert runs.read(unfinished[-1], is_saved=False)[:2] == expected

    changes = (
        damage,
        begin,
        lambda: chance.choice(unfinished).save(),
        lambda: runs.sweep(40 * DAY),
        lambda: runs.sweep(40 * DAY, room=chance.choice((0, 1500))),
    )
    for _ in range(12):
        chance.choice(changes)()
        assert runs.read(is_here=chance.random() < 0.3)[:2] == expected
    assert runs.read() == (*expected, 3)


def test_executors_read_and_aggregate_only_what_is_new(lake: Lake) -> None:
    for name in ("a1", "a2", "b"):
        lake.put(
            f"raw/{name}.json", lines(*((letter, place) for place, letter in enumerate("ABCDé" * 20))) + "broken\n"
        )
    lake.server.age(lake.bucket, HOUR)
    project = with_runs(lake).project
    settings = (project.folder / "etlrun.yaml").read_text()
    project.write("etlrun.yaml", settings.replace("profiles: {", f"profiles: {{{SPARK}, {DRIVER}, "))
    paths = {name: project.pipeline(spec.replace("BUCKET", lake.bucket), name) for name, spec in SPECS.items()}

    def published(name: str, profile: str) -> tuple[str, list[str], list[object]]:
        """The rows of a run, the raw objects that it has read, and its quarantine."""
        lake.server.log()
        done = lake.run(paths[name], "--profile", profile)
        assert done.code == 0, done.err
        reads = raw_reads(lake)
        (quarantine,) = sorted(project.folder.rglob("quarantine/s.jsonl"), key=lambda path: path.stat().st_mtime)[-1:]
        return (project.folder / "out.csv").read_text(), reads, quarantine.read_text().splitlines()

    assert published("first", "apart")[1] == ["raw/a1.json", "raw/a2.json"]
    plan = lake.run("plan", paths["totals"], "--profile", "apart").out
    assert "s: 3 json files, 2 in the cache" in plan and "the cache keeps the result of each file" in plan
    plan = lake.run("plan", paths["totals"], "--profile", "driver").out
    assert "s: 3 json files, 2 in the cache" in plan and "not aggregated file by file: only tasks" in plan
    for name, new in (("totals", ["raw/b.json"]), ("changed", []), ("rows", [])):
        found, expected = published(name, "apart"), published(name, "fast")
        assert (found[0], found[2]) == (expected[0], expected[2])
        assert found[1] == new
