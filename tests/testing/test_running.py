"""`etlrun test` at work: what counts as equal, what is computed, and what is never touched."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from shop import run_one, write_test

from commanding import etlrun
from etlrun.compiler.cases import check_cases
from etlrun.engines._duckdb import DuckdbSession
from etlrun.engines._spark.session import SparkSessionAtWork
from etlrun.runtime.functions import FunctionProcess
from etlrun.runtime.testing import run_case
from etlrun.spec import cases

PRODUCT = Path(__file__).parent.parent.parent
SHIPPED = sorted(
    path for folder in ("pipelines", "examples/weekly/pipelines") for path in (PRODUCT / folder).glob("*.test.yaml")
)


def sales(*rows: str) -> str:
    return "given:\n  sales:\n" + "".join(f"    - {{date: 2022-04-01, {row}}}\n" for row in rows)


def failure(project: Path, body: str, pipeline: str = "shop") -> str:
    """What is said of the test `it`, which fails."""
    outcome = run_one(project, body, pipeline)
    assert outcome.code == 1, outcome
    first, _, rest = outcome.out.partition("\n")
    assert first.startswith(f"FAILED  {pipeline}: it (")
    return rest


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_tests_that_come_with_the_product_pass_on_both_engines(path: Path, spark: Any, duck: Any) -> None:
    checked = check_cases(path).cases
    for session, dialect in ((DuckdbSession(duck), "duckdb"), (SparkSessionAtWork(spark, is_classic=True), "spark")):
        with closing(FunctionProcess(checked[0].checked.project)) as functions:
            outcomes = [run_case(case, session, dialect, functions) for case in checked]
        assert [outcome.case.case.name for outcome in outcomes if not outcome.is_ok] == []


def test_every_type_and_python_go_through_both_engines(project: Path, spark: Any, duck: Any) -> None:
    row = "{shop: a, units: 3, price: 1.50, weight: 1e3, small: .5, open: true, at: 2022-04-30 20:15:00, tags: [a, null], place: {city: b}, raw: 0x00ff, date: 2022-04-30}"
    typed = write_test(
        project,
        f"given: {{sales: [{row}, {{units: 1, date: 2022-04-01}}]}}\nexpect: {{sold: [{{units: 1, date: 2022-04-01}}, {row}]}}",
    )
    called = write_test(project, "given: {numbers: [{n: 1}, {n: 2}, {}]}\nexpect: {doubled: [{n: 4}]}", "calling")
    asked = write_test(project, ASKED, "asking")
    for session, dialect in ((DuckdbSession(duck), "duckdb"), (SparkSessionAtWork(spark, is_classic=True), "spark")):
        for path in (typed, called, asked):
            (case,) = check_cases(path).cases
            with closing(FunctionProcess(case.checked.project)) as functions:
                outcome = run_case(case, session, dialect, functions)
            assert (outcome.differences, outcome.complaints) == ((), ()), (path, dialect)


def test_the_example_of_the_documentation_passes(project: Path) -> None:
    example, answers, checks = re.findall(r"```yaml\n(.*?)```", cases.__doc__ or "", re.DOTALL)
    pipeline = """pipeline: sales
params: {least: {type: int}}
sources:
  sales: {parquet: {path: $data/sales, columns: {shop: string, units: int}}}
steps:
  totals:
    - from: sales
    - filter: units >= $least
    - aggregate: {by: [shop], columns: {units: sum(units)}}
checks:
  totals: [{unique: shop}, {not_null: units}]
"""
    (project / "pipelines" / "sales.yaml").write_text(pipeline)
    (project / "pipelines" / "sales.test.yaml").write_text(
        example + checks.replace("not_null: fails", "not_null: holds")
    )
    outcome = etlrun(project, "test")
    assert (outcome.code, outcome.out[:12]) == (0, "ok      sale"), outcome
    assert yaml.safe_load(answers) == {
        "enrich": {"keyword_category": {"vtv3": {"category": "TV Channel"}, "asdfgh": None}}
    }


def test_order_never_counts_and_equal_rows_are_counted(project: Path) -> None:
    given = sales("units: 1", "units: 2", "units: 1")
    assert run_one(project, f"{given}expect: {{sold: [{{units: 2}}, {{units: 1}}, {{units: 1}}]}}").code == 0
    assert failure(project, f"{given}expect: {{sold: [{{units: 2}}, {{units: 1}}]}}") == (
        "  `sold`: 1 row not expected (- expected, + actual)\n    not expected:\n      + {units: 1}\n"
    )
    assert failure(
        project, f"{given}expect: {{sold: [{{units: 2}}, {{units: 1}}, {{units: 1}}, {{units: 1}}]}}"
    ).endswith("pipelines/shop.test.yaml:9:57: this row is missing\n      - {units: 1}\n")


def test_only_columns_that_some_row_names_are_compared(project: Path) -> None:
    given = sales("shop: A, units: 1, price: 5", "shop: B, units: 2")
    assert run_one(project, f"{given}expect: {{sold: [{{shop: A, price: 5}}, {{shop: B}}]}}").code == 0
    assert "      - price: null   (the row does not list this column)\n      + price: 5.00\n" in failure(
        project, f"{given}expect: {{sold: [{{shop: A}}, {{shop: B, price: 1}}]}}"
    )


def test_rows_that_name_no_column_are_counted(project: Path) -> None:
    given = sales("units: 1", "units: 2")
    assert run_one(project, f"{given}expect: {{sold: [{{}}, {{}}]}}").code == 0
    assert "1 row not expected" in failure(project, f"{given}expect: {{sold: [{{}}]}}")
    assert "1 row missing" in failure(project, f"{given}expect: {{sold: [{{}}, {{}}, {{}}]}}")


def test_numbers_with_rounding_errors_are_close_and_exact_ones_are_not(project: Path) -> None:
    given = sales("units: 1, weight: 0.1, small: 0.1, price: 0.10", "units: 1, weight: 0.2, price: 0.20")
    assert (
        run_one(project, f"{given}expect: {{totals: [{{weight: 0.3, price: 0.3}}], sold: [{{small: 0.1}}, {{}}]}}").code
        == 0
    )
    assert "+ price: 0.30" in failure(project, f"{given}expect: {{totals: [{{weight: 0.3, price: 0.31}}]}}")
    assert "+ weight: 0.3" in failure(project, f"{given}expect: {{totals: [{{weight: 0.30001, price: 0.3}}]}}")


def test_rows_of_one_key_are_shown_as_one_that_differs(project: Path) -> None:
    body = sales("shop: A, units: 9, weight: 2", "shop: B, units: 1", "shop: C, units: 1") + (
        "expect:\n  totals:\n    - {shop: A, units: 8, weight: 1, size: small}\n    - {shop: B, units: 1, size: small}\n    - {shop: D, units: 7, size: large, weight: 3}\n"
    )
    assert failure(project, body) == (
        "  `totals`: 1 row differs, 1 row missing, 1 row not expected (- expected, + actual)\n"
        "    pipelines/shop.test.yaml:11:11: this row differs\n"
        "        shop: A\n"
        "      - units: 8\n      + units: 9\n"
        "      - weight: 1.0\n      + weight: 2.0\n"
        "      - size: small\n      + size: large\n"
        "    pipelines/shop.test.yaml:13:11: this row is missing\n"
        "      - {shop: D, units: 7, weight: 3.0, size: large}\n"
        "    not expected:\n"
        "      + {shop: C, units: 1, weight: null, size: small}\n"
    )


def test_a_chain_that_is_given_stands_in_place_of_what_was_before_it(project: Path) -> None:
    body = "given:\n  sold: [{shop: A, units: 0}]\n  shops: [{shop: A, owner: An}]\nexpect: {owned: [{shop: A, units: 0, owner: An}]}"
    assert run_one(project, body).code == 0


def test_a_failing_step_is_told_of_at_its_place_in_the_pipeline(project: Path) -> None:
    detail = failure(project, f"{sales('units: 7')}expect: {{shares: []}}")
    assert detail.startswith("  pipelines/shop.yaml:35:23: a division by zero in `derive` of `shares`")
    assert "    = divide by `nullif(x, 0)`, which gives null instead\n" in detail


def test_checks_are_asked_about_the_rows(project: Path) -> None:
    given = sales("shop: A, units: 60", "shop: A, units: 70", "shop: B, units: 1")
    assert run_one(project, f"{given}checks: {{totals: {{unique: holds, range: fails, conserved: holds}}}}").code == 0
    detail = failure(project, f"{given}checks: {{totals: {{unique: fails, range: holds}}}}")
    assert detail.splitlines() == [
        "  pipelines/shop.test.yaml:9:23: the check `unique` of `totals` holds, but is expected to fail: no two of 2 rows have the same `shop`",
        "  pipelines/shop.test.yaml:9:38: the check `range` of `totals` fails, but is expected to hold: "
        "1 of 2 rows has `units` out of range: the values go from 1 to 130",
    ]


def test_a_check_of_given_rows_needs_no_sum_that_rides_along(project: Path) -> None:
    body = (
        "given:\n  sold: [{shop: A, units: 3}]\n  totals: [{shop: A, units: 4}]\nchecks: {totals: {conserved: fails}}"
    )
    assert run_one(project, body).code == 0


ASKED = """
    given: {searches: [{user: u1, keyword: Running  MAN}, {user: u2, keyword: blue}, {user: u3, keyword: x}, {user: u4}]}
    enrich: {show_kind: {running man: {kind: Series, sure: true}, blue: null}}
    expect:
      shown:
        - {user: u1, keyword: Running  MAN, kind: Series, sure: true, how: ok, who: test}
        - {user: u2, keyword: blue, how: abstained}
        - {user: u3, keyword: x, how: abstained}
        - {user: u4}
"""


def test_answers_come_from_the_test_alone(project: Path) -> None:
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    assert run_one(project, ASKED, "asking").code == 0
    after = {
        path: path.read_bytes()
        for path in project.rglob("*")
        if path.is_file()
        and path.name not in ("asking.test.yaml", "tests.json")  # what `etlrun test` keeps of its results
    }
    assert after == before


@pytest.mark.parametrize(
    ("personal", "keyword", "listed"),
    [
        ("allow", "call 0912345678", "CALL 0912345678"),
        ("mask", "call 0912345678", "call 0987654321"),
        ("mask", "call 0912345678", "call ***"),
        ("refuse", "call 0912345678", ""),
    ],
)
def test_a_key_with_a_number_is_asked_in_a_test_as_its_step_says(
    personal: str, keyword: str, listed: str, project: Path
) -> None:
    path = project / "pipelines" / "asking.yaml"
    path.write_text(path.read_text().replace("source: who", f"source: who, personal: {personal}"))
    answers = f"enrich: {{show_kind: {{'{listed}': {{kind: Film, sure: true}}}}}}\n" if listed else ""
    body = f"given: {{searches: [{{keyword: {keyword}}}]}}\n{answers}expect: {{shown: [{{how: {'ok' if listed else 'abstained'}}}]}}"
    assert run_one(project, body, "asking").code == 0


def test_an_answer_of_several_labels_is_a_text_or_a_list_in_a_test(project: Path) -> None:
    prompt = project / "prompts" / "show_kind.md"
    prompt.write_text(prompt.read_text().replace("series of episodes}", "series of episodes}\n    many: true"))
    body = """
        given: {searches: [{keyword: aa}, {keyword: bb}]}
        enrich:
          show_kind:
            aa: {kind: [Series, Film], sure: true}
            bb: {kind: Series | Film, sure: true}
        expect: {shown: [{keyword: aa, kind: Film|Series}, {keyword: bb, kind: Film|Series}]}
    """
    assert run_one(project, body, "asking").code == 0
    assert "`Flim` is not one of the labels" in run_one(project, body.replace("[Series", "[Flim"), "asking").err


def test_a_key_that_is_not_listed_fails_the_test_and_says_where_to_add_it(project: Path) -> None:
    assert failure(project, ASKED.replace("running man", "runing man").replace(", blue: null", ""), "asking") == (
        "  pipelines/asking.test.yaml:5:14: the prompt `show_kind` is asked about `blue`, `Running MAN`, but the test has no answer for it\n"
        "    = did you mean `runing man`?\n"
        "      add them to `show_kind:` of `enrich:`, or `key: null` if no model knows the answer:\n"
        "          blue: {kind: ..., sure: ...}\n"
        "          Running MAN: {kind: ..., sure: ...}\n"
    )
    without = "\n".join(line for line in ASKED.splitlines() if "enrich" not in line)
    assert "pipelines/asking.test.yaml:3:5: the prompt `show_kind`" in failure(project, without, "asking")


def test_a_function_of_python_that_fails_is_told_of_with_its_line(project: Path) -> None:
    (project / "calls_of_tests.py").write_text("def triple(rows):\n    return rows.nothing\n")
    calling = project / "pipelines" / "calling.yaml"
    calling.write_text(calling.read_text().replace("calls_of_tests:double", "calls_of_tests:triple"))
    detail = failure(project, "given: {numbers: [{n: 1}]}\nexpect: {doubled: []}", "calling")
    assert "the function `calls_of_tests:triple` failed" in detail
