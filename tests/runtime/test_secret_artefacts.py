"""Canaries stand in every place of a project that takes a secret; no output, no file and no function of the project's own gets one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asked import FILE, PROJECT, SECRET, asking_project, service
from commanding import etlrun
from projects import Project

CANARIES = (
    SECRET,
    "planted-mysql-5d2e",
    "planted%40pg-77c1",
    "planted@pg-77c1",
    "planted-proxy-1b9a",
    "planted-json-40ff",
)
CONNECTIONS = """\
    connections:
      warehouse: {duckdb: warehouse.duckdb}
      shop: {mysql: {url: "mysql://etl:${MYSQL_PW}@127.0.0.1:1/shop", tls: insecure}}
      marts: {postgres: {url: "${MARTS}", tls: insecure}}
"""
MODELS = """\
      other: {openai: {model: gpt-5-mini, api_key: "${JSON_KEY}", url: "${PROXY}"}}
"""
SPEC = """\
sources:
  searches: {csv: {path: data/searches.csv, columns: {user: string, keyword: string}}}
steps:
  copied:
    - from: searches
    - python: {function: "mine:shown", columns: {user: string, keyword: string}}
sinks:
  NAME: {table: {from: copied, connection: CONNECTION, write: replace}}
"""
MINE = """\
import os, sys

def shown(rows):
    print(dict(os.environ), sys.argv, open('/proc/self/environ').read())
    return rows

def raises(rows):
    raise ValueError(f"{dict(os.environ)} {open('/proc/self/environ').read()}")
"""
COMMANDS = (
    ("check", "--format", "json"),
    ("compile", FILE),
    ("plan", FILE, "--json"),
    ("run", FILE, "--json"),
    ("run", "pipelines/shop.yaml", "--json"),
    ("run", "pipelines/marts.yaml"),
    ("run", "pipelines/local.yaml"),
    ("run", "pipelines/raises.yaml", "--json"),
    ("show", FILE, "labelled"),
    ("lineage", FILE, "--format", "openlineage"),
    ("docs", "build"),
    *(("deploy", target) for target in ("airflow", "cron", "dagster", "github", "k8s")),
    ("runs", "--json"),
    ("doctor", "--json"),
    ("llm", "stats"),
)
FAILING = {
    ("run", "pipelines/shop.yaml", "--json"),
    ("run", "pipelines/marts.yaml"),
    ("run", "pipelines/raises.yaml", "--json"),
    ("doctor", "--json"),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = asking_project(tmp_path)
    text = PROJECT.replace(
        "    connections: {warehouse: {duckdb: warehouse.duckdb}}\n    models:\n",
        CONNECTIONS + "    models:\n" + MODELS,
        1,
    )
    project.write("etlrun.yaml", text)
    project.write("mine.py", MINE)
    for name, connection in {"shop": "shop", "marts": "marts", "local": "warehouse", "raises": "warehouse"}.items():
        function = "mine:raises" if name == "raises" else "mine:shown"
        text = SPEC.replace("NAME", name).replace("CONNECTION", connection).replace("mine:shown", function)
        project.pipeline(text, name)
    return project


def test_no_secret_stands_in_any_output_or_file(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with service() as served:
        address = served.url.replace("http://", "http://user:planted-proxy-1b9a@")
        surroundings = {
            "MYSQL_PW": "planted-mysql-5d2e",
            "SERVICE": served.url,
            "SERVICE_KEY": SECRET,
            "JSON_KEY": "planted-json-40ff",
            "PROXY": address,
            "MARTS": "postgres://etl:planted%40pg-77c1@127.0.0.1:1/marts",
        }
        for name, value in surroundings.items():
            monkeypatch.setenv(name, value)
        codes = {}
        written = ""
        for command in COMMANDS:
            outcome = etlrun(project.folder, *command)
            codes[command] = outcome.code
            written += f"$ {command}\n{outcome.out}{outcome.err}"
        written += "".join(capfd.readouterr())
    failing = {command for command, code in codes.items() if code}
    assert failing == FAILING, written
    found = {"output": written, **dict(files(project.folder))}
    assert [(where, canary) for where, text in found.items() for canary in CANARIES if canary in text] == []


def files(folder: Path) -> list[tuple[str, str]]:
    """All files below a folder, as text whatever they hold."""
    paths = [Path(inside) / name for inside, _, names in os.walk(folder) for name in names]
    return [(str(path), path.read_bytes().decode("latin-1")) for path in paths]
