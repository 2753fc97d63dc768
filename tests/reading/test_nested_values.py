"""Nested JSON values: the fast way and the exact one agree on every record, and a reason says which value inside does not fit."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from test_verdicts import VALUES
from texts import counted, fields, read_json_files

from etlrun.reading.record_values import BrokenRecordError
from etlrun.reading.records import read_line

NESTED = fields(
    a="array<struct<s: string, i: int, e: decimal(10,2)>>",
    o="struct<x: double, f: boolean, d: date, t: array<bigint>, `k-l`: struct<z: string>>",
)
WHOLE = {
    "s": "null",
    "i": "null",
    "e": "null",
    "x": "null",
    "f": "null",
    "d": "null",
    "t": "null",
    "z": '"z"',
}


def record(**given: str) -> bytes:
    """A record in which all declared keys are."""
    v = WHOLE | given
    items = f'[{{"s": {v["s"]}, "i": {v["i"]}, "e": {v["e"]}}}, null, {{"s": "t", "i": 1, "e": "2.50", "other": [1]}}]'
    inner = f'{{"x": {v["x"]}, "f": {v["f"]}, "d": {v["d"]}, "t": {v["t"]}, "k-l": {{"z": {v["z"]}}}}}'
    return f'{{"a": {items}, "o": {inner}}}'.encode()


ODD = (
    *(b'{"a": %s, "o": null}' % text for text in (b"[]", b"[[]]", b"[1]", b"{}", b'"x"', b"null", b"[null]", b"[{}]")),
    *(b'{"a": null, "o": %s}' % text for text in (b"[]", b"{}", b"1", b'"x"', b"[{}]", b'{"X": 1}', b'{"k-l": []}')),
    b'{"a": [{"s": "x", "s": "y", "i": 1, "e": 1}], "o": null}',
    b'{"a": [{"s": "x", "i": 1, "e": 1, "n": 1, "n": 2}], "o": null}',
    b'{"a": [{"s": "x", "I": 1, "e": 1}], "o": null}',
    b'{"a": [{"s": "x", "i": 1, "e": 1},], "o": null}',
    b'{"a": [{"s": "\\ud83d", "i": 1, "e": 1}], "o": null}',
    b'{"a": [{"\\u0073": "x", "i": 1, "\\u0065": 12345678.123456789012}], "o": null}',
    b'{"a": ' + b"[" * 600 + b"]" * 600 + b', "o": null}',
)


def nested_records() -> list[bytes]:
    """Every value at every place inside, as it is and as a text."""
    inside = [(name, text) for name in WHOLE for value in VALUES for text in (value, f'"{value}"')]
    lists = [("t", f"[1, {value}]") for value in VALUES]
    return [*(record(**{name: text}) for name, text in (*inside, *lists)), *ODD]


def test_the_fast_way_and_the_exact_one_agree(tmp_path: Path) -> None:
    records = nested_records()
    rows, reasons, blank = [], [], 0
    for line in records:
        try:
            values = read_line(line, NESTED)
        except BrokenRecordError as error:
            reasons.append(str(error))
            continue
        blank += values is None
        rows += [] if values is None else [values]
    found = read_json_files(tmp_path, NESTED, b"\n".join(records))
    assert found.account == (len(rows), len(reasons), blank)
    assert sorted(item["reason"] for item in found.broken) == sorted(reasons)
    assert _comparable(found.rows) == _comparable(rows)


def _comparable(rows: list[tuple[object, ...]]) -> object:
    return counted([tuple(_plain(value) for value in row) for row in rows])


def _plain(value: object) -> object:
    """3.5 and 3.50 are one decimal, also inside."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value.quantize(Decimal("0.01")) if isinstance(value, Decimal) else value


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": [{"i": 1}, {"i": 1.5}]}', "`a[1].i` is 1.5, but int is expected"),
        (b'{"o": {"t": [1, "2"]}}', '`o.t[1]` is "2", but bigint is expected'),
        (b'{"o": {"k-l": {"z": []}}}', "`o.k-l.z` is a list, but a text is expected"),
        (b'{"a": {"i": 1}}', "`a` is an object, but array<struct<s: string, i: int, e: decimal(10,2)>> is expected"),
        (b'{"a": [7]}', "`a[0]` is 7, but struct<s: string, i: int, e: decimal(10,2)> is expected"),
        (b'{"a": [{"I": 1}]}', "the key is spelled `I`, but `i` is declared"),
        (b'{"a": [{"i": 1, "i": 2}]}', "the key `i` occurs twice"),
    ],
)
def test_a_reason_says_which_value_inside_does_not_fit(line: bytes, reason: str) -> None:
    with pytest.raises(BrokenRecordError) as found:
        read_line(line, NESTED)
    assert str(found.value) == reason


MAPS = fields(m="map<string, bigint>", n="map<int, struct<a: string>>")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"m": {"a": 1, "a": 1}}', "the key `a` occurs twice"),
        (b'{"m": {"a": 1.5}}', '`m["a"]` is 1.5, but bigint is expected'),
        (b'{"m": [1]}', "`m` is a list, but map<string, bigint> is expected"),
        (b'{"n": {"x": null}}', "`n[key]` is x, but int is expected"),
        (b'{"n": {"1": null, "01": null}}', '`n[key]` is "01", but one spelling of each key is expected'),
        (b'{"n": {"1": {"a": {}}}}', '`n["1"].a` is an object, but a text is expected'),
    ],
)
def test_a_map_keeps_each_key_once(tmp_path: Path, line: bytes, reason: str) -> None:
    found = read_json_files(tmp_path, MAPS, line + b'\n{"m": {"B": null, "b": 2, "": 3}, "n": {"-1": {"a": "x"}}}\n{}')
    assert [item["reason"] for item in found.broken] == [reason]
    assert sorted(map(str, found.rows)) == [
        "(None, None)",
        "({'B': None, 'b': 2, '': 3}, {-1: {'a': 'x'}})",
    ]
