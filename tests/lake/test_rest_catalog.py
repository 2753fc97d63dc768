"""Iceberg tables of a REST catalog: published once, whatever the catalog answers, and with a token that nobody sees."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from iceberg_tables import rows_of
from lake_tables import FIRST, SECOND, THIRD, Row, publication
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, StringType
from rest_catalog import CLIENT, SECRET, TOKEN, RestCatalog, rest_catalog

from etlrun.failures import RunFailure
from etlrun.lake.commits import Write
from etlrun.lake.iceberg_catalog import CatalogSettings, CatalogTable, IcebergCatalog
from etlrun.lake.iceberg_log import publish
from projects import Project

REPLACE, APPEND = Write("replace"), Write("append")
APRIL: list[Row] = [("2022-04", 1), ("2022-04", 2)]
MAY: list[Row] = [("2022-05", 5)]
COMMIT, LOAD = "POST namespaces/gold/tables/t", "GET namespaces/gold/tables/t"
PUBLISHER = """sources:
  s: {csv: {path: a.csv, columns: {c: string, s: bigint}}}
sinks:
  out: {iceberg: {from: s, connection: lake, table: gold.t, write: replace}}
"""
READER = """sources:
  t: {iceberg: {connection: lake, table: gold.t, columns: {c: string, s: bigint}}}
sinks:
  out: {files: {from: t, path: out.csv}}
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[RestCatalog]:
    with rest_catalog(tmp_path / "served") as found:
        yield found


def at(catalog: RestCatalog, name: str = "gold.t", token: str = TOKEN) -> CatalogTable:
    return CatalogTable(IcebergCatalog("lake", CatalogSettings("default", catalog.uri, "", Path(), token)), name)


def project(folder: Path, catalog: RestCatalog, access: str) -> Project:
    found = Project(folder)
    lake = f"{{iceberg: {{uri: '{catalog.uri}', {access}}}}}"
    found.write("etlrun.yaml", f"profile: fast\nprofiles: {{fast: {{connections: {{lake: {lake}}}}}}}\n")
    found.write("a.csv", "c,s\nA,1\nB,2\n")
    found.pipeline(PUBLISHER)
    found.pipeline(READER, "reader")
    return found


def test_a_table_is_published_and_read_with_a_token_that_nobody_sees(catalog: RestCatalog, tmp_path: Path) -> None:
    given = project(tmp_path / "p", catalog, "token: '${CATALOG_TOKEN}'")
    doctor = given.run("doctor", CATALOG_TOKEN=TOKEN)
    assert f"catalog: {catalog.uri} listed 0 namespaces" in doctor.out
    done = given.run("run", CATALOG_TOKEN=TOKEN)
    assert done.code == 0, done.err
    assert (given.folder / "out.csv").read_text() == "c,s\nA,1\nB,2\n"
    written = "".join(path.read_text() for path in given.folder.rglob("*.json"))
    assert "gold/t" in written and TOKEN not in done.out + done.err + doctor.out + written
    refused = given.run("p", CATALOG_TOKEN="wrong-token")
    assert refused.code == 1 and "refuses access" in refused.err and "correct `token`" in refused.err
    assert "wrong-token" not in refused.err


def test_a_client_and_its_secret_get_a_token(catalog: RestCatalog, tmp_path: Path) -> None:
    given = project(tmp_path / "p", catalog, "credential: '${CATALOG_CREDENTIAL}'")
    done = given.run("p", CATALOG_CREDENTIAL=f"{CLIENT}:{SECRET}")
    assert done.code == 0 and SECRET not in done.err, done.err
    refused = given.run("p", CATALOG_CREDENTIAL=f"{CLIENT}:other-secret")
    assert refused.code == 1 and "refuses access: invalid_client" in refused.err and "other-secret" not in refused.err


@pytest.mark.parametrize("write", [APPEND, REPLACE])
def test_a_commit_that_the_catalog_refuses_is_tried_again_after_a_look_at_the_table(
    catalog: RestCatalog, tmp_path: Path, write: Write
) -> None:
    publish(at(catalog), publication(tmp_path, APRIL), APPEND)
    catalog.faults, catalog.requests = ["409", "409"], []
    publish(at(catalog), publication(tmp_path, MAY, SECOND), write)
    asked = [request for request in catalog.requests if request in (COMMIT, LOAD)]
    first = asked.index(COMMIT)
    assert list(dict.fromkeys(asked[first:])) == [COMMIT, LOAD] and asked[first:].count(COMMIT) == 3
    assert (COMMIT, COMMIT) not in zip(asked[first:], asked[first + 1 :], strict=False)
    assert rows_of(at(catalog)) == (MAY if write == REPLACE else [*APRIL, *MAY])


def test_a_catalog_that_refuses_every_commit_gets_no_rows(catalog: RestCatalog, tmp_path: Path) -> None:
    publish(at(catalog), publication(tmp_path, APRIL), APPEND)
    catalog.faults = ["409"] * 5
    with pytest.raises(RunFailure) as failure:
        publish(at(catalog), publication(tmp_path, MAY, SECOND), APPEND)
    assert failure.value.code == "publish-conflict" and rows_of(at(catalog)) == APRIL
    publish(at(catalog), publication(tmp_path, MAY, SECOND), APPEND)
    assert rows_of(at(catalog)) == [*APRIL, *MAY]


def test_a_commit_whose_answer_is_lost_is_found_and_not_made_again(catalog: RestCatalog, tmp_path: Path) -> None:
    for number, run in enumerate((FIRST, SECOND)):  # the first creates the table
        catalog.faults, catalog.requests = ["lost"], []
        publish(at(catalog), publication(tmp_path, [("x", number)], run), APPEND)
        assert catalog.requests.count(COMMIT) == 1
    assert rows_of(at(catalog)) == [("x", 0), ("x", 1)]


@pytest.mark.parametrize("fault", ["cut", "503"])
def test_a_commit_of_which_nothing_is_known_is_ended_by_the_next_publish(
    catalog: RestCatalog, tmp_path: Path, fault: str
) -> None:
    publish(at(catalog), publication(tmp_path, APRIL), APPEND)
    catalog.faults = [fault]
    with pytest.raises(RunFailure) as failure:
        publish(at(catalog), publication(tmp_path, MAY, SECOND), APPEND)
    assert failure.value.code == "publish-unknown" and rows_of(at(catalog)) == APRIL
    for _ in range(2):
        publish(at(catalog), publication(tmp_path, MAY, SECOND), APPEND)
    assert rows_of(at(catalog)) == [*APRIL, *MAY]


def test_rows_that_another_program_adds_meanwhile_are_kept(catalog: RestCatalog, tmp_path: Path) -> None:
    foreign = pa.table({"month": ["x"], "units": pa.array([7], pa.int64())})
    publish(at(catalog), publication(tmp_path, APRIL), APPEND)
    catalog.meanwhile = [lambda: catalog.tables.load_table("gold.t").append(foreign)]
    publish(at(catalog), publication(tmp_path, MAY, SECOND), APPEND)
    assert rows_of(at(catalog)) == [*APRIL, *MAY, ("x", 7)]
    catalog.meanwhile = [lambda: catalog.tables.load_table("gold.t").append(foreign)]
    with pytest.raises(RunFailure) as failure:
        publish(at(catalog), publication(tmp_path, MAY, THIRD), REPLACE)
    assert failure.value.code == "publish-conflict" and len(rows_of(at(catalog))) == 5


def test_runs_at_the_same_time_are_all_in_the_table_and_one_run_is_there_once(
    catalog: RestCatalog, tmp_path: Path
) -> None:
    publish(at(catalog), publication(tmp_path, MAY), APPEND)
    runs = [publication(tmp_path, [(str(number), number)], SECOND, pipeline=f"p{number}") for number in range(2)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda run: publish(at(catalog), run, APPEND), [*runs, *runs]))
    assert rows_of(at(catalog)) == [("0", 0), ("1", 1), *MAY]


def test_a_catalog_that_cannot_stage_a_new_table_says_what_to_do(catalog: RestCatalog, tmp_path: Path) -> None:
    catalog.may_stage = False
    with pytest.raises(RunFailure) as failure:
        publish(at(catalog), publication(tmp_path, MAY), REPLACE)
    assert failure.value.code == "publish-failed" and "create the empty table" in failure.value.fix
    schema = Schema(NestedField(1, "month", StringType()), NestedField(2, "units", LongType()))
    catalog.tables.create_table("gold.t", schema)
    publish(at(catalog), publication(tmp_path, MAY), REPLACE)
    assert rows_of(at(catalog)) == MAY
