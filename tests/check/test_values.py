"""Short forms, choices and `$name` in typed fields: what the written value becomes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from textwrap import dedent
from typing import Any, ClassVar, Literal

import pytest
from jsonschema import Draft7Validator

from etlrun.compiler.check import Checked
from etlrun.compiler.producers import check_file
from etlrun.diagnostics import SpecError
from etlrun.spec.building import Origin, build_class
from etlrun.spec.fields import Described, Expr, Label, Percent, Scalar, key, schema_of_class
from etlrun.spec.schema import find_mistakes
from etlrun.spec.yaml_reader import parse_document


@dataclass(frozen=True)
class Window(Described):
    """A class with a short form."""

    short: ClassVar[str] = "days"

    days: tuple[Scalar, ...] = key("days")
    name: str = key("a name", default="")


@dataclass(frozen=True)
class Thing(Described):
    """Every sort of field."""

    text: str = key("a text", default="")
    label: Label = key("a label", default=Label(""))
    condition: Expr = key("an expression", default=Expr(""))
    whole: int = key("an integer", default=0)
    number: float = key("a number", default=0.0)
    flag: bool = key("true or false", default=False)
    share: Percent = key("a share", default=Percent(0))
    choice: Literal["one", "two"] = key("a choice", default="one")
    either: Literal["all"] | Window = key("a choice or a window", default="all")
    many: tuple[Label, ...] = key("labels", default=())
    window: Window | None = key("a window", default=None)
    days: Literal["all"] | tuple[Scalar, ...] = key("a choice or days", default="all")
    maybe: int | None = key("an integer, or none", default=None)


VALUES: dict[str, Any] = {
    "n": 5,
    "x": Decimal("1.5"),
    "yes": True,
    "word": "two",
    "month": "2022-04",
    "share": Decimal("0.25"),
    "text": "20%",
    "digits": "7",
}


def built(text: str) -> Thing:
    document = parse_document(text, "a.yaml")
    assert find_mistakes(document, SCHEMA) == []
    return build_class(Thing, document.value, (), Origin(document, VALUES))


SCHEMA = schema_of_class(Thing)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("text: 012", None, None),
        ("text: '012'", "text", "012"),
        ("text: $month/a-${word}", "text", "2022-04/a-two"),
        ("label: 012", "label", "012"),
        ("label: NO", "label", "NO"),
        ("label: null", "label", "null"),
        ("label: 1.50", "label", "1.50"),
        ("condition: 1.0", "condition", "1.0"),
        ("condition: true", "condition", "true"),
        ("condition: a > $n", "condition", "a > $n"),
        ("whole: 3", "whole", 3),
        ("whole: $n", "whole", 5),
        ("whole: $digits", "whole", 7),
        ("number: $x", "number", 1.5),
        ("number: 2", "number", 2.0),
        ("flag: true", "flag", True),
        ("flag: $yes", "flag", True),
        ("share: 20%", "share", 0.2),
        ("share: 0.2", "share", 0.2),
        ("share: 100%", "share", 1.0),
        ("share: $share", "share", 0.25),
        ("share: $text", "share", 0.2),
        ("choice: two", "choice", "two"),
        ("choice: $word", "choice", "two"),
        ("either: all", "either", "all"),
        ("either: $word", "either", Window((Scalar("two"),))),
        ("either: {days: [1]}", "either", Window((Scalar("1"),))),
        ("many: NO", "many", ("NO",)),
        ("many: [012, $word, 2022-04]", "many", ("012", "two", "2022-04")),
        ("window: 1-14", "window", Window((Scalar("1-14"),))),
        ("window: [$month, 2022-05]", "window", Window((Scalar("2022-04"), Scalar("2022-05")))),
        ("window: {days: $month, name: a}", "window", Window((Scalar("2022-04"),), "a")),
        ("maybe: $n", "maybe", 5),
        ("{}", "maybe", None),
        ("days: all", "days", "all"),
        ("days: 2022-04-30", "days", ("2022-04-30",)),
        ("days: $month", "days", ("2022-04",)),
        ("days: [$month]", "days", ("2022-04",)),
    ],
)
def test_a_value_becomes_what_its_field_holds(text: str, field: str | None, value: object) -> None:
    if field is None:
        assert [found.message for found in find_mistakes(parse_document(text, "a.yaml"), SCHEMA)] == [
            "a text is expected here, not `12`"
        ]
        return
    found = getattr(built(text), field)
    assert found == value
    assert isinstance(value, (str, Window)) or type(found) in (type(value), Percent)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("whole: $word", "an integer is expected here, but `$word` is `two`"),
        ("whole: $x", "an integer is expected here, but `$x` is `1.5`"),
        ("number: $month", "a number is expected here, but `$month` is `2022-04`"),
        ("flag: $n", "true or false is expected here, but `$n` is `5`"),
        ("share: $n", "a share such as `20%` is expected here, but `$n` is `5`"),
        ("choice: $month", "one of `one`, `two` is expected here, but `$month` is `2022-04`"),
        ("maybe: $word", "an integer is expected here, but `$word` is `two`"),
    ],
)
def test_a_name_whose_value_does_not_fit_is_told_of(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        built(text)
    assert [found.message for found in caught.value.diagnostics] == [message]
    assert [found.column for found in caught.value.diagnostics] == [text.index("$") + 1]


@pytest.mark.parametrize(
    ("text", "message", "fix"),
    [
        ("choice: tow", "one of `one`, `two` is expected here, not `tow`", "did you mean `two`?"),
        ("share: 20", "a share such as `20%` is expected here, not `20`", "write `20%`"),
        ("share: 101%", "a share such as `20%` is expected here, not `101%`", "`share`: a share"),
        ("flag: yes", "true or false is expected here, not `yes`", "`flag`: true or false"),
        ("whole: 1.5", "an integer is expected here, not `1.5`", "`whole`: an integer"),
        ("whole: true", "an integer is expected here, not `true`", "`whole`: an integer"),
        ("many: [[a]]", "a text is expected here, not a list", ""),
        ("many: []", "this must not be empty", "add a value, or remove the key"),
        ("either: {day: [1]}", "`day` is not a key of `either`", "did you mean `days`?"),
        ("either: {days: [1], nam: x}", "`nam` is not a key of `either`", "did you mean `name`?"),
        ("window: {days: [1], nam: x}", "`nam` is not a key of `window`", "did you mean `name`?"),
        ("window: {name: x}", "`days` is missing here", "`days:` days"),
        (
            "window:",
            "a list or a text or number or a mapping `key: value` is expected here, not nothing",
            "write `{days: ...}`; it can also have name",
        ),
    ],
)
def test_a_value_of_the_wrong_form_is_told_of_once(text: str, message: str, fix: str) -> None:
    (found,) = find_mistakes(parse_document(text, "a.yaml"), SCHEMA)
    assert (found.message, found.fix) == (message, fix)


def test_the_schema_is_draft_07() -> None:
    Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    ("param", "message"),
    [
        ('"${MONTH}"', "`$MONTH` is not replaced here: a default must be a plain value"),
        ('{type: month, default: "${MONTH}"}', "`$MONTH` is not replaced here: a default must be a plain value"),
        ("{type: int, default: $k}", "`$k` is not replaced here: a default must be a plain value"),
        ("{type: int, default: '1_0'}", "`1_0` is not an int"),
        ("{type: number, default: nan}", "`nan` is not a number"),
        ("{type: timestamp, default: '2022-04-30 20:15:00+07:00'}", "`2022-04-30 20:15:00+07:00` is not a timestamp"),
    ],
)
def test_a_default_is_a_value_of_its_type(param: str, message: str, project: Path) -> None:
    with pytest.raises(SpecError) as caught:
        check(
            project,
            f"pipeline: p\nparams: {{m: {param}}}\nsources: {{a: {{csv: {{path: a.csv, columns: {{k: int}}}}}}}}\n",
        )
    assert [found.message for found in caught.value.diagnostics] == [message]


def test_params_reach_every_sort_of_key(project: Path) -> None:
    checked = check(
        project,
        """
        pipeline: typed
        params:
          previous: {type: month, default: 2022-06}
          current: {type: month, default: 2022-07}
          days: 1-14
          least: {type: int, default: 10}
          share: {type: number, default: 0.05}
          how: semi
        sources:
          views:
            csv: {path: "$data/{date:yyyyMMdd}.csv", dates: {months: [$previous, $current], days: $days}, max_bad_rows: $share, columns: {a: string}}
        steps:
          totals:
            - from: views
            - join: {with: views, on: [a], how: $how}
            - filter: date_format(date, 'yyyy-MM') = $current
            - top: {n: $top_n, order: [a, date]}
        checks:
          totals:
            - row_count: {min: $least}
        sinks:
          out: {table: {from: totals, connection: warehouse, write: replace, min_rows: $least}}
    """,
    )
    source = checked.pipeline.sources["views"].value
    assert (source.dates.months, source.dates.days, source.max_bad_rows) == (("2022-06", "2022-07"), "1-14", 0.05)
    assert [use.value.how for use in checked.pipeline.chains["totals"] if use.kind == "join"] == ["semi"]
    assert [use.value.n for use in checked.pipeline.chains["totals"] if use.kind == "top"] == [3]
    assert (checked.pipeline.checks["totals"][0].value.min, checked.pipeline.sinks["out"].value.min_rows) == (10, 10)


def test_a_value_from_outside_takes_the_place_of_the_default(project: Path) -> None:
    text = """
        pipeline: typed
        params: {least: {type: int}}
        sources: {views: {parquet: {path: $data/views, columns: {a: string}}}}
        steps: {totals: [{from: views}, {top: {n: $least, order: [a]}}]}
        sinks: {out: {table: {from: totals, connection: warehouse, write: replace}}}
    """
    unset, given = check(project, text), check(project, text, least="7", data="/somewhere")
    assert (unset.pipeline.unset, given.pipeline.unset) == (("least",), ())
    assert given.pipeline.chains["totals"][1].value.n == 7
    assert given.pipeline.sources["views"].value.path == "/somewhere/views"


def check(project: Path, text: str, **values: str) -> Checked:
    path = project / "pipelines" / "typed.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return check_file(path, settings=values)
