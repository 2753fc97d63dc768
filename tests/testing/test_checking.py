"""What `etlrun check` says of tests beside their values: relations, params, calendars and answers."""

from __future__ import annotations

from pathlib import Path

from shop import run_one, write_test

from commanding import etlrun


def summary(project: Path, body: str, pipeline: str = "shop") -> list[str]:
    """The place, code and message of every mistake and warning that checking finds, without the file."""
    path = write_test(project, body, pipeline)
    outcome = etlrun(project, "check", str(path.relative_to(project)))
    return [line.partition(".test.yaml:")[2] for line in outcome.out.splitlines() if ".test.yaml:" in line]


def test_every_column_that_a_row_lacks_is_named_at_once(project: Path) -> None:
    found = summary(project, "given: {sales: [{shop: A}, {units: null, date: 2022-04-01}]}\nexpect: {sold: []}")
    assert found == [
        "4:21: missing-key: `units`, `date` are missing, but never null in `sales`",
        "4:40: wrong-value: `units` is never null in `sales`",
    ]


def test_a_chain_that_is_given_may_leave_out_any_column(project: Path) -> None:
    assert summary(project, "given: {sold: [{shop: A}]}\nexpect: {totals: [{units: null}]}") == []


def test_only_sources_that_the_expected_is_made_from_must_be_given(project: Path) -> None:
    assert summary(project, "given: {sales: []}\nexpect: {totals: []}") == []
    assert summary(project, "given: {sales: []}\nexpect: {owned: []}") == [
        "4:5: missing-key: `owned` is computed from the source `shops`, but the test has no rows for it"
    ]
    assert summary(project, "given: {totals: [], shops: []}\nexpect: {owned: []}") == []
    assert summary(project, "given: {totals: [], sales: [], shops: []}\nexpect: {owned: []}") == [
        "4:25: warning: unused: no expected relation is computed from `sales`"
    ]


def test_a_check_needs_what_it_compares_with(project: Path) -> None:
    assert summary(project, "given: {totals: []}\nchecks: {totals: {unique: holds}}") == []
    assert summary(project, "given: {totals: []}\nchecks: {totals: {conserved: holds}}") == [
        "4:5: missing-key: `totals`, `sold` are computed from the source `sales`, but the test has no rows for it"
    ]


def test_a_param_that_the_test_sets_moves_the_calendar(project: Path) -> None:
    body = "given: {sales: [{units: 1, date: 2022-05-31}]}\nexpect: {sold: [{units: 1}]}"
    assert summary(project, body) == ["4:38: wrong-value: `2022-05-31` is not one of the days of `date`"]
    assert summary(project, f"set: {{month: 2022-05}}\n{body}") == []


def test_a_value_of_a_param_is_checked_where_the_test_sets_it(project: Path) -> None:
    assert summary(
        project, "set: {least: few, moth: 2022-05, city: Hanoi}\ngiven: {sales: []}\nexpect: {sold: []}"
    ) == [
        "4:18: wrong-value: `few` is not an int",
        "4:23: unknown-param: the pipeline `shop` has no param `moth`",
    ]


def test_a_param_without_a_default_must_be_set(project: Path) -> None:
    shop = project / "pipelines" / "shop.yaml"
    shop.write_text(shop.read_text().replace("{type: int, default: 1}", "{type: int}"))
    body = "given: {sales: [{units: 2, date: 2022-04-01}]}\nexpect: {sold: []}"
    assert summary(project, body) == ["3:5: missing-param: the param `least` has no value"]
    assert run_one(project, f"set: {{least: 3}}\n{body}").code == 0


def test_answers_are_held_against_the_prompt(project: Path) -> None:
    body = """
        given: {searches: []}
        enrich:
          show_kind:
            a1: {kind: Flim, sure: yes}
            b1: {kid: Film, sure: true}
            c1: {kind: Film}
            C1: {kind: Film, sure: true}
            "7": null
            d1: Film
          show_kinds: {x: null}
        expect: {shown: []}
    """
    assert summary(project, body.replace("            d1: Film\n", ""), "asking") == [
        "7:20: unknown-label: `Flim` is not one of the labels",
        "7:32: wrong-value: `yes` is neither true nor false",
        "8:14: unknown-column: there is no output `kid` in the prompt `show_kind`",
        "9:9: missing-key: the answer for `sure` is missing",
        "10:9: duplicate-name: `C1` is listed twice: different spellings are one key",
        "11:9: wrong-value: no model is ever asked about the key `7`",
        "12:7: unknown-prompt: the pipeline `asking` does not ask the prompt `show_kinds`",
    ]
    assert summary(project, body, "asking") == [
        "12:13: wrong-value: an answer `{output: value}`, or null is expected here, not `Film`"
    ]


def test_a_label_that_can_never_come_out_is_told_of(project: Path) -> None:
    found = summary(project, "given: {searches: []}\nexpect: {shown: [{kind: Serie, how: oke}]}", "asking")
    assert found == [
        "5:29: unknown-label: `Serie` is not one of the labels of `kind`",
        "5:41: unknown-label: `oke` is not one of the labels of `how`",
    ]


def test_a_pipeline_beside_the_tests_is_found_as_well(project: Path) -> None:
    (project / "more").mkdir()
    (project / "pipelines" / "shop.yaml").rename(project / "more" / "shop.yaml")
    path = write_test(project, "given: {sales: []}\nexpect: {sold: []}")
    path.rename(project / "more" / path.name)
    assert etlrun(project, "test", "more").code == 0
