"""What one record says: every input that real logs hold, and what becomes of it."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest

from etlrun.language.type_texts import parse_type
from etlrun.reading.record_values import BrokenRecordError
from etlrun.reading.records import Field, read_line, read_texts


def fields(**types: str) -> tuple[Field, ...]:
    return tuple(
        Field(name, (name,), parse_type(text.removesuffix(" not null")), text.endswith("not null"))
        for name, text in types.items()
    )


VIEW = (
    Field("contract", ("_source", "contract"), parse_type("string"), False),
    Field("seconds", ("_source", "seconds"), parse_type("bigint"), True),
)


def test_declared_values_are_found_by_their_path() -> None:
    assert read_line(b'{"_id": 1, "_source": {"seconds": 5, "contract": "A", "mac": "x"}}', VIEW) == ("A", 5)


@pytest.mark.parametrize("line", [b"", b"   ", b"\t\r"])
def test_a_blank_line_is_no_record(line: bytes) -> None:
    assert read_line(line, VIEW) is None


def test_an_absent_key_is_null() -> None:
    assert read_line(b'{"_source": {"seconds": 5}}', VIEW) == (None, 5)


def test_an_absent_object_makes_its_values_null() -> None:
    assert read_line(b'{"a": null}', fields(a="string", b="int")) == (None, None)


@pytest.mark.parametrize(
    ("spelled", "text"), [(b"579912", "579912"), (b"1.50", "1.50"), (b"1e3", "1e3"), (b"true", "true"), (b'"x"', "x")]
)
def test_a_text_column_takes_a_number_as_it_is_spelled(spelled: bytes, text: str) -> None:
    assert read_line(b'{"a": ' + spelled + b"}", fields(a="string")) == (text,)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"_source": {"contract": "A", "seconds": "12"}}', '`seconds` is "12", but bigint is expected'),
        (b'{"_source": {"contract": "A", "seconds": 1.5}}', "`seconds` is 1.5, but bigint is expected"),
        (b'{"_source": {"contract": "A", "seconds": true}}', "`seconds` is true, but bigint is expected"),
        (b'{"_source": {"contract": "A", "seconds": 1e3}}', "`seconds` is 1e3, but bigint is expected"),
        (b'{"_source": {"contract": "A", "seconds": [1]}}', "`seconds` is a list, but bigint is expected"),
        (b'{"_source": {"contract": "A", "seconds": NaN}}', "`seconds` is NaN, but bigint is expected"),
        (
            b'{"_source": {"contract": "A", "seconds": 9223372036854775808}}',
            "`seconds` is 9223372036854775808, but bigint is expected",
        ),
        (b'{"_source": {"contract": "A", "seconds": null}}', "`seconds` has no value"),
        (b'{"_source": {"contract": "A"}}', "`seconds` has no value"),
        (b'{"_source": {"contract": {}, "seconds": 1}}', "`contract` is an object, but a text is expected"),
        (b'{"_source": {"contract": "\\ud800", "seconds": 1}}', "a text without half characters is expected"),
        (b'{"_source": "A"}', "`_source` is a text, but an object is expected"),
        (b'{"_source": {"seconds": 1, "seconds": 2}}', "the key `seconds` occurs twice"),
        (b'{"_source": {"Seconds": 1}}', "the key is spelled `Seconds`, but `seconds` is declared"),
        (b'{"_source": {"seconds": 1}}{"_source": {"seconds": 2}}', "there is more text after the object (column 28)"),
        (b'{"_source": {"seconds": 1}} x', "there is more text after the object (column 29)"),
        (b'{"_source": {"seconds": 1', "not JSON (column 26)"),
        (b'{"_source": {"seconds": 1,}}', "not JSON (column 27)"),
        (b"{'_source': 1}", "not JSON (column 2)"),
        (b"[]", "a list instead of an object"),
        (b'[{"_source": {"seconds": 1}}]', "a list instead of an object"),
        (b"null", "null instead of an object"),
        (b'"text"', "a text instead of an object"),
        (b"\x00\x00\x00", "not JSON (column 1)"),
        (b'{"_source": {"contract": "\xff", "seconds": 1}}', "not UTF-8 (byte 27)"),
        (b'{"a":' * 100_000, "it nests more than 500 deep"),
    ],
)
def test_a_broken_record_says_why(line: bytes, reason: str) -> None:
    with pytest.raises(BrokenRecordError) as caught:
        read_line(line, VIEW)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "spelled", "value"),
    [
        ("tinyint", b"-128", -128),
        ("double", b"1e3", 1000.0),
        ("double", b"5", 5.0),
        ("boolean", b"false", False),
        ("decimal(5,2)", b"123.45", Decimal("123.45")),
        ("decimal(5,2)", b'"1.500"', Decimal("1.500")),
        ("date", b'"2022-04-30"', datetime.date(2022, 4, 30)),
        ("timestamp", b'"2022-07-01 20:25:09.79"', datetime.datetime(2022, 7, 1, 20, 25, 9, 790000)),
        ("timestamp", b'"2022-07-01T20:25:09"', datetime.datetime(2022, 7, 1, 20, 25, 9)),
        ("array<string>", b'["a", null, 1.50]', ["a", None, "1.50"]),
        ("array<bigint>", b"[]", []),
    ],
)
def test_every_type_is_read(kind: str, spelled: bytes, value: object) -> None:
    assert read_line(b'{"a": ' + spelled + b"}", fields(a=kind)) == (value,)


@pytest.mark.parametrize(
    ("kind", "spelled"),
    [
        ("tinyint", b"128"),
        ("double", b"1e400"),
        ("double", b'"1"'),
        ("float", b"1e39"),
        ("boolean", b'"true"'),
        ("boolean", b"1"),
        ("decimal(5,2)", b"1234.5"),
        ("decimal(5,2)", b"1.234"),
        ("date", b"20220430"),
        ("date", b'"2022-02-30"'),
        ("date", b'"2022-4-3"'),
        ("timestamp", b'"2022-07-01"'),
        ("timestamp", b'"2022-07-01 20:25:09Z"'),
        ("array<bigint>", b"[1, 2.5]"),
        ("array<string>", b'"a"'),
    ],
)
def test_a_value_of_another_kind_is_broken(kind: str, spelled: bytes) -> None:
    with pytest.raises(BrokenRecordError, match=r"`a(\[1\])?` is .*, but .* is expected"):
        read_line(b'{"a": ' + spelled + b"}", fields(a=kind))


def test_texts_are_read_by_the_type_of_their_column() -> None:
    row = read_texts(
        ["x", "12", "1.5", "TRUE", "2022-04-30", None],
        fields(a="string", b="int", c="double", d="boolean", e="date", f="int"),
    )
    assert row == ("x", 12, 1.5, True, datetime.date(2022, 4, 30), None)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("int", " 12"),
        ("int", "1.0"),
        ("int", "2147483648"),
        ("boolean", "yes"),
        ("double", "nan"),
        ("date", "30/04/2022"),
    ],
)
def test_a_text_that_does_not_fit_is_broken(kind: str, text: str) -> None:
    with pytest.raises(BrokenRecordError, match="is expected"):
        read_texts([text], fields(a=kind))
