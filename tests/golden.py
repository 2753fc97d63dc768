"""Golden files: text that a test compares with a file, and writes anew when asked."""

from __future__ import annotations

import os
from pathlib import Path

HOW = "if the change is meant, write the files anew: ETLRUN_GOLDEN=write pytest tests/plans tests/errors"


def compare_with_file(path: Path, text: str) -> None:
    """Fail unless `path` holds `text`; with ETLRUN_GOLDEN=write it is made to."""
    if os.environ.get("ETLRUN_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"{path.name} does not exist yet; {HOW}"
    assert path.read_text(encoding="utf-8") == text, f"{path.name} is stale; {HOW}"
