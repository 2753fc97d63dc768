"""Row counts of a read (its account): rows + broken + blank = records, for a slice, a file or a source.

The accounts of neighbouring slices can be added, in any grouping. Line numbers in a slice count from its own start; they become line
numbers of the file once the number of line ends before the slice is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import groupby
from typing import Any

from etlrun.contracts.engine import InputFiles
from etlrun.contracts.source import FileAccount, InputFile, ReadResult
from etlrun.reading.framing import MANY_LINES, Raw
from etlrun.reading.quarantine import BrokenRecord, Place

SAMPLES = 3


@dataclass
class SliceCounts:
    """Counts the records of one slice of a file while it is read."""

    file: InputFile
    place: Place
    lacking: tuple[str, ...] = ()
    records: int = 0
    blank: int = 0
    broken: int = 0
    line_ends: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    samples: list[tuple[int, str]] = field(default_factory=list)
    many_lines: int = 0
    longest: tuple[int, int] = (0, 0)

    def add_broken(self, broken: BrokenRecord) -> None:
        self.broken += 1
        self.reasons[_general(broken.reason)] += 1
        if len(self.samples) < SAMPLES or broken.line < self.samples[-1][0]:
            self.samples = sorted([*self.samples, (broken.line, broken.reason)])[:SAMPLES]

    def add_line_ends(self, count: int) -> None:
        self.line_ends += count

    def add_long(self, records: Sequence[Raw]) -> None:
        """Count records of many lines."""
        self.many_lines += len(records)
        for raw in records:
            self.longest = max(self.longest, (raw.lines, -raw.line))

    def account(self) -> FileAccount:
        return FileAccount(
            self.file.path,
            self.records,
            self.blank,
            self.broken,
            dict(self.reasons),
            tuple(self.samples),
            self.many_lines,
            self.longest,
            self.line_ends,
            self.lacking,
        )


def merge(accounts: Iterable[FileAccount]) -> tuple[FileAccount, ...]:
    """Add the accounts of slices to one account per file. The slices of a file come in order."""
    return tuple(reduce(_followed_by, slices) for _, slices in groupby(accounts, key=lambda account: account.path))


def _followed_by(first: FileAccount, second: FileAccount) -> FileAccount:
    """The account of two neighbouring slices together."""
    before = first.line_ends
    samples = (*first.samples, *((line + before, reason) for line, reason in second.samples))
    lines, at = second.longest
    return replace(
        first,
        records=first.records + second.records,
        blank=first.blank + second.blank,
        broken=first.broken + second.broken,
        reasons=dict(Counter(first.reasons) + Counter(second.reasons)),
        samples=tuple(sorted(samples)[:SAMPLES]),
        many_lines=first.many_lines + second.many_lines,
        longest=max(first.longest, (lines, at - before if lines else 0)),
        line_ends=before + second.line_ends,
    )


def account_of(found: dict[str, Any]) -> FileAccount:
    """Read an account from JSON that `asdict` made. Raises ValueError, KeyError or TypeError if the JSON is not an account."""
    samples = tuple((line, reason) for line, reason in found["samples"])
    lines, at = found["longest"]
    return FileAccount(**{**found, "samples": samples, "longest": (lines, at), "lacking": tuple(found["lacking"])})


def read_result(
    source: str, files: tuple[InputFiles, ...], accounts: tuple[FileAccount, ...], notices: Iterable[str]
) -> ReadResult:
    """The result of reading a source: the files with its rows, and the sum of its accounts."""
    reasons: Counter[str] = sum((Counter(account.reasons) for account in accounts), Counter())
    samples = sorted((account.path, *sample) for account in accounts for sample in account.samples)
    return ReadResult(
        files,
        sum(account.rows for account in accounts),
        sum(account.broken for account in accounts),
        sum(account.blank for account in accounts),
        tuple(sorted(reasons.items(), key=lambda found: (-found[1], found[0]))),
        tuple(f"{path}:{line}: {reason}" for path, line, reason in samples[:SAMPLES]),
        (*notices, *_long_records(source, accounts)),
        {account.path: account.rows for account in accounts},
        {account.path: account.broken for account in accounts if account.broken},
        accounts,
    )


def _long_records(source: str, accounts: Sequence[FileAccount]) -> tuple[str, ...]:
    """A line about records of suspiciously many lines."""
    count = sum(account.many_lines for account in accounts)
    if not count:
        return ()
    account = max(accounts, key=lambda account: account.longest[0])
    lines, line = account.longest
    return (
        f"`{source}`: records of more than {MANY_LINES} lines: {count:,}; the longest has {lines} lines "
        f"({account.path}:{-line}); check whether a quote is missing there",
    )


def left_out(source: str, accounts: Sequence[FileAccount], written: int, limit: int) -> tuple[str, ...]:
    """A notice about broken records that did not fit into a full quarantine."""
    count = sum(account.broken for account in accounts)
    if written == count:
        return ()
    return (
        f"`{source}`: the quarantine is full ({limit:,} bytes): {count - written:,} of {count:,} broken records "
        "were counted, but not written to it; to keep more of them, increase `quarantine_limit`",
    )


def _general(reason: str) -> str:
    """A reason without the values in it, so that equal reasons can be counted."""
    words = [word for word in reason.split(", and ")[-1:] if word]
    return words[0].split(" (")[0]
