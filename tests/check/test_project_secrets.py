"""A secret that stands in etlrun.yaml is on no screen, whatever else is wrong in its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from commanding import etlrun

SECRET = "hunter2-planted"
URL = f"mysql+pymysql://u:{SECRET}@127.0.0.1/db"
MISTAKES = {
    "a misspelled key beside it": f"mysql: {{url: '{URL}', tsl: auto}}",
    "a misspelled key of its own": f"mysql: {{url: 'mysql+pymysql://u@h/db', passwrd: {SECRET}}}",
    "a kind that does not exist": f"mysqll: {{password: {SECRET}}}",
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
    summary = check(
        tmp_path,
        f"profiles:\n  local:\n    engine: {{duckdb: {{}}}}\n    connections:\n      warehouse:\n        {connection}\n",
    )
    assert summary.startswith("2\netlrun.yaml:")
    assert SECRET not in summary


def test_a_line_with_references_only_is_shown(tmp_path: Path) -> None:
    summary = check(
        tmp_path,
        "profiles:\n  local:\n    connections: {warehouse: {mysql: {url: 'mysql://u@h/d', password: '${PASSWORD}', tsl: auto}}}\n",
    )
    assert "password: '${PASSWORD}', tsl" not in summary  # the URL has a user
    summary = check(
        tmp_path,
        "profiles:\n  local:\n    connections: {warehouse: {mysql: {url: '${URL}', password: '${PASSWORD}', tsl: auto}}}\n",
    )
    assert "password: '${PASSWORD}', tsl" in summary


WRITTEN_OUT = {
    "an account's key": f"engine: {{spark: {{conf: {{spark.hadoop.fs.azure.account.key.x.dfs.core.windows.net: {SECRET}}}}}}}",
    "a shared access signature": f"engine: {{spark: {{conf: {{spark.hadoop.fs.azure.sas.box.x: {SECRET}}}}}}}",
    "a setting that ends in key": f"engine: {{spark: {{conf: {{spark.hadoop.fs.s3a.server-side-encryption.key: {SECRET}}}}}}}",
    "a token in an address": f"engine: {{spark: {{remote: 'sc://127.0.0.1:1/;token={SECRET}'}}}}",
    "a default": f"connections: {{warehouse: {{mysql: {{url: '${{U}}', password: '${{P:-{SECRET}}}'}}}}}}",
    "an address as a default": f"connections: {{warehouse: {{mysql: '${{U:-{URL}}}'}}}}",
    "an address without a user": f"connections: {{warehouse: {{mysql: 'mysql://:{SECRET}@h/db'}}}}",
    "a password in a query": f"connections: {{warehouse: {{mysql: 'mysql://u@h/db?password={SECRET}'}}}}",
    "a password as Java's option": f"engine: {{spark: {{conf: {{spark.driver.extraJavaOptions: '-Dstore.pass={SECRET}'}}}}}}",
    "the environment in Java's options": "engine: {spark: {conf: {spark.driver.extraJavaOptions: '-Dplain=${PLAIN}'}}}",
}


@pytest.mark.parametrize("profile", WRITTEN_OUT.values(), ids=WRITTEN_OUT.keys())
def test_a_secret_that_is_written_out_is_refused(profile: str, tmp_path: Path) -> None:
    summary = check(tmp_path, f"profiles:\n  local: {{{profile}}}\n")
    assert summary.startswith("2\netlrun.yaml:2:") and ": secret-" in summary
    assert SECRET not in summary


def test_a_variable_is_no_place_for_a_secret(tmp_path: Path) -> None:
    summary = check(tmp_path, f"vars: {{password: {SECRET}}}\n")
    assert (
        "etlrun.yaml:1:18: secret-literal: the variable `password` contains a secret in plain text" in summary
        and SECRET not in summary
    )


def test_a_default_of_a_secret_is_refused_as_a_default(tmp_path: Path) -> None:
    summary = check(
        tmp_path, f"profiles:\n  local: {{models: {{m: {{gemini: {{model: m, api_key: '${{KEY:-{SECRET}}}'}}}}}}}}\n"
    )
    assert "the default value of `api_key` is a secret in plain text" in summary
    assert "write ${KEY} and set KEY in the environment" in summary and SECRET not in summary


def test_what_only_sounds_like_a_secret_is_taken(tmp_path: Path) -> None:
    settings = {
        "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
        "spark.sql.optimizer.excludedRules.keys": "a",
        "spark.network.crypto.keyLength": "128",
        "spark.hadoop.fs.s3a.aws.credentials.provider": "org.example.Provider",
        "spark.ssl.keyStore": "/etc/keys.jks",
        "spark.security.credentials.hive.enabled": "false",
        "spark.kubernetes.authenticate.oauthTokenFile": "/run/token",
        "spark.compass": "north",
        "spark.hadoop.fs.s3a.secret.key": "${KEY}",
        "spark.hadoop.header": "Bearer ${TOKEN}",
        "spark.hadoop.my.token": "pre-${TOKEN}-post",
        "spark.hadoop.other.password": "${env:PASSWORD}",
        "spark.driver.extraJavaOptions": "-Dlog=${spark.yarn.app.container.log.dir} -Xss4m",
    }
    conf = ", ".join(f"{name}: '{value}'" for name, value in settings.items())
    connections = "{warehouse: {mysql: {url: '${URL:-mysql://u@h/db}', password: '${PASSWORD:-}'}}, other: {mysql: 'mysql://${U}:${P}@h/db'}}"
    summary = check(
        tmp_path,
        f"vars: {{key: keyword, sort_key: user}}\nprofiles:\n  local: {{engine: {{spark: {{conf: {{{conf}}}}}}}, connections: {connections}}}\n",
    )
    assert "etlrun.yaml" not in summary
