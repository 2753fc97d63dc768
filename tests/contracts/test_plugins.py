"""A package that brings kinds: a run uses it once ETLRUN_PLUGINS names it, and what is wrong with it is shown as its own mistake."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from planting import look_again, readme_files

from commanding import etlrun
from etlrun.failures import RunFailure
from etlrun.spec.plugins import plugin_in
from etlrun.spec.registry import kinds

PIPELINE = "steps:\n  kept:\n    - from: given\n    - complete: [shop]\nsources:\n  given: {csv: {path: a.csv, columns: {shop: string}}}\n"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Install a package `acme-etl` with the README's step, whose entry points are the given lines."""

    def put(points: str) -> None:
        about = tmp_path / "site" / "acme_etl-1.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-etl\nVersion: 1\n", encoding="utf-8")
        (about / "entry_points.txt").write_text(points, encoding="utf-8")
        (tmp_path / "site" / "acme_etl.py").write_text(readme_files()["steps"][1], encoding="utf-8")

    monkeypatch.syspath_prepend(tmp_path / "site")
    yield put
    monkeypatch.delenv("ETLRUN_PLUGINS", raising=False)
    sys.modules.pop("acme_etl", None)
    look_again("steps")


def use(packages: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETLRUN_PLUGINS", packages)
    kinds.cache_clear()


def test_an_installed_step_is_found_once_the_variable_names_its_package(
    install: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("[etlrun.steps]\ncomplete = acme_etl:Complete\n")
    (tmp_path / "p.yaml").write_text("pipeline: p\n" + PIPELINE, encoding="utf-8")
    off = etlrun(tmp_path, "check", "p.yaml")
    assert "unknown-kind: there is no step `complete`" in off.err + off.out
    assert "= the package `acme-etl` provides it: set ETLRUN_PLUGINS=acme-etl" in off.err + off.out
    use(" Acme_ETL ", monkeypatch)
    assert kinds("steps")["complete"].__module__ == "acme_etl"


@pytest.mark.parametrize(
    ("points", "packages", "message"),
    [
        ("[etlrun.steps]\n", "acme-etl", "names the package `acme-etl`, which adds no kinds"),
        ("[etlrun.steps]\n", "nowhere", "names the package `nowhere`, which is not installed"),
        (
            "[etlrun.steps]\na = acme_etl:Absent\n",
            "acme-etl",
            "the plugin `acme-etl` cannot load `a` from `acme_etl:Absent`",
        ),
        ("[etlrun.steps]\na = absent:A\n", "acme-etl", "the plugin `acme-etl` cannot load `a` from `absent:A`"),
        ("[etlrun.steps]\na = acme_etl:column\n", "acme-etl", "gives `a` as `acme_etl:column`, which is not a class"),
        (
            "[etlrun.steps]\njoin = acme_etl:Complete\n",
            "acme-etl",
            "adds `join` to steps, but this name already exists there",
        ),
    ],
)
def test_a_plugin_that_cannot_be_used_is_named(
    install: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, points: str, packages: str, message: str
) -> None:
    install(points)
    use(packages, monkeypatch)
    with pytest.raises(RunFailure) as failure:
        kinds("steps")
    assert failure.value.code == "unusable-plugin" and message in failure.value.message


def test_an_exception_of_a_plugin_is_not_called_a_mistake_of_etlrun(install: Callable[[str], None]) -> None:
    install("[etlrun.steps]\ncomplete = acme_etl:Complete\n")
    import acme_etl  # type: ignore[import-not-found]

    with pytest.raises(AttributeError) as error:
        acme_etl.Complete(("shop",)).lower(None)
    assert plugin_in(error.value.__traceback__) == "acme-etl 1"
