"""Planted secrets: whatever a run writes, prints or tells Spark, they are in none of it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from projects import Project, Result

from .loads import Place
from .test_pipelines import SPEC

PASSWORD, KEY = "canary-Pw-8f3a", "canary-Key-77c1"
PROJECT = """profile: spark
profiles:
  spark:
    engine: {spark: {master: "local[1]", memory: 1g, conf: {spark.eventLog.enabled: true, spark.eventLog.dir: "EVENTS", spark.eventLog.compress: false,
      spark.hadoop.fs.s3a.secret.key: "${MODEL_KEY}"}}}
    connections: {warehouse: {mysql: {url: "${WAREHOUSE_URL}"}}}
    models: {titles: {gemini: {model: gemini-2.5-flash, api_key: "${MODEL_KEY}"}}}
  separate:
    engine: {duckdb: {}}
    connections: {warehouse: {mysql: {url: "${BARE_URL}", password: "${WAREHOUSE_PASSWORD}"}}}
    models: {titles: {gemini: {model: gemini-2.5-flash, api_key: "${MODEL_KEY}"}}}
"""


class Vault:
    """A project whose account and model have secrets, and everything that its commands said."""

    def __init__(self, folder: Path, place: Place) -> None:
        self.project = Project(folder)
        self.place = place
        self.events = folder / "events"
        self.events.mkdir()
        self.project.write("etlrun.yaml", PROJECT.replace("EVENTS", self.events.as_uri()))
        self.spec = self.project.pipeline(SPEC)
        self.user = f"canary_{place.database}"
        place.run(
            f"CREATE USER {self.user}@'%' IDENTIFIED BY '{PASSWORD}'",
            f"GRANT SELECT, INSERT, DELETE, CREATE ON {place.database}.* TO {self.user}@'%'",
        )
        self.project.write("sales.csv", "month,shop,units\n2022-04,A,1\n2022-04,B,2\n")
        self.summary: list[str] = []

    def close(self) -> None:
        self.place.run(f"DROP USER {self.user}@'%'")

    def run(self, *arguments: str, password: str = PASSWORD, port: int = 0) -> Result:
        where = f"127.0.0.1:{port or self.place.port}/{self.place.database}"
        result = self.project.run(
            *arguments,
            WAREHOUSE_URL=f"mysql+pymysql://{self.user}:{password}@{where}",
            BARE_URL=f"mysql://{self.user}@{where}",
            WAREHOUSE_PASSWORD=password,
            MODEL_KEY=KEY,
        )
        self.summary += [result.out, result.err]
        return result

    def leaks(self) -> list[str]:
        """Where a secret stands in clear: among what was said, and in the files that are left."""
        detail = [text[:200] for text in self.summary if PASSWORD in text or KEY in text]
        files = [path for path in self.project.folder.rglob("*") if path.is_file()]
        return [
            *detail,
            *(str(path) for path in files if any(secret.encode() in content(path) for secret in (PASSWORD, KEY))),
        ]


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


@pytest.fixture
def vault(tmp_path: Path, place: Place) -> Vault:
    vault = Vault(tmp_path, place)
    yield vault  # type: ignore[misc]
    vault.close()


def test_a_run_on_spark_with_its_event_log_on(vault: Vault) -> None:
    assert vault.run(vault.spec, "--json").code == 0, vault.summary
    events = b"".join(content(path) for path in vault.events.rglob("*") if path.is_file())
    assert b"SparkListenerSQLExecutionStart" in events and b"spark.eventLog.enabled" in events
    assert vault.leaks() == []


@pytest.mark.parametrize("profile", ["spark", "separate"])
def test_the_commands_that_look(vault: Vault, profile: str) -> None:
    for words in (
        ("plan", vault.spec),
        ("plan", vault.spec, "--json"),
        ("compile", vault.spec),
        ("runs", "--json"),
        ("doctor",),
        ("doctor", "--json"),
    ):
        vault.run(*words, "--profile", profile)
    vault.run("check")
    assert len([text for text in vault.summary if "canary" in text]) == 0
    assert any("the account has the rights that it needs, and no more" in text for text in vault.summary)
    assert vault.leaks() == []


def broken(vault: Vault) -> Result:
    """A run that dies of an exception in the middle of a publish, with its traceback."""
    return vault.project.run(
        vault.spec,
        "--profile",
        "separate",
        BARE_URL=f"mysql://{vault.user}@127.0.0.1:{vault.place.port}/{vault.place.database}",
        WAREHOUSE_PASSWORD=PASSWORD,
        MODEL_KEY=KEY,
        ETLRUN_FAULT="loaded:raise",
    )


def misfit(vault: Vault) -> Result:
    vault.place.run("CREATE TABLE totals (month INT)")
    return vault.run(vault.spec, "--profile", "separate")


FAILURES = {
    "a wrong password": (
        lambda vault: vault.run(vault.spec, "--profile", "separate", "--json", password=PASSWORD + "x"),
        "rejects the user or the password",
    ),
    "nobody listens": (lambda vault: vault.run(vault.spec, "--profile", "separate", port=1), "cannot be reached"),
    "a bug of ours": (broken, "Traceback"),
    "a table that does not fit": (misfit, "table-mismatch"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_run_that_fails(vault: Vault, case: str) -> None:
    act, detail = FAILURES[case]
    result = act(vault)  # type: ignore[no-untyped-call]
    assert result.code == 1
    assert detail in result.err + result.out
    vault.summary += [result.out, result.err]
    assert vault.leaks() == []


def test_a_canary_would_be_found(vault: Vault) -> None:
    vault.project.write(".etlrun/log", json.dumps({"url": f"mysql://canary:{PASSWORD}@db/w"}))
    vault.summary.append(f"key {KEY}")
    assert len(vault.leaks()) == 2
