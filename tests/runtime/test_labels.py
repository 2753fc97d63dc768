"""Where a profile keeps its labels: a file of the project, or one of its connections, also by reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from asked import FILE, asking_project, enrich

DATABASE = "mysql+pymysql://etl:s3cr3t-pw@127.0.0.1:1/labels"


def asking(tmp_path: Path, labels: str, **variables: str) -> tuple[int, str]:
    """How a run goes whose labels are there, and what it says."""
    project = asking_project(tmp_path)
    text = (tmp_path / "etlrun.yaml").read_text()
    project.write("etlrun.yaml", text.replace("    models:\n", f"    labels: {labels}\n    models:\n", 1))
    enrich(project, "titles")
    done = project.run(FILE, **variables)
    assert "s3cr3t-pw" not in done.out + done.err and "Traceback" not in done.err
    return done.code, done.err


@pytest.mark.parametrize("labels", ["kept/labels.sqlite", "./labels", '"${LABELS}"'])
def test_a_path_is_a_file_of_the_project(tmp_path: Path, labels: str) -> None:
    assert asking(tmp_path, labels, LABELS="./given")[0] == 0
    expected = labels if "$" not in labels else "given"
    assert (tmp_path / expected).read_bytes()[:15] == b"SQLite format 3"


@pytest.mark.parametrize(
    ("labels", "given", "code", "detail"),
    [
        ("warehouse", "", 2, "connection `warehouse` cannot be used for the label store"),
        ('"${LABELS}"', "warehouse", 2, "connection `warehouse` cannot be used for the label store"),
        ('"${LABELS}"', "warehuse", 2, "`labels` names `warehuse`, and there is no such connection"),
        (
            '"${LABELS}"',
            DATABASE,
            2,
            "`labels` is a URL, but it must be the path of a file or the name of a connection",
        ),
        (r'"a/\0b"', "", 1, "cannot be opened (embedded null byte)"),
        ('"${LABELS}"', "", 2, "the environment variable `LABELS` is not set"),
    ],
)
def test_what_is_neither_a_file_nor_a_server_is_refused(
    tmp_path: Path, labels: str, given: str, code: int, detail: str
) -> None:
    found, summary = asking(tmp_path, labels, LABELS=given)
    assert (found, detail in summary) == (code, True), summary
