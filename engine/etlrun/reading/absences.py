"""Columns that some files of a source lack, where the spec allows it (`optional: true`)."""

from __future__ import annotations

from collections.abc import Sequence

from etlrun.failures import RunFailure


def absence_notice(source: str, column: str, lacking: Sequence[str], total: int) -> str:
    """A line about the files that lack a column. Raises RunFailure where all of them do: its name is misspelt."""
    if len(lacking) == total:
        message = f"no file of `{source}` has a column `{column}`"
        raise RunFailure("source", "wrong-columns", message, "correct the name, or leave the column out")
    return (
        f"`{source}`: {len(lacking):,} of {total:,} files have no column `{column}`, and it is null there: {lacking[0]}"
    )
