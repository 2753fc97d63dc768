"""The small project whose specs these tests break."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one sound pipeline."""
    shutil.copytree(Path(__file__).parent.parent / "errors" / "project", tmp_path, dirs_exist_ok=True)
    return tmp_path
