"""What a record says depends on the record alone: any mixture of odd records gives what each gives by itself."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from texts import Found, counted, fields, read_csv_files, read_json_files

from etlrun.reading.quoting import split_record
from etlrun.reading.record_values import BrokenRecordError
from etlrun.reading.records import decoded, read_line, read_texts
from etlrun.reading.separated import Separated

TYPES = fields(
    s="string",
    b="bigint",
    i="tinyint",
    d="decimal(10,2)",
    w="decimal(38,10)",
    f="double",
    e="float",
    t="timestamp",
    z="timestamptz",
    y="date",
    o="boolean",
)
VALUES = (
    *(
        "1e2",
        "1E30",
        "1e+30",
        "1e22",
        "-0",
        "-0.0",
        "0",
        "1.50",
        "1.5e-5",
        "12345678901234567.89",
        "1E400",
        "1e-400",
        "-1",
        "01",
    ),
    *(
        "123456789012345678901234567890.1",
        "0.1000000000000000055511151231257827",
        "1.00000017881393432617187499",
        "127",
        "128",
    ),
    *(
        "99999999.99",
        "99999999.995",
        "100000000",
        "1.005",
        "18446744073709551616",
        "9223372036854775807",
        "3.4028235e38",
    ),
    *(
        "3.4028236e38",
        "NaN",
        "nan",
        "inf",
        "-Infinity",
        "true",
        "TRUE",
        "null",
        "",
        " 1",
        "1 ",
        "+1",
        ".5",
        "5.",
        "0x10",
    ),
    *("2022-04-01T24:00:00", "2022-04-01T23:59:60", "0000-01-01", "0000-01-01 00:00:00", "0001-01-01", "9999-12-31"),
    *("2022-04-01T00:00:00", "2022-04-01 20:30:00.123456", "2022-04-01 20:30:00.1234567", "2022-04-01T20:30:00Z"),
    *(
        "2022-04-01T20:30:00+07:00",
        "2022-04-01 20:30:00.5-02:30",
        "2022-04-01T20:30:00+0700",
        "2022-04-01T20:30:00 UTC",
        "2022-04-01T20:30:00+19:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59.999999-00:01",
        "2022-04-01 20:30",
        "2022-02-29",
        "2024-02-29",
        "2022-4-1",
        "20220401",
        "2022-04-01",
    ),
    *(
        "ngày",
        "nga\u0300y",
        "\u00a0",
        "\ufeff",
        "\u0661",
        "\U0001f600",
        "a\x00b",
        "{x",
        "[1]",
        "a\x1fb",
        "a\x1eb",
        "\x7f",
    ),
)
ODD_JSON = (
    *(
        b"",
        b" ",
        b"\t",
        b"null",
        b"[]",
        b"{}",
        b'"x"',
        b"1",
        b"\x00\x00",
        b'{"s":1}\x00',
        b'{"s":1}{"s":2}',
        b'{"s":1},',
        b'{"s":1,}',
    ),
    *(
        b'\xef\xbb\xbf{"s":1}',
        b'{"s":"\xff"}',
        b'{"s":"\xc0\x80"}',
        b'{"s":"\xed\xa0\xbd"}',
        b'{"x\xff":1}',
        b'{"s":"\xf4\x90\x80\x80"}',
    ),
    *(
        rb'{"s":"half \ud83d"}',
        rb'{"s":"\ud83d\ude00"}',
        rb'{"\ud83d":1}',
        rb'{"x":"\ud83d"}',
        rb'{"s":"\u0000"}',
        rb'{"\u0073":"x"}',
    ),
    *(
        b'{"s":"a\rb"}',
        b'{"s":\r"a"}',
        b'\r{"s":"a"}',
        b'{"S":1}',
        b'{"s":1,"s":2}',
        b'{"x":1,"x":2}',
        b'{"s":1,"S":2}',
    ),
    *(
        b'{"s":{}}',
        b'{"s":[]}',
        b'{"s":"{}"}',
        b'{"s":"[a"}',
        b'{"x":nan}',
        b'{"x":NaN}',
        b'{"x":-inf}',
        b'{"x":Infinity}',
        b"{'s':1}",
    ),
    *(b'{"x":' + b"[" * depth + b"]" * depth + b"}" for depth in (499, 500, 600, 5000)),
    *(
        b'{"s":"' + b"[" * 600 + b'"}',
        b'{"s":1} // x',
        b'{"s":1,"x":"a, ]"}',
        b'{"s":"\\q"}',
        b'{"s":"\t"}',
        b'{"s":tru}',
    ),
)
ODD_CSV = (
    *(
        b"",
        b" ",
        b",",
        b"a",
        b'"',
        b'""',
        b'a"b',
        b'5" pipe',
        b'"a"b',
        b'"a""b"',
        b'"""a"""',
        b'""""',
        b'"a',
        b'a"',
        b' "a"',
        b'"a" ',
    ),
    *(
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\xbd",
        b"\xef\xbb\xbf",
        b"a\rb",
        b'"a\rb"',
        b"\x00",
        b'"a,b"',
        b'"\x1f"',
        b'"\x1e"',
        b'"",""',
    ),
)


def verdicts(judge: Callable[[bytes], Any], records: list[bytes]) -> tuple[list[tuple[Any, ...]], list[str], int]:
    """The rows, the reasons of broken records and the number of blank ones, each record by itself."""
    rows, broken, blank = [], [], 0
    for record in records:
        try:
            values = judge(record)
        except BrokenRecordError as error:
            broken.append(str(error))
            continue
        if values is None:
            blank += 1
        else:
            rows.append(
                tuple(
                    _single(value) if value and item.name == "e" else value
                    for value, item in zip(values, TYPES, strict=True)
                )
            )
    return rows, broken, blank


def _single(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


def agrees(found: Found, judge: Callable[[bytes], Any], records: list[bytes]) -> None:
    rows, broken, blank = verdicts(judge, records)
    assert found.counted() == counted(rows)
    assert sorted(item["reason"] for item in found.broken) == sorted(broken)
    assert found.account == (len(rows), len(broken), blank)


def json_records() -> list[bytes]:
    found = list(ODD_JSON)
    for item in TYPES:
        for value in VALUES:
            found.append(f'{{"{item.name}":{value}}}'.encode())
            found.append(f'{{"{item.name}":"{value}"}}'.encode())
    whole = ",".join(f'"{item.name}":null' for item in TYPES)
    found += [
        record.replace(b"{", b'{"z":{' + whole.encode() + b"},", 1) for record in found if record.startswith(b'{"')
    ]
    everything = {item.name: "null" for item in TYPES}
    for item in TYPES:
        for value in VALUES:
            members = ", ".join(f'"{name}": {text}' for name, text in {**everything, item.name: value}.items())
            found.append(f"{{{members}}}".encode())
            members = ", ".join(f'"{name}": {text}' for name, text in {**everything, item.name: f'"{value}"'}.items())
            found.append(f"{{{members}}}".encode())
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("many", [0, 10**9])
def test_a_json_line_is_judged_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, many: int) -> None:
    monkeypatch.setattr("etlrun.reading.text_files.TextReader.many", many)
    monkeypatch.setattr("etlrun.reading.lines.CHUNK", 1 << random.Random(seed).randrange(10, 16))
    records = [record for record in json_records() if seed or record.isascii()]
    random.Random(seed).shuffle(records)
    found = read_json_files(tmp_path, TYPES, b"\n".join((b"{}", *records, b"{}")))
    agrees(found, lambda record: read_line(record, TYPES), [b"{}", *records, b"{}"])


def csv_judge(record: bytes) -> Any:
    text = decoded(record)
    if not text:
        return None
    values = split_record(text, ",")
    if len(values) != len(TYPES):
        kind = "fewer" if len(values) < len(TYPES) else "more"
        raise BrokenRecordError(f"{kind} values than the header has ({len(values)} instead of {len(TYPES)})")
    return read_texts([value or None for value in values], TYPES)


def csv_records() -> list[bytes]:
    found = list(ODD_CSV)
    for index in range(len(TYPES)):
        for value in (*(value.encode() for value in VALUES), *ODD_CSV):
            for spelled in (value, b'"' + value.replace(b'"', b'""') + b'"'):
                found.append(b",".join([b""] * index + [spelled] + [b""] * (len(TYPES) - index - 1)))
    return [record for record in found if not record.endswith(b"\r")]


@pytest.mark.parametrize("seed", range(3))
def test_a_record_of_separated_values_is_judged_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """With one line for each record at most, every line is one; without quotes left open, so it is at any number."""
    monkeypatch.setattr("etlrun.reading.lines.CHUNK", 1 << random.Random(seed).randrange(10, 16))
    records = csv_records() if seed else [record for record in csv_records() if record.isascii()]
    random.Random(seed).shuffle(records)
    header = ",".join(item.name for item in TYPES).encode()
    found = read_csv_files(
        tmp_path, TYPES, b"\n".join((header, *records, b"x")), how=Separated(",", has_header=True, max_lines=1)
    )
    agrees(found, csv_judge, [*records, b"x"])
