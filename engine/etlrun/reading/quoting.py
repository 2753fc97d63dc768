"""Splits separated values into records, and records into values.

A value that starts with a quote ends with the next quote that is not doubled, before a separator or the end of the record; it may hold
separators and line ends. In any other value a quote is a plain character, and a line end is a mistake. A record continues in the next line
only if its first line has an odd number of quotes and leaves one open, and only if the whole is well formed within `max_lines` lines.
Otherwise that first line alone is a broken record, and the next line starts a new record: one stray quote costs one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from etlrun.language.arrow_values import repeated
from etlrun.reading.compression import ByteStream
from etlrun.reading.framing import Raw, Records, as_one_text, from_raws, lines_of
from etlrun.reading.lines import MAX_LINE, Block, LongLine, blocks
from etlrun.reading.record_values import BrokenRecordError

QUOTE = '"'
OPEN = "a quote is not closed"


def split_record(text: str, separator: str) -> list[str]:
    """The values of a record. Raises BrokenRecordError."""
    values: list[str] = []
    start = 0
    while True:
        if text.startswith(QUOTE, start):
            end = _closing(text, start + 1)
            if end < 0:
                raise BrokenRecordError(f"{OPEN} (value {len(values) + 1})")
            values.append(text[start + 1 : end].replace('""', '"'))
            end += 1
            if end < len(text) and not text.startswith(separator, end):
                raise BrokenRecordError(f"there is text after a closing quote (value {len(values)})")
        else:
            end = text.find(separator, start)
            end = len(text) if end < 0 else end
            values.append(text[start:end])
            if "\r" in values[-1] or "\n" in values[-1]:
                raise BrokenRecordError(f"a value without quotes contains a line end (value {len(values)})")
        if end >= len(text):
            return values
        start = end + len(separator)


def _closing(text: str, start: int) -> int:
    """The position of the quote that ends a value; -1 if there is none."""
    while True:
        end = text.find(QUOTE, start)
        if end < 0 or not text.startswith(QUOTE, end + 1):
            return end
        start = end + 2


class RecordFramer:
    """Joins the lines of a file, without its first `skip` ones, into records. The first record, which may be a header, comes first."""

    def __init__(self, separator: str, max_lines: int, skip: int = 0) -> None:
        self.separator = separator
        self.max_lines = max_lines
        self.skip = skip
        one = re.escape(separator)
        self._inside = (
            f'[^{one}\\n]"[^{one}\\r\\n"]'  # a quote that neither starts nor ends a value, or follows another one
        )
        self._odd = re.compile(self._inside.encode())
        value = f'(?:"[^"\\n]*"|[^"{one}\\n]*)'
        self._neat = rf"\A{value}(?:[{one}\n]{value})*\z"  # in most files, one pass shows that no quote is odd

    def __call__(self, stream: ByteStream) -> Iterator[Records | LongLine]:
        waiting: list[bytes] = []  # the lines, with their CR, of a record that may continue in the next block
        first = 1
        is_begun = False
        for block in blocks(stream, self.skip):
            if isinstance(block, LongLine):
                yield from_raws(self.joined(waiting, first, None))
                waiting = []
                yield block
                continue
            records = None if waiting else lines_of(block)
            if records is not None and self.is_plain(block, records):
                yield records
                is_begun = True
                continue
            lines = [*waiting, *block.data.split(b"\n")]
            first = block.line - len(waiting)
            waiting = []
            raws = self.joined(lines, first, waiting)
            if not is_begun and (header := next(raws, None)):
                yield from_raws([header])
                is_begun = True
            yield from self.sorted(raws)
            first = block.after - len(waiting)
        if waiting:
            yield from_raws(self.joined(waiting, first, None))

    def is_plain(self, block: Block, records: Records) -> bool:
        """Whether every record is one line, and no value has a quote inside."""
        if b"\r" in records.plain:
            return False
        if b'"' not in block.data:
            return True
        import pyarrow.compute as pc

        if not records.plain:
            return False
        whole = as_one_text(records.plain)
        if pc.match_substring_regex(whole, self._neat)[0].as_py():
            return True
        return not _has_odd(records) and not pc.match_substring_regex(whole, self._inside)[0].as_py()

    def sorted(self, raws: Iterable[Raw]) -> Iterator[Records]:
        """The records one by one, as two groups: plain ones and others."""
        plain: list[Raw] = []
        other: list[Raw] = []
        for raw in raws:
            is_plain = (
                raw.lines == 1 and b"\r" not in raw.data and not (b'"' in raw.data and self._odd.search(raw.data))
            )
            (plain if is_plain and not raw.data.count(b'"') & 1 else other).append(raw)
        found = from_raws(plain)
        yield found if found.undecodable else replace(found, plain=b"\n".join(raw.data for raw in plain))
        yield from_raws(other)

    def joined(self, lines: Sequence[bytes], first: int, undecided: list[bytes] | None) -> Iterator[Raw]:
        """The records of `lines`. Last lines whose record may continue in the next block go to `undecided`, unless `undecided` is None: the file ends."""
        index = 0
        while index < len(lines):
            count = 1
            if lines[index].count(b'"') & 1:
                count = self.count(lines, index, is_last=undecided is None)
            if not count:
                assert undecided is not None
                undecided.extend(lines[index:])
                return
            yield Raw(_without_end(b"\n".join(lines[index : index + count])), first + index, count)
            index += count

    def count(self, lines: Sequence[bytes], index: int, *, is_last: bool) -> int:
        """How many lines the record that starts at `index` has; 0 if that is not known yet."""
        scan = _Scan(self.separator.encode())
        scan.feed(_without_end(lines[index]))
        if not scan.is_open:
            return 1
        size = len(lines[index])
        for count in range(2, self.max_lines + 1):
            if index + count > len(lines):
                return 1 if is_last else 0
            line = lines[index + count - 1]
            size += len(line) + 1
            scan.feed(_without_end(line))
            if scan.is_broken or size > MAX_LINE:
                return 1
            if not scan.is_open:
                return count
        return 1


class _Scan:
    """Follows the quotes of a record line by line."""

    def __init__(self, separator: bytes) -> None:
        self.separator = separator
        self.is_open = False
        self.is_broken = False

    def feed(self, line: bytes) -> None:
        at = 0
        while not self.is_broken:
            if not self.is_open:
                if not line.startswith(b'"', at):
                    at = line.find(self.separator, at)
                    if at < 0:
                        return
                    at += len(self.separator)
                    continue
                self.is_open, at = True, at + 1
            end = line.find(b'"', at)
            if end < 0:
                return
            at = end + 1
            if line.startswith(b'"', at):
                at += 1
                continue
            self.is_open = False
            if at == len(line):
                return
            self.is_broken = not line.startswith(self.separator, at)
            at += len(self.separator)


def _has_odd(records: Records) -> bool:
    """Whether a record has an odd number of quotes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    one = repeated(1, pa.int64(), 1)[0]
    return bool(pc.any(pc.equal(pc.bit_wise_and(pc.count_substring(records.texts, QUOTE), one), one)).as_py())


def _without_end(line: bytes) -> bytes:
    return line.removesuffix(b"\r")
