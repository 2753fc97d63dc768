"""Values of tests: each is read in the type that its column declares, and a wrong one is told of at its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from shop import run_one

from etlrun.language.columns import Type
from etlrun.language.type_texts import parse_type
from etlrun.spec.values import ValueReader, value_text
from etlrun.spec.yaml_reader import parse_document

ROW = (
    "{shop: 20220401, units: 3, price: 1.50, weight: 1e3, small: .5, open: true, at: 2022-04-30 20:15:00, tags: [a, null, 012], "
    "place: {city: Huế, no: 3}, raw: 0x00ff, date: 2022-04-30}"
)


def test_a_value_of_every_type_comes_out_as_it_went_in(project: Path) -> None:
    body = f"given:\n  sales:\n    - {ROW}\nexpect:\n  sold:\n    - {ROW}\n"
    assert run_one(project, body).code == 0
    for other, wrong in (
        ("units: 3", "units: 4"),
        ("1.50", "1.51"),
        ("1e3", "1e4"),
        (".5", ".75"),
        ("true", "false"),
        ("20:15:00", "20:15:01"),
        ("012", "12"),
        ("no: 3", "no: 4"),
        ("0x00ff", "0xff00"),
        ("2022-04-30}", "2022-04-29}"),
        ("20220401", "20220402"),
    ):
        assert (
            run_one(project, body[: body.index("expect")] + body[body.index("expect") :].replace(other, wrong)).code
            == 1
        ), wrong


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        ("units", "1.0", "`1.0` is not an integer, but int is expected here"),
        ("units", "2147483648", "`2147483648` does not fit int"),
        ("units", '"3"', '`"3"` is a text, but int is expected here'),
        ("units", "true", "`true` is not an integer, but int is expected here"),
        ("units", "{a: 1}", "a value of type int is expected here, not a mapping"),
        ("price", "1.505", "`1.505` has more than 2 digits after the point, but decimal(10,2) is expected here"),
        ("price", "123456789", "`123456789` does not fit decimal(10,2)"),
        ("price", "1e2", "`1e2` is not a number, but decimal(10,2) is expected here"),
        ("weight", "heavy", "`heavy` is not a number, but double is expected here"),
        ("open", "yes", "`yes` is neither true nor false, but boolean is expected here"),
        ("at", "2022-04-31 10:00:00", "`2022-04-31 10:00:00` is not a timestamp"),
        ("at", "2022-04-30T10:00:00Z", "`2022-04-30T10:00:00Z` is not a timestamp"),
        ("date", "20220430", "`20220430` is not a date"),
        ("date", "2022-05-01", "`2022-05-01` is not one of the days of `date`"),
        ("tags", "a", "a list of string is expected here"),
        ("tags", "[[a]]", "a value of type string is expected here, not a list"),
        ("place", "{town: Hue}", "the struct has no field `town`"),
        ("place", "Hue", "a mapping of `city`, `no` is expected here"),
        ("raw", "48656c", "`48656c` is not binary"),
    ],
)
def test_a_value_of_another_type_is_told_of(project: Path, column: str, text: str, message: str) -> None:
    required = {"units": "units: 1", "date": "date: 2022-04-01"}
    cells = ", ".join([*(cell for name, cell in required.items() if name != column), f"{column}: {text}"])
    outcome = run_one(project, f"given: {{sales: [{{{cells}}}]}}\nexpect: {{sold: []}}")
    assert outcome.code == 2
    assert outcome.err.count("pipelines/shop.test.yaml:4:") == 1
    assert f": {message}\n" in outcome.err


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("string", "null", None),
        ("string", '"null"', "null"),
        ("string", "true", "true"),
        ("string", '""', ""),
        ("string", "", None),
        ("string", "0x1f", "0x1f"),
        ("string", "1_000", "1_000"),
        ("double", ".inf", float("inf")),
        ("timestamp", "2022-04-30", "2022-04-30 00:00:00"),
        ("tinyint", "-128", -128),
        ("int", "+7", 7),
        ("float", "0.1", 0.10000000149011612),
        ("decimal(5,1)", "-0.50", "-0.50"),
        ("array<int>", "[]", []),
        ("struct<a: int, b: int>", "{b: 1}", {"a": None, "b": 1}),
    ],
)
def test_yaml_is_read_in_the_words_of_the_type(kind: str, text: str, value: object) -> None:
    found = read(text, parse_type(kind))
    assert (str(found) if isinstance(value, str) else found) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        " a",
        "a ",
        "a: b",
        "a #b",
        "- a",
        "'",
        '"',
        "\\",
        "null",
        "~",
        "12",
        "1e5",
        "2022-04",
        "yes",
        "True",
        "[a]",
        "{a",
        "a,b",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a`",
        "|",
        ">",
        "?",
        "a\nb",
        "\ta",
        "\u2028",
        "\x7f",
        "\ufeff",
        "🎬",
        "the\u0302\u0309",
        "Tình yêu",
        "0x1f",
        "K-Drama",
        "<<",
    ],
)
def test_a_text_that_is_written_reads_back_as_itself(text: str) -> None:
    assert read(value_text(text), Type("string")) == text
    assert read(value_text([text, {"a": text}]), parse_type("array<string>"), only=0) == text


def read(text: str, kind: Type, only: int | None = None) -> object:
    document = parse_document(f"[{text}]" if text.startswith(("[", "{")) else f"- {text}\n", "")
    problems: list[object] = []
    value, where = document.value[0], (0,)
    if only is not None:
        value, where, kind = value[only], (0, only), Type("string")
    found = ValueReader(document, problems).read(value, where, kind)  # type: ignore[arg-type]
    assert problems == []
    return found
