"""The archive for executors: etlrun, what it requires, their metadata, and no interpreter."""

from __future__ import annotations

import tarfile
from importlib.metadata import distribution
from pathlib import Path
from unittest.mock import patch

import pytest

from etlrun.deploy.packing import _closure, _files, pack
from etlrun.engines._spark.shipping import with_packages
from etlrun.failures import RunFailure
from projects import Project


def test_etlrun_and_what_it_requires_are_packed() -> None:
    names = {found.name for found in _closure(["etlrun"])}
    assert {"etlrun", "duckdb", "pyarrow", "sqlglot", "PyYAML"} <= names
    assert not {"pytest", "pyspark"} & names
    files = [name for _, name in _files(distribution("etlrun"))]
    assert "etlrun/reading/slice_task.py" in files
    assert any(name.endswith(".dist-info/METADATA") for name in files)
    assert not [name for name in files if name.endswith((".pyc", ".pth", "direct_url.json")) or ".." in name]


def test_an_archive_holds_packages_with_their_metadata(tmp_path: Path) -> None:
    target = tmp_path / "one.tar.gz"
    with patch("etlrun.deploy.packing.ROOTS", ("PyYAML",)):
        assert pack(target, ["click"]) == [f"{name} {distribution(name).version}" for name in ("click", "PyYAML")]
    with tarfile.open(target) as archive:
        names = set(archive.getnames())
    assert {"yaml/__init__.py", "click/core.py"} <= names
    assert sum(name.endswith(".dist-info/METADATA") for name in names) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["one.tar.gz"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["out.zip"], "out.zip does not end in .tar.gz"),
        (["no/out.tar.gz"], "there is no folder "),
        (["out.tar.gz", "--with", "not-here"], "the package not-here is not installed"),
    ],
    ids=["ending", "folder", "package"],
)
def test_what_cannot_be_packed_is_one_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    result = Project(tmp_path).run("pack", *arguments)
    assert result.code == 2
    assert said in result.err and "Traceback" not in result.err


def test_executors_unpack_the_archive_and_look_there_first(tmp_path: Path) -> None:
    archive = tmp_path / "etlrun.tar.gz"
    archive.write_bytes(b"")
    found = with_packages(str(archive), {"spark.archives": "/a.zip", "spark.executorEnv.PYTHONPATH": "/b"})
    assert found["spark.archives"] == f"/a.zip,{archive}#etlrun_packages"
    assert found["spark.executorEnv.PYTHONPATH"] == "./etlrun_packages:/b"
    with pytest.raises(RunFailure, match="does not exist: etlrun.tar.gz"):
        with_packages("etlrun.tar.gz", {})
