"""The lock files hold a version, with hashes, for everything that setup.cfg asks for: `make lock` writes them."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parent.parent
HOW = "write the lock files anew: make lock"


def asked_for(extras: tuple[str, ...]) -> list[Requirement]:
    """What setup.cfg asks for with these extras, the project itself left out."""
    read = configparser.ConfigParser()
    read.read(PROJECT / "setup.cfg", encoding="utf-8")
    texts = [read["options"]["install_requires"], *(read["options.extras_require"][extra] for extra in extras)]
    requirements = [Requirement(line) for text in texts for line in text.split("\n") if line.strip()]
    return [requirement for requirement in requirements if requirement.name != "etlrun"]


def locked(name: str) -> dict[str, list[tuple[str, int]]]:
    """By package: its versions, each with the number of its hashes."""
    found: dict[str, list[tuple[str, int]]] = {}
    for block in re.split(r"\n(?=\S)", (PROJECT / name).read_text(encoding="utf-8")):
        pinned = re.match(r"([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==(\S+)", block)
        if pinned:
            found.setdefault(pinned[1].lower().replace("_", "-"), []).append((pinned[2], block.count("--hash=sha256:")))
    return found


@pytest.mark.parametrize(
    ("name", "extras"),
    [
        ("requirements.lock", ("java",)),
        ("requirements-dev.lock", ("java", "connect", "gemini", "openai", "postgres", "mysql", "dev")),
    ],
)
def test_a_lock_file_fits_what_setup_cfg_asks_for(name: str, extras: tuple[str, ...]) -> None:
    versions = locked(name)
    for requirement in asked_for(extras):
        found = versions.get(requirement.name.lower().replace("_", "-"), [])
        assert found, f"{requirement} is not in {name}; {HOW}"
        assert all(requirement.specifier.contains(version) for version, _ in found), (
            f"{name} has {found} of {requirement}; {HOW}"
        )
    assert [package for package, found in versions.items() if not all(hashes for _, hashes in found)] == []


def test_both_lock_files_choose_the_same_versions() -> None:
    dev = locked("requirements-dev.lock")
    assert {name: found for name, found in locked("requirements.lock").items() if dev.get(name) != found} == {}
