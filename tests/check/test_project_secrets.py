"""A secret that stands in etlrun.yaml is on no screen, whatever else is wrong in its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from commanding import etlrun

SECRET = "hunter2-planted"
URL = f"mysql+pymysql://u:{SECRET}@127.0.0.1/db"
MISTAKES = {
    "a misspelt key beside it": f"mysql: {{url: '{URL}', tsl: auto}}",
    "a misspelt key of its own": f"mysql: {{url: 'mysql+pymysql://u@h/db', passwrd: {SECRET}}}",
    "a kind that is not there": f"mysqll: {{password: {SECRET}}}",
    "the key twice": f"mysql: {{url: x, password: {SECRET}, password: {SECRET}}}",
    "a stray bracket": f"mysql: {{url: '{URL}', tls: ]}}",
    "a list": f"mysql: {{url: x, password: [{SECRET}]}}",
    "a value of the wrong form": f"mysql: {{url: x, readers: '{URL}'}}",
    "a value on a line of its own": f"mysql:\n        passwrd:\n          {SECRET}: x",
    "a token in an address": f"duckdb: {{paht: 'md:db?motherduck_token={SECRET}'}}",
}


def check(folder: Path, project: str) -> str:
    (folder / "pipelines").mkdir(exist_ok=True)
    (folder / "pipelines/p.yaml").write_text("pipeline: p\nsources:\n  a: {csv: {path: a.csv, columns: {k: string}}}\n")
    (folder / "etlrun.yaml").write_text(project)
    outcome = etlrun(folder, "check", "pipelines/p.yaml")
    return f"{outcome.code}\n{outcome.out}{outcome.err}"


@pytest.mark.parametrize("connection", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_beside_a_secret_is_told_without_its_line(connection: str, tmp_path: Path) -> None:
    told = check(tmp_path, f"profiles:\n  local:\n    engine: {{duckdb: {{}}}}\n    connections:\n      warehouse:\n        {connection}\n")
    assert told.startswith("2\netlrun.yaml:")
    assert SECRET not in told


def test_a_line_with_references_only_is_shown(tmp_path: Path) -> None:
    told = check(tmp_path, "profiles:\n  local:\n    connections: {warehouse: {mysql: {url: 'mysql://u@h/d', password: '${PASSWORD}', tsl: auto}}}\n")
    assert "password: '${PASSWORD}', tsl" not in told  # the URL has a user
    told = check(tmp_path, "profiles:\n  local:\n    connections: {warehouse: {mysql: {url: '${URL}', password: '${PASSWORD}', tsl: auto}}}\n")
    assert "password: '${PASSWORD}', tsl" in told
