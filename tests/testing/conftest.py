"""The project whose tests these tests run."""

from __future__ import annotations

from pathlib import Path

import pytest
from shop import write_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with pipelines and no tests yet."""
    return write_project(tmp_path)
