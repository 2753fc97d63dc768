"""Writes sample logs: the one place where the recipe meets the file system."""

from __future__ import annotations

from pathlib import Path

from etlrun.failures import RunFailure
from etlrun.samples.recipe import MAX_CONTRACTS, Recipe, Written


def refuse_full_folder(folder: Path) -> None:
    """Raises RunFailure where `folder` holds something already, or is no folder."""
    if folder.exists() and not folder.is_dir():
        raise RunFailure("usage", "not-a-folder", f"`{folder}` is a file", "name a folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise RunFailure(
            "usage", "not-empty", f"`{folder}` is not empty", "name another folder, or write into it with --force"
        )


def write_samples(folder: Path, recipe: Recipe) -> tuple[Written, ...]:
    """Write `log_content/` and `log_search/` into `folder`; a log without contracts, users or days is left out.

    Files of the same name are replaced, others stay. Raises RunFailure where the folder cannot be written.
    """
    import duckdb

    from etlrun.samples.searching import write_searching
    from etlrun.samples.viewing import write_viewing

    if recipe.contracts > MAX_CONTRACTS:
        raise RunFailure("usage", "wrong-value", f"there are at most {MAX_CONTRACTS:,} contract numbers")
    written = []
    try:
        with duckdb.connect() as connection:
            if recipe.contracts and recipe.viewing_days:
                written.append(write_viewing(connection, folder / "log_content", recipe))
            if recipe.users and recipe.search_days:
                written.append(write_searching(connection, folder / "log_search", recipe))
    except (duckdb.IOException, OSError) as error:
        raise RunFailure(
            "sink", "not-writable", f"cannot write sample data to `{folder}`: {_first_line(error)}"
        ) from error
    return tuple(written)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
