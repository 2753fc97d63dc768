"""Projects to start from: the files of a template, written into a folder of their own with the schemas that editors complete from."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from etlrun.failures import RunFailure
from etlrun.samples.recipe import Recipe
from etlrun.samples.write import write_samples

TEMPLATES = ("minimal", "customer360")
SCHEMAS = "schemas"  # the folder of a project with the schemas of its files
HOME = Path(__file__).parent / "projects"
_SCHEMA_LINE = re.compile(r"(?<=\$schema=)\S*?(\w+)\.schema\.json")
_SAMPLE = Recipe(
    contracts=2_000,
    users=500,
    seed=1,
    broken=0,
    viewing_days=tuple(datetime.date(2022, 4, day) for day in range(1, 31)),
    search_days=tuple(datetime.date(2022, month, day) for month in (6, 7) for day in range(1, 15)),
)


def write_project(folder: Path, template: str, schemas: Mapping[str, str]) -> list[Path]:
    """Write the files of `template` into `folder`, and the texts of `schemas` by name; gives their paths. Raises RunFailure."""
    files = dict(_files(HOME / template))
    there = sorted(str(path) for path in files if (folder / path).exists())
    if folder.exists() and not folder.is_dir():
        raise RunFailure("usage", "not-a-folder", f"`{folder}` is a file", "name a folder")
    if there:
        message = f"`{folder}` has {', '.join(there)} already, and existing files are not replaced"
        raise RunFailure("usage", "not-empty", message, "name another folder")
    try:
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        write_schemas(folder, schemas)
    except OSError as error:
        message = f"`{folder}` cannot be written ({error.strerror})"
        raise RunFailure("usage", "not-writable", message, "name another folder") from error
    if template == "customer360":
        write_samples(folder / "data", _SAMPLE)
    return [folder / path for path in files]


def write_schemas(folder: Path, schemas: Mapping[str, str]) -> Path:
    """Write the texts of `schemas`, by name, into the project in `folder`; gives their folder. Raises OSError."""
    home = folder / SCHEMAS
    home.mkdir(parents=True, exist_ok=True)
    for name, text in schemas.items():
        (home / f"{name}.json").write_text(text, encoding="utf-8")
    return home


def _files(home: Path) -> Iterator[tuple[Path, str]]:
    """The files of a template: where each goes, and its text."""
    for parent, folders, names in os.walk(home, followlinks=True):
        folders.sort()
        for name in sorted(names):
            source = Path(parent, name)
            parts = [re.sub(r"^_(?=git)", ".", part) for part in source.relative_to(home).parts]
            text = source.read_text(encoding="utf-8")
            yield Path(*parts), _SCHEMA_LINE.sub(rf"../{SCHEMAS}/\1.json", text)
