"""`parse`: whole texts that are lists, rows that are dropped, and what a run says where a text must be readable."""

from __future__ import annotations

import pyarrow as pa
import pytest

from cases import Case
from etlrun.contracts.step import ReadTexts
from etlrun.failures import RunFailure
from etlrun.language.columns import STRING, Column, Columns
from etlrun.language.type_texts import parse_type
from etlrun.reading.json_paths import PathError, read_path
from etlrun.reading.records import Field, read_value
from etlrun.runtime.json_texts import TextColumns


def test_a_list_is_read_by_positions_and_broken_rows_are_dropped(case: Case) -> None:
    case.gives(
        """
        steps:
          out:
            - from: a
            - parse:
                column: t
                as:
                  first: {path: "$[0].k", type: int}
                  all: {path: $, type: "array<struct<k: int>>"}
                  text: {path: "$[1]", raw: true, type: string}
                bad_rows: drop
            - drop: t
            - filter: n < 9
        """,
        r"""
        a: {n: int, t: string}
        | n | t                                    |
        | 1 | "[{\"k\": 1}, {\"k\": 2, \"z\": 1.50}]" |
        | 2 | "[]"                                 |
        | 3 | "{}"                                 |
        | 4 | ""                                   |
        | 5 | " null "                             |
        | 6 | "[{\"k\": 9007199254740993}]"          |
        ->
        | n | first | all              | text              |
        | 1 | 1     | [{k: 1}, {k: 2}] | "{\"k\":2,\"z\":1.50}" |
        | 2 | null  | []               | null              |
        | 5 | null  | null             | null              |
        """,
    )


def given(bad_rows: str) -> TextColumns:
    fields = (Field("k", ("k",), parse_type("bigint"), True),)
    columns = Columns((Column("t", STRING), Column("k", fields[0].type)))
    return TextColumns(ReadTexts("t", ("k",), columns, lambda text: read_value(text, fields), bad_rows))  # type: ignore[arg-type]


TEXTS = pa.table({"t": ['{"k": 1}', '{"k": "0912345678"}', None]})


def test_a_text_that_must_be_readable_stops_the_run_and_is_shown_without_telephone_numbers() -> None:
    with pytest.raises(RunFailure) as failure:
        given("fail").table(TEXTS)
    assert failure.value.message == (
        '2 of 3 texts in `t` cannot be read, the first: `k` is "***", but bigint is expected in {"k": "***"}'
    )


def test_a_row_that_is_dropped_is_counted() -> None:
    texts = given("drop")
    assert texts.table(TEXTS).to_pydict() == {"t": ['{"k": 1}'], "k": [1]}
    assert (texts.rows, texts.broken) == (3, 2)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", ("a",)),
        ("a.b-c.@d", ("a", "b-c", "@d")),
        ("$", ()),
        ("$.a[0]", ("a", 0)),
        ("$[2][0].x", (2, 0, "x")),
        ("['a.b'].c", ("a.b", "c")),
        ("a['b c']", ("a", "b c")),
    ],
)
def test_paths(text: str, path: tuple[object, ...]) -> None:
    assert read_path(text) == path


@pytest.mark.parametrize("text", ["a..b", ".a", "a.", "a[-1]", "a[x]", "a[", "$a", "a[0]b", "a[*]", "['']", "a]"])
def test_what_is_no_path(text: str) -> None:
    with pytest.raises(PathError):
        read_path(text)
