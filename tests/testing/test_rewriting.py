"""`etlrun test --update`: what came out is written into the file, and every other character stays."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from shop import write_project

from commanding import etlrun

HEAD = """# a file of tests
pipeline: shop   # its pipeline
tests:
  - name: it
    given:
      sales:
        - {shop: A, units: 3, weight: 0.5, date: 2022-04-01}
        - {shop: B, units: 9, date: 2022-04-02, place: {city: "a: b", no: 1}, tags: [x, null], at: 2022-04-01 10:00:00}
"""


def updated(folder: Path, expect: str, head: str = HEAD) -> str:
    """The text that follows `head` after an update; the test passes from then on."""
    path = write_project(folder) / "pipelines" / "shop.test.yaml"
    path.write_text(head + expect, encoding="utf-8")
    outcome = etlrun(folder, "test", "--update")
    assert outcome.code == 0, outcome
    assert outcome.out.startswith("updated shop: it")
    text = path.read_text(encoding="utf-8")
    assert text.startswith(head)
    assert etlrun(folder, "test").code == 0
    return text.removeprefix(head)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            """
    expect:
      totals:   # by shop
        # the first
        - {shop: A,   units: 4,  size: small}   # and why
        - {"shop": B, 'units': 9, size: "small"}
            """,
            """
    expect:
      totals:   # by shop
        # the first
        - {shop: A,   units: 3,  size: small}   # and why
        - {"shop": B, 'units': 9, size: large}
            """,
            id="only the cells that differ",
        ),
        pytest.param(
            """
    expect:
      totals:
        - shop: A          # one
          units: 4   # two

        - shop: B
          units:
        # the end
    description: more
            """,
            """
    expect:
      totals:
        - shop: A          # one
          units: 3   # two

        - shop: B
          units: 9
        # the end
    description: more
            """,
            id="rows of one line a column",
        ),
        pytest.param(
            """
    expect:
      totals:
        - {shop: A, units: 3}
        # this one is gone
        - {shop: C, units: 1,
           weight: 3}   # with what stands behind it
        # and one is new
      sold: [{shop: A}, {shop: B}]
            """,
            """
    expect:
      totals:
        - {shop: A, units: 3, weight: 0.5}
        # this one is gone
        - {shop: B, units: 9,
           weight: null}   # with what stands behind it
        # and one is new
      sold: [{shop: A}, {shop: B}]
            """,
            id="a row in the place of another",
        ),
        pytest.param(
            """
    expect:
      totals:
        - {shop: A, units: 3}
        - {shop: B, units: 9}
        - {shop: C, units: 1}

        - {shop: D, units: 1}
  - name: other
    given: {sold: []}
    expect: {totals: []}
            """,
            """
    expect:
      totals:
        - {shop: A, units: 3}
        - {shop: B, units: 9}

  - name: other
    given: {sold: []}
    expect: {totals: []}
            """,
            id="rows that did not come out",
        ),
        pytest.param(
            """
    expect:
      totals:
        - {shop: A, units: 3}   # the only one
    # behind it
            """,
            """
    expect:
      totals:
        - {shop: A, units: 3}   # the only one
        - {shop: B, units: 9}
    # behind it
            """,
            id="rows that are new",
        ),
        pytest.param(
            """
    expect:
      sold: []   # none so far
      totals: [{shop: A}]
            """,
            """
    expect:
      sold:
        - {shop: A, units: 3, price: null, weight: 0.5, small: null, open: null, at: null, tags: null, place: null, raw: null,
           date: 2022-04-01}
        - {shop: B, units: 9, price: null, weight: null, small: null, open: null, at: "2022-04-01 10:00:00", tags: [x, null],
           place: {city: "a: b", no: 1}, raw: null, date: 2022-04-02}   # none so far
      totals:
        - {shop: A}
        - {shop: B}
            """,
            id="no rows so far",
        ),
        pytest.param(
            """
    expect: {totals: [{shop: A, units: 1}], shares: [{share: 1}]}
            """,
            """
    expect: {totals: [{shop: A, units: 3},
                      {shop: B, units: 9}], shares: [{share: -25.0},
                                                     {share: 50.0}]}
            """,
            id="inside of braces",
        ),
        pytest.param(
            """
    expect:
      totals:
        - {}
            """,
            """
    expect:
      totals:
        - {}
        - {}
            """,
            id="rows without columns",
        ),
        pytest.param(
            """
    expect:
      totals:
        - shop: |
            A
          units: 3
        - {shop: >-
            B, units: 1}
            """.replace("{shop: >-\n            B, units: 1}", "shop: >-\n            B\n          units: 1"),
            """
    expect:
      totals:
        - {shop: A, units: 3}
        - shop: >-
            B
          units: 9
            """,
            id="texts of several lines",
        ),
    ],
)
def test_what_came_out_is_written_and_all_else_stays(tmp_path: Path, before: str, after: str) -> None:
    assert updated(tmp_path, before.strip("\n").rstrip(" ")) == after.strip("\n").rstrip(" ")


def test_no_row_that_is_left_becomes_brackets(tmp_path: Path) -> None:
    head = "pipeline: shop\ntests:\n  - name: it\n    given: {sold: []}\n"
    before = (
        "    expect:\n      totals:\n        # two\n        - {shop: A}\n        - shop: B\n      sizes: []\n".replace(
            "      sizes: []\n", ""
        )
    )
    assert updated(tmp_path, before, head) == "    expect:\n      totals: []\n        # two\n"


def test_the_last_line_may_lack_its_end(tmp_path: Path) -> None:
    assert (
        updated(tmp_path, "    expect:\n      totals:\n        - {shop: A}")
        == "    expect:\n      totals:\n        - {shop: A}\n        - {shop: B}"
    )


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_the_mark_of_utf_8_stay(tmp_path: Path, mark: bytes, end: bytes) -> None:
    path = write_project(tmp_path) / "pipelines" / "shop.test.yaml"
    text = HEAD + "    expect:\n      totals:\n        - {shop: Ã, units: 3}\n        - {shop: B, units: 9}\n"
    path.write_bytes(mark + text.encode().replace(b"\n", end))
    assert etlrun(tmp_path, "test", "--update").code == 0
    assert path.read_bytes() == mark + text.replace("Ã", "A").encode().replace(b"\n", end)


def test_lines_that_end_in_several_ways_are_left_alone(tmp_path: Path) -> None:
    path = write_project(tmp_path) / "pipelines" / "shop.test.yaml"
    text = (HEAD + "    expect: {totals: []}\n").encode().replace(b"\n", b"\r\n", 3)
    path.write_bytes(text)
    outcome = etlrun(tmp_path, "test", "--update")
    assert (
        "  not updated: the file was changed in the meantime, or it has different kinds of line ends\n" in outcome.out
    )
    assert (outcome.code, path.read_bytes()) == (1, text)


def test_a_file_outside_the_project_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    path = write_project(tmp_path / "inside") / "pipelines" / "shop.test.yaml"
    text = HEAD + "    expect: {totals: []}\n"
    (tmp_path / "other.test.yaml").write_text(text, encoding="utf-8")
    path.symlink_to(tmp_path / "other.test.yaml")
    outcome = etlrun(tmp_path / "inside", "test", "--update")
    assert "  not updated: the file is a link that leads out of the project's folder\n" in outcome.out
    assert (outcome.code, (tmp_path / "other.test.yaml").read_text(encoding="utf-8")) == (1, text)


@pytest.mark.parametrize(
    ("expect", "reason"),
    [
        ("expect: {totals: *rows}", "the rows of `totals` are written with an alias"),
        ("expect:\n      totals: [*row, *row]", "the rows of `totals` are written with an alias"),
        (
            "expect:\n      totals: &mine\n        - {shop: A}",
            "the rows of `totals` have an anchor, so they may be used elsewhere",
        ),
    ],
)
def test_rows_that_mean_more_than_this_test_are_left_alone(tmp_path: Path, expect: str, reason: str) -> None:
    path = write_project(tmp_path) / "pipelines" / "shop.test.yaml"
    text = (
        dedent("""\
        pipeline: shop
        tests:
          - name: it
            given:
              sold: &rows
                - &row {shop: B}
                - {shop: B}
            """)
        + f"    {expect}\n"
    )
    path.write_text(text)
    outcome = etlrun(tmp_path, "test", "--update")
    assert outcome.code == 1, outcome
    assert f"  not updated: {reason}\n    = edit the file by hand\n" in outcome.out
    assert path.read_text() == text


def test_a_test_that_fails_for_another_reason_is_not_updated(tmp_path: Path) -> None:
    path = write_project(tmp_path) / "pipelines" / "shop.test.yaml"
    text = HEAD + "    expect: {totals: []}\n    checks: {totals: {unique: fails}}\n"
    path.write_text(text)
    outcome = etlrun(tmp_path, "test", "--update")
    assert (outcome.code, path.read_text()) == (1, text)
    assert outcome.out.startswith("FAILED ")
