"""Columns that some files of a source lack, where the spec allows it (`optional: true`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etlrun.contracts.source import FileAccount
from etlrun.failures import RunFailure


def absence_notice(source: str, column: str, lacking: Sequence[str], total: int) -> str:
    """A line about the files that lack a column. Raises RunFailure if all of them do."""
    refuse_absence(source, column, len(lacking), total)
    return f"`{source}`: {len(lacking):,} of {total:,} files have no column `{column}`; it is null for their rows: {lacking[0]}"


def absence_notices(source: str, accounts: Sequence[FileAccount]) -> Iterable[str]:
    """A line for each column that some text files lack. Raises RunFailure if all of them do."""
    lacking: dict[str, list[str]] = {}
    for account in accounts:
        for column in account.lacking:
            lacking.setdefault(column, []).append(account.path)
    return [absence_notice(source, column, paths, len(accounts)) for column, paths in lacking.items()]


def refuse_absence(source: str, column: str, lacking: int, total: int) -> None:
    """Raises RunFailure if no file has a column: then its name is probably misspelled."""
    if lacking and lacking == total:
        message = f"no file of `{source}` has a column `{column}`"
        raise RunFailure("source", "wrong-columns", message, "correct the name, or remove the column")
