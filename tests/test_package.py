"""The wheel that `pip install etlrun` takes: built from the source distribution, and used where nothing but its core is installed."""

from __future__ import annotations

import email
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "engine/etlrun"
BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"
PARTS = ("engine", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
PROJECT = ("pipelines", "mappings", "prompts", "dashboards")  # the template customer360 is made of these
PROFILE = """profiles:
  dev: {connections: {warehouse: %s}}
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `etlrun` of an environment that holds the wheel and what it requires, extras aside."""
    folder = tmp_path_factory.mktemp("package")
    source = folder / "checkout"
    for part in (*PARTS, *PROJECT):
        if (ROOT / part).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / part, source / part, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / part, source / part)
    archive = _build("build_sdist", source, folder)
    with tarfile.open(archive) as opened:
        opened.extractall(folder / "sdist", filter="data")
    wheel = _build("build_wheel", next((folder / "sdist").iterdir()), folder)
    venv.create(folder / "venv", symlinks=True)
    home = next((folder / "venv/lib").glob("python*/site-packages"))
    with zipfile.ZipFile(wheel) as opened:
        (metadata,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        requirements = email.message_from_bytes(opened.read(metadata)).get_all("Requires-Dist")
    for distribution in _closure(requirements or []):
        _link(distribution, home)
    command = [sys.executable, "-m", "pip", "--python", str(folder / "venv"), "install", "-q", "--no-deps", str(wheel)]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    return folder / "venv/bin/etlrun"


def _build(hook: str, source: Path, folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD, hook, str(folder)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.splitlines()[-1]


def _closure(requirements: list[str]) -> Iterator[importlib.metadata.Distribution]:
    """What fulfils requirements, and what that requires, without extras."""
    seen: set[str] = set()
    left = list(requirements)
    while left:
        text = left.pop()
        found = re.match(r"[\w.-]+", text)
        assert found is not None
        if "extra ==" in text or found[0] in seen:
            continue
        seen.add(found[0])
        try:
            distribution = importlib.metadata.distribution(found[0])
        except importlib.metadata.PackageNotFoundError:  # of another Python or system
            continue
        left += distribution.requires or []
        yield distribution


def _link(distribution: importlib.metadata.Distribution, home: Path) -> None:
    for top in {file.parts[0] for file in distribution.files or () if file.parts[0] != ".."}:
        if not (home / top).exists():
            (home / top).symlink_to(Path(str(distribution.locate_file(top))))


def _run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.defpath, "HOME": str(folder)}  # as cron gives it
    return subprocess.run(
        [installed, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )


def test_the_wheel_has_every_file_of_the_package(installed: Path) -> None:
    package = next(installed.parent.parent.glob("lib/python*/site-packages/etlrun"))
    expected = {path.relative_to(PACKAGE) for path in _files(PACKAGE)}
    assert expected - {path.relative_to(package) for path in _files(package)} == set()


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder, followlinks=True):
        if "__pycache__" not in parent:
            yield from (Path(parent, name) for name in names)


def test_a_new_project_runs_at_once_where_only_the_core_is_installed(installed: Path, tmp_path: Path) -> None:
    assert _run(installed, tmp_path, "init", "demo").returncode == 0
    for command in (("run",), ("test",)):
        done = _run(installed, tmp_path / "demo", *command)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("connection", "options", "extra"),
    [
        ("{duckdb: w.duckdb}", ["--engine", "spark"], "spark"),
        ("{mysql: {url: 'mysql+pymysql://nobody@127.0.0.1:1/x'}}", [], "mysql"),
        ("{postgres: {url: 'postgresql+psycopg://nobody@127.0.0.1:1/x'}}", [], "postgres"),
    ],
)
def test_a_missing_extra_is_one_line_that_names_it(
    installed: Path, tmp_path: Path, connection: str, options: list[str], extra: str
) -> None:
    _run(installed, tmp_path, "init", ".")
    (tmp_path / "etlrun.yaml").write_text(PROFILE % connection)
    done = _run(installed, tmp_path, "run", "pipelines/orders.yaml", "-q", *options)
    assert done.returncode == 2
    assert "missing-package" in done.stderr and f"= pip install 'etlrun[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_page_can_be_built_but_not_watched_with_the_core_alone(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "dashboards").mkdir()
    (tmp_path / "dashboards" / "sales.yaml").write_text("dashboard: sales\n")
    done = _run(installed, tmp_path, "dashboard", "watch")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "missing-package: `etlrun dashboard watch` needs the package starlette, which is not installed",
        "    = pip install 'etlrun[watch]'",
    ]


def test_doctor_names_the_extra_of_a_catalog_that_is_there(installed: Path, tmp_path: Path) -> None:
    _run(installed, tmp_path, "init", ".")
    (tmp_path / "etlrun.yaml").write_text(PROFILE % "{iceberg: {uri: 'sqlite:///catalog.db', warehouse: lake}}")
    (tmp_path / "catalog.db").touch()
    done = _run(installed, tmp_path, "doctor")
    assert "needs the package pyiceberg" in done.stdout and "= pip install 'etlrun[iceberg]'" in done.stdout
    assert "Traceback" not in done.stderr
