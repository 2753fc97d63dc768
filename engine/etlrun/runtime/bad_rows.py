"""Decide about the broken records of a source: a warning if they are few, a failure with the cause if they are many."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date

from etlrun.contracts.source import Inventory, ReadResult
from etlrun.diagnostics import counted
from etlrun.failures import RunFailure
from etlrun.reading.encodings import OTHER_ENCODING, shown_encoding
from etlrun.reading.explaining import explain_bytes
from etlrun.reading.inventory import shown
from etlrun.reading.source import TextSource
from etlrun.runtime.run_folder import RunFolder
from etlrun.runtime.text_reading import text_reading
from etlrun.working import Reporter

SHOWN = 12


def judge_bad_rows(
    name: str,
    source: TextSource,
    read_result: ReadResult,
    head: Callable[[str], bytes],
    folder: RunFolder,
    reporter: Reporter,
) -> None:
    """Report how many records are broken. Raises RunFailure if the source does not allow so many; `head` returns the first bytes of a file."""
    if not read_result.bad_rows:
        return
    records = (read_result.rows or 0) + read_result.bad_rows
    share = read_result.bad_rows / records
    where = f"; see {folder.shown(folder.quarantine(name))}" if folder.quarantine(name).exists() else ""
    reasons = ", ".join(f"{reason} ({count:,})" for reason, count in read_result.reasons[:3])
    found = f"`{name}`: {read_result.bad_rows:,} of {counted(records, 'record')} cannot be read: {reasons}{where}"
    if source.bad_rows != "fail" and share <= source.max_bad_rows:
        reporter.warn(found)
        return
    shown = "\n".join(read_result.samples)
    explained = _explained(source, read_result, head)
    if explained is not None:
        raise RunFailure("source", "wrong-format", f"{explained[0]}\n{found}\n{shown}", explained[1])
    correct = _correction(source, read_result)
    if source.bad_rows == "fail":
        fix = f"{correct}, or write `bad_rows: quarantine` to skip such records and keep them in a file"
        raise RunFailure("source", "bad-rows", f"{found}\n{shown}", fix)
    whole = _column_at_fault(read_result.samples) if share == 1 else None
    if whole is not None:
        column, kind, examples = whole
        way = text_reading(column, kind, examples)
        step = f': `derive: {{{way[0]}: "{way[1]}"}}`' if way else ", or correct the files"
        fix = f"declare it as text, `{column}: string`, and convert it to {kind} in a step{step}"
        cause = f"no record can be read: no value of `{column}` can be read as {kind}"
        raise RunFailure("source", "too-many-bad-rows", f"`{name}`: {cause}{where}\n{shown}", fix)
    limit = f"more than the {source.max_bad_rows * 100:g}% that `max_bad_rows` allows"
    fix = f"{correct}, or allow more: `max_bad_rows: {_rounded_up(share)}`"
    raise RunFailure("source", "too-many-bad-rows", f"{found}; this is {limit}\n{shown}", fix)


_SAMPLE = re.compile(r"`([^`]+)` is \"(.*)\", but (\S+) is expected")


def _column_at_fault(samples: Iterable[str]) -> tuple[str, str, list[str]] | None:
    """The column, its type and the values, if all samples fail because of the same column; otherwise None."""
    found = [_SAMPLE.search(sample) for sample in samples]
    places = {(match[1], match[3]) for match in found if match}
    if not found or None in found or len(places) != 1 or found[0] is None:
        return None
    ((column, kind),) = places
    return column, kind, [match[2] for match in found if match]


def _explained(source: TextSource, read_result: ReadResult, head_of: Callable[[str], bytes]) -> tuple[str, str] | None:
    """Explain the file with the most broken records, if its first bytes show a different format, and what to do."""
    path = max(read_result.bad_rows_of, key=lambda path: read_result.bad_rows_of[path])
    head = head_of(path)
    found = source.explain(head) or explain_bytes(head)
    return (f"{path}: {found[0]}", found[1]) if found else None


def _correction(source: TextSource, read_result: ReadResult) -> str:
    """What to do about broken records besides allowing them."""
    if all(reason != f"not {shown_encoding(source.encoding)}" for reason, _ in read_result.reasons):
        return "correct the files"
    return OTHER_ENCODING if source.encoding == "utf-8" else "check the `encoding` of the source, or correct the files"


def _rounded_up(share: float) -> str:
    """A share as a percentage of at most two decimals that allows it."""
    return f"{min(100.0, math.ceil(share * 10_000) / 100):.2f}".rstrip("0").rstrip(".") + "%"


def refuse_empty_days(name: str, read_result: ReadResult, inventory: Inventory) -> None:
    """Raises RunFailure for days without rows: files with only a header or blank lines count as empty."""
    days: Counter[date] = Counter()
    for file in inventory.files:
        if file.date is not None and file.date not in inventory.may_be_empty:
            days[file.date] += read_result.rows_of.get(file.path, 0) + read_result.bad_rows_of.get(file.path, 0)
    bare = sorted(day for day, records in days.items() if not records)
    if bare:
        raise RunFailure(
            "source",
            "empty-file",
            f"`{name}` has no row for {shown(bare)}",
            f"allow it: `empty: [{', '.join(map(str, bare[:SHOWN]))}]`",
        )
