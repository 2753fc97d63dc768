"""A folder of generated files: replaced as a whole, but never if somebody has edited a file.

Its file `.etlrun.json` lists the SHA-256 of every file that was written. While files are replaced it lists both their old and their new
sums, so that a build that was interrupted can be repeated.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from etlrun.failures import RunFailure

LIST = ".etlrun.json"
IGNORED = ".pbi"  # what Power BI Desktop keeps for itself


def write_generated(folder: Path, files: Mapping[str, str]) -> None:
    """Make the folder contain exactly these files. Raises RunFailure, and changes nothing, if it contains others."""
    foreign = sorted(_foreign(folder))
    if foreign:
        named = ", ".join(foreign[:3]) + (f" and {len(foreign) - 3} more" if len(foreign) > 3 else "")
        message = f"{folder} has files that were changed, or that etlrun did not write: {named}"
        raise RunFailure("usage", "not-empty", message, "keep your changes elsewhere, then build again with --force")
    replace_generated(folder, files)


def replace_generated(folder: Path, files: Mapping[str, str]) -> None:
    """Make the folder contain exactly these files, whatever it contains. Raises RunFailure."""
    new = {path: text.encode("utf-8") for path, text in files.items()}
    sums = {path: [_sum(content)] for path, content in new.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        old = _listed(folder)
        _write_list(folder, {path: sorted({*old.get(path, ()), *sums.get(path, ())}) for path in {*old, *sums}})
        for path in set(_present(folder)) - new.keys():
            (folder / path).unlink()
        for path, content in new.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        _remove_empty(folder)
        _write_list(folder, sums)
    except OSError as error:
        message = f"{folder} cannot be written ({error.strerror or error})"
        raise RunFailure("usage", "not-writable", message, "choose another folder with --output") from error


def _foreign(folder: Path) -> Iterator[str]:
    """The files of the folder that have changed since they were written."""
    listed = _listed(folder)
    for path in _present(folder):
        if _sum((folder / path).read_bytes()) not in listed.get(path, ()):
            yield path


def _present(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        if (path.is_file() or path.is_symlink()) and IGNORED not in name.parts and name.as_posix() != LIST:
            yield name.as_posix()


def _listed(folder: Path) -> dict[str, list[str]]:
    try:
        found = json.loads((folder / LIST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_list(folder: Path, sums: Mapping[str, list[str]]) -> None:
    text = json.dumps(sums, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    (folder / LIST).write_text(text, encoding="utf-8", newline="\n")


def _remove_empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
