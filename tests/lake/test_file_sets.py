"""A folder of files that is replaced as a whole: who reads its pointer sees the old files or the new ones, whenever a process is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lake_tables import FIRST, SECOND, THIRD, at, publication

from etlrun.failures import RunFailure
from etlrun.lake.file_sets import POINTER, publish


def put(root: Path, run: str, text: str, keep: int = 2) -> None:
    publish(
        at(root),
        publication(root.parent / "stage", [], run),
        keep,
        {},
        lambda work: (work / "x").write_text(text) and None,
    )


def read(root: Path) -> str:
    """What a reader sees, who compares it with what the pointer says."""
    said = json.loads((root / POINTER).read_text())
    (file,) = said["files"]
    found = (root / said["folder"] / file["path"]).read_text()
    assert len(found) == file["bytes"]
    return found


def sets(root: Path) -> list[str]:
    return sorted(path.name[1:17] for path in root.glob("_2*"))


def test_a_set_takes_the_place_of_the_one_before_once_and_never_of_a_newer_one(tmp_path: Path) -> None:
    root = tmp_path / "out"
    put(root, SECOND, "second")
    put(root, SECOND, "again")
    assert read(root) == "second"
    with pytest.raises(RunFailure) as failure:
        put(root, FIRST, "first")
    assert failure.value.code == "newer-run" and read(root) == "second" and sets(root) == [SECOND[:16]]
    put(root, THIRD, "third", keep=1)
    assert read(root) == "third" and sets(root) == [THIRD[:16]]


def test_a_folder_of_other_files_and_a_damaged_pointer_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").write_text("mine")
    with pytest.raises(RunFailure, match="already has other files"):
        put(tmp_path / "out", FIRST, "first")
    put(tmp_path / "set", FIRST, "first")
    (tmp_path / "set" / POINTER).write_text("{")
    with pytest.raises(RunFailure, match="is damaged"):
        put(tmp_path / "set", SECOND, "second")
    assert len(sets(tmp_path / "set")) == 1


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from etlrun.lake import file_sets
from etlrun.lake.table_folder import LocalFolder
from lake_tables import SECOND
from test_file_sets import put
root, children = Path(sys.argv[2]), []
for number, (module, name) in enumerate([(LocalFolder, "add"), (LocalFolder, "write"), (Path, "replace"), (file_sets, "_remove_old")]):
    children.append(os.fork())
    if not children[-1]:
        setattr(module, name, lambda *_: os._exit(9))
        put(root / str(number), SECOND, "second")
for child in children:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
"""


def test_a_process_killed_anywhere_leaves_the_old_set_or_the_new_one(tmp_path: Path) -> None:
    roots = [tmp_path / str(number) for number in range(4)]
    for root in roots:
        put(root, FIRST, "first")
    subprocess.run([sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tmp_path)], check=True)
    assert [read(root) for root in roots] == ["first", "first", "first", "second"]
    for root in roots:
        put(root, SECOND, "second")
        assert read(root) == "second"
    for path in roots[0].glob("_2*"):
        os.utime(path, (time.time() - 8 * 24 * 3600,) * 2)
    put(roots[0], THIRD, "third")
    assert read(roots[0]) == "third" and sets(roots[0]) == [SECOND[:16], THIRD[:16]]
