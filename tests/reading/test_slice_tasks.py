"""Tasks, whoever runs them and however often, give together what one process reads: rows, account, quarantine, messages."""

from __future__ import annotations

import gzip
import random
import shutil
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from unittest.mock import patch

import pytest
from texts import counted, no_database

from etlrun.contracts.source import InputFile, Inventory, ReadRequest, ReadResult
from etlrun.engines._sql_aggregation import SqlAggregation
from etlrun.failures import RunFailure
from etlrun.language.columns import Column, Columns
from etlrun.language.type_texts import parse_type
from etlrun.reading import slice_task
from etlrun.reading.json_columns import JsonColumn
from etlrun.reading.slice_job import this_reader
from etlrun.reading.source import OptionalColumn, TextSource
from etlrun.reading.task_reader import TaskReader
from etlrun.samples.broken import BROKEN
from etlrun.sources.csv import Csv
from etlrun.sources.json import Json
from etlrun.spec.project import Use
from etlrun.spec.urls import read_url
from etlrun.storage.stores import Stores
from etlrun.storages.s3 import S3
from etlrun.warehouse.opening import filled

COLUMNS = Columns((Column("id", parse_type("bigint"), nullable=False), Column("name", parse_type("string"))))
JSON = Json(path="*", columns={"id": JsonColumn("bigint not null"), "name": JsonColumn("string")})
CSV = Csv(path="*", columns={"id": OptionalColumn("bigint not null"), "name": OptionalColumn("string", optional=True)})
LINES = b"".join(b'{"id": %d, "name": "t\xe1\xba\xbf%d"}\n' % (number, number) for number in range(400))
LOG = LINES[:5000] + b"\n".join(BROKEN) + b"\n\n" + LINES[5000:] + b'{"id": "x"}'
SAMPLES: dict[str, tuple[TextSource, dict[str, bytes]]] = {
    "json": (
        JSON,
        {"a.json": LOG, "b.json.gz": gzip.compress(LOG), "c.json": b'{"id": 7}', "d.json": b"\xef\xbb\xbf" + LOG},
    ),
    "csv": (
        CSV,
        {"a.csv": b'id,name\n1,"a\nb"\nx,\n', "b.csv": b"id\n2\n3,4\n", "c.csv.gz": gzip.compress(b"name,id\n\nq,9\n")},
    ),
}


def here_twice(payload: bytes, count: int) -> list[str]:
    """The answers of tasks in this process, in any order, each tried twice; what the first attempt gave is forgotten."""
    numbers = list(range(count))
    random.Random(count).shuffle(numbers)
    answers = {
        number: (slice_task.answer(payload, number), slice_task.answer(payload, number))[1] for number in numbers
    }
    return [answers[number] for number in range(count)]


class Died(Exception):
    """The end of a process, as far as its task can tell."""


def here_at_once_after_a_death(payload: bytes, count: int) -> list[str]:
    """The answers of tasks in this process: each dies after its work, then two attempts of each are at work at the same time."""
    for number in range(count):
        with patch("etlrun.reading.slice_task._answer", side_effect=Died), pytest.raises(Died):
            slice_task.answer(payload, number)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda number: slice_task.answer(payload, number % count), range(2 * count)))
    return [answers[number + count * (number % 2)] for number in range(count)]


class Folder:
    """Files of a source, which are read in a folder of a run."""

    def __init__(self, path: Path, files: dict[str, bytes]) -> None:
        self.path = path
        for name, content in files.items():
            (path / name).write_bytes(content)
        self.names = list(files)

    def request(self, limit: int) -> ReadRequest:
        files = []
        for name in self.names:
            status = (self.path / name).stat()
            files.append(InputFile(str(self.path / name), None, status.st_size, status.st_mtime_ns))
        run = self.path / "run"
        shutil.rmtree(run, ignore_errors=True)
        return ReadRequest(
            "texts",
            Inventory(tuple(files)),
            run / "rows",
            run / "quarantine.jsonl",
            lambda *news: None,
            no_database,
            quarantine_limit=limit,
        )

    def read(self, source: TextSource, limit: int = 1 << 30) -> tuple[ReadResult, bytes, object]:
        """What this process reads."""
        request = self.request(limit)
        return self.found(request, source.read(request, COLUMNS))

    def read_in_tasks(
        self, source: TextSource, limit: int = 1 << 30, run_tasks: Callable[[bytes, int], list[str]] = here_twice
    ) -> tuple[ReadResult, bytes, object]:
        """What tasks read."""
        request = self.request(limit)
        request.folder.parent.mkdir()
        reader = TaskReader(request, replace(source, quarantine_limit=limit), COLUMNS, "200MB")
        return self.found(request, reader.read(run_tasks))

    def aggregated_in_tasks(
        self, statement: str, columns: str = "DISTINCT id, name"
    ) -> tuple[ReadResult, bytes, object]:
        """The rows, or distinct partial rows, that tasks write for an aggregation."""
        request = self.request(1 << 30)
        request.folder.parent.mkdir()
        reader = TaskReader(request, JSON, COLUMNS, "200MB", SqlAggregation("texts", COLUMNS, statement))
        return self.found(request, reader.read(here_twice), columns)

    def found(
        self, request: ReadRequest, read_result: ReadResult, columns: str = "id, name"
    ) -> tuple[ReadResult, bytes, object]:
        import duckdb

        rows: list[tuple[object, ...]] = []
        with duckdb.connect() as connection:
            for files in read_result.files:
                where = f' WHERE "{files.marker}" IS NULL' if files.marker else ""
                rows += connection.execute(f"SELECT {columns} FROM read_parquet({list(files.paths)}){where}").fetchall()
        quarantine = request.quarantine
        assert quarantine is not None
        written = quarantine.read_bytes() if quarantine.exists() else b""
        return replace(read_result, files=(), accounts=()), written, counted(rows)


@pytest.mark.parametrize("size", [5_000, 1 << 27])
@pytest.mark.parametrize("limit", [1 << 30, 1_500])
@pytest.mark.parametrize("kind", SAMPLES)
def test_tasks_give_what_one_process_reads(kind: str, limit: int, size: int, tmp_path: Path) -> None:
    source, files = SAMPLES[kind]
    folder = Folder(tmp_path, files)
    with patch("etlrun.reading.task_reader.TASK_BYTES", size):
        assert folder.read_in_tasks(source, limit) == folder.read(source, limit)


@pytest.mark.parametrize("size", [5_000, 1 << 27])
def test_partial_aggregates_of_tasks_are_those_of_all_rows_and_only_they_are_staged(size: int, tmp_path: Path) -> None:
    folder = Folder(tmp_path, SAMPLES["json"][1])
    read, quarantine, rows = folder.read(JSON)
    assert isinstance(rows, Counter) and rows.total() > len(rows)
    with patch("etlrun.reading.task_reader.TASK_BYTES", size):
        aggregated = folder.aggregated_in_tasks("SELECT DISTINCT id, name FROM texts")
    assert aggregated == (read, quarantine, Counter(list(rows)))
    staged = {path.parent.parent.name for path in (tmp_path / "run").rglob("*.parquet")}
    assert staged == {"partial"}


@pytest.mark.parametrize("size", [5_000, 1 << 27])
@pytest.mark.parametrize("statement", ["SELECT id // (id - 7) FROM texts", "SELECT *, row_number() OVER () FROM texts"])
def test_rows_are_staged_if_an_aggregate_cannot_be_computed_or_shrinks_nothing(
    statement: str, size: int, tmp_path: Path
) -> None:
    folder = Folder(tmp_path, SAMPLES["json"][1])
    sizes = patch("etlrun.reading.task_reader.TASK_BYTES", size)
    with sizes, patch("etlrun.contracts.row_aggregation.MANY", 100):
        assert folder.aggregated_in_tasks(statement, "id, name") == folder.read(JSON)


def test_attempts_that_die_or_work_at_the_same_time_read_nothing_twice(tmp_path: Path) -> None:
    folder = Folder(tmp_path, {"a.json": LOG})
    with patch("etlrun.reading.task_reader.TASK_BYTES", 9_000):
        found = folder.read_in_tasks(JSON, run_tasks=here_at_once_after_a_death)
    attempts = Counter(path.name[: len("task-000000")] for path in (tmp_path / "run/rows").glob("task-*"))
    assert len(attempts) > 1 and set(attempts.values()) == {3}
    assert found == folder.read(JSON)


@pytest.mark.parametrize(
    ("source", "files"),
    [
        (JSON, {"a.json": LOG, "b.json.gz": gzip.compress(LOG)[:-30], "c.json.gz": b"\x1f\x8bnothing"}),
        (CSV, {"a.csv.gz": gzip.compress(b"id\n1\n")[:-9], "b.csv": b"id\n1\n", "c.csv": b"no\n1\n"}),
        (CSV, {"a.csv": b"id\n1\n", "b.csv": b"id\n2\n"}),
    ],
    ids=["damaged", "header", "absent"],
)
def test_what_cannot_be_read_is_the_same_failure(source: TextSource, files: dict[str, bytes], tmp_path: Path) -> None:
    folder = Folder(tmp_path, files)
    failures = []
    for read in (folder.read, folder.read_in_tasks):
        with pytest.raises(RunFailure) as failure, patch("etlrun.reading.task_reader.TASK_BYTES", 9_000):
            read(source)
        failures.append(failure.value.diagnostic)
    assert failures[0] == failures[1]


def failure_of(folder: Folder, run_tasks: Callable[[bytes, int], list[str]]) -> RunFailure:
    with pytest.raises(RunFailure) as failure:
        folder.read_in_tasks(JSON, run_tasks=run_tasks)
    return failure.value


def test_a_machine_with_another_reader_is_refused_by_name(tmp_path: Path) -> None:
    folder = Folder(tmp_path, {"a.json": LOG})
    for change, said in (
        ({"duckdb": "1.5.5"}, "duckdb is 1.5.5 there, and "),
        ({"etlrun": "0"}, "etlrun has another version there"),
    ):
        with patch("etlrun.reading.slice_task.this_reader", return_value={**this_reader(), **change}):
            failure = failure_of(folder, here_twice)
        assert failure.code == "worker-mismatch" and said in failure.message and "etlrun pack" in failure.fix
    with patch("etlrun.reading.slice_task.this_reader", side_effect=PackageNotFoundError("duckdb")):
        assert "the package duckdb is missing there" in failure_of(folder, here_twice).message


def test_a_machine_whose_package_lacks_the_class_of_the_source_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_tasks(payload: bytes, count: int) -> list[str]:
        with monkeypatch.context() as there:
            there.delattr("etlrun.sources.json.Json")
            return here_twice(payload, count)

    failure = failure_of(Folder(tmp_path, {"a.json": LOG}), run_tasks)
    assert (
        failure.code == "worker-mismatch" and "the package of this source has another version there" in failure.message
    )


def test_a_file_or_a_folder_that_a_machine_does_not_see_is_named(tmp_path: Path) -> None:
    folder = Folder(tmp_path, {"a.json": LOG})
    (tmp_path / "elsewhere").mkdir()

    def without(path: Path) -> Callable[[bytes, int], list[str]]:
        def run_tasks(payload: bytes, count: int) -> list[str]:
            path.rename(tmp_path / "elsewhere/one")
            try:
                return here_twice(payload, count)
            finally:
                (tmp_path / "elsewhere/one").rename(path)

        return run_tasks

    for path, said in ((tmp_path / "a.json", " does not exist on "), (tmp_path / "run/rows", " cannot be written on ")):
        failure = failure_of(folder, without(path))
        assert failure.code == "not-shared" and f"{path}{said}" in failure.message


def test_what_a_task_wrote_must_be_seen_here(tmp_path: Path) -> None:
    def run_tasks(payload: bytes, count: int) -> list[str]:
        answers = here_twice(payload, count)
        for path in (tmp_path / "run/rows").glob("task-*"):
            shutil.rmtree(path)
        return answers

    failure = failure_of(Folder(tmp_path, {"a.json": LOG}), run_tasks)
    assert failure.code == "not-shared" and " was written on " in failure.message


def test_no_secret_travels_and_a_machine_without_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    payloads = []

    def run_tasks(payload: bytes, count: int) -> list[str]:
        payloads.append(payload)
        monkeypatch.delenv("LAKE_SECRET")
        return here_twice(payload, count)

    monkeypatch.setenv("LAKE_SECRET", "planted")
    use = Use("s3", S3(access_key="etl", secret_key="${LAKE_SECRET}"), ())
    request = replace(
        Folder(tmp_path, {}).request(0),
        inventory=Inventory((InputFile("s3://lake/a.json", None, 9, 1),)),
        stores=Stores({read_url("s3://lake"): use}, filled),
    )
    request.folder.parent.mkdir()
    reader = TaskReader(request, JSON, COLUMNS, "200MB")
    with pytest.raises(RunFailure) as failure:
        reader.read(run_tasks)
    assert failure.value.code == "missing-variable" and "`LAKE_SECRET` is not set" in failure.value.message
    assert "executors need it too" in failure.value.fix
    assert b"planted" not in payloads[0] and b"LAKE_SECRET" in payloads[0]
