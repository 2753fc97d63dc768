"""`etlrun diff`: what a run would change, by key, and only what changed."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from commanding import Outcome, etlrun
from etlrun.cli.diff_report import shown_value
from projects import Project

PIPELINE = """sources:
  rows: {csv: {path: rows.csv, columns: {shop: string, month: string, units: int, price: double, size: string}}}
sinks:
  sales: {table: {from: rows, connection: warehouse, key: [shop], write: %s}}
"""
IDENTITY = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false")
BEFORE = "shop,month,units,price,size\nHue,04,3,1.5,small\nRome,04,5,2.0,large\n=Bo,04,,1.0,small\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    project = Project(tmp_path)
    project.pipeline(PIPELINE % "replace", "sales")
    project.write("rows.csv", BEFORE)
    assert etlrun(tmp_path, "run", "sales").code == 0
    return tmp_path


def changed(folder: Path, old: str, new: str) -> None:
    text = (folder / "rows.csv").read_text()
    assert old in text
    (folder / "rows.csv").write_text(text.replace(old, new))


def diff(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    outcome = etlrun(folder, "diff", "sales", *arguments, "--json")
    return outcome.code, json.loads(outcome.out) if outcome.out else {"err": outcome.err}


def published(folder: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute("select * from sales order by all").fetchall()


def test_equal_rows_are_equal_and_nothing_is_published(folder: Path) -> None:
    code, found = diff(folder)
    assert (code, found["is_equal"], found["rows"], found["columns"]) == (0, True, [3, 3], [])
    assert found["causes"] == {"specification": [], "inputs": []}


def test_only_what_changed_is_shown(folder: Path) -> None:
    before = published(folder)
    changed(folder, "Hue,04,3,1.5,small", "Hue,04,4,1.5,large")
    changed(folder, "Rome,04,5,2.0,large\n", "Ulm,04,1,1.0,small\n")
    code, found = diff(folder)
    assert code == 1
    assert found["causes"] == {"specification": [], "inputs": ["files of `rows` changed"]}
    assert published(folder) == before
    assert {name: found[name] for name in ("only_before", "only_after", "equal", "changed")} == {
        "only_before": 1,
        "only_after": 1,
        "equal": 1,
        "changed": 1,
    }
    assert {item["name"]: (item["changed"], item["sums"]) for item in found["columns"]} == {
        "units": (1, [8, 5]),
        "size": (1, None),
    }
    assert [(row["key"], row["side"], row["changes"]) for row in found["sample"]] == [
        (["Hue"], "", [["units", 3, 4], ["size", "small", "large"]]),
        (["Rome"], "before", []),
        (["Ulm"], "after", []),
    ]


def test_the_text_says_the_same(folder: Path) -> None:
    changed(folder, "3,1.5,small", "4,1.5,large")
    outcome = etlrun(folder, "diff", "sales")
    assert outcome.out.splitlines() == [
        "sales: rows -> sales, by shop",
        "  before   warehouse.sales",
        "  after    what a run gives now",
        "  spec     the same",
        "  inputs   files of `rows` changed",
        "  rows     3 -> 3    0 only before, 0 only after, 2 equal, 1 changed",
        "  column  changed  null before -> after  before -> after",
        "  ------  -------  --------------------  --------------------",
        "  units         1  1 -> 1                sum 8 -> 9 (+12.50%)",
        "  size          1  0 -> 0                small -> large 1",
        "  Hue  units 3 -> 4  size small -> large",
    ]


def test_a_null_that_becomes_a_value_is_a_change(folder: Path) -> None:
    changed(folder, "=Bo,04,,", "=Bo,04,0,")
    code, found = diff(folder)
    assert (code, found["columns"][0]["nulls"], found["sample"][0]["changes"]) == (1, [1, 0], [["units", None, 0]])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 1),
        (("--tolerance", "0.01"), 0),
        (("--tolerance", "0.0001"), 1),
        (("--ignore", "price"), 0),
        (("--where", "price < 1.4"), 0),
    ],
)
def test_what_is_compared_can_be_narrowed(arguments: tuple[str, ...], code: int, folder: Path) -> None:
    changed(folder, "3,1.5,small", "3,1.501,small")
    assert diff(folder, *arguments)[0] == code


def test_a_column_that_came_or_went_is_named(folder: Path) -> None:
    Project(folder).pipeline(PIPELINE.replace("price: double, ", "price: int, ") % "replace", "sales")
    (folder / "rows.csv").write_text("shop,month,units,price,size\nHue,04,3,1,small\n")
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("alter table sales drop column size; alter table sales add column note varchar")
    code, found = diff(folder)
    assert code == 1
    assert (found["columns_before"], found["columns_after"]) == (["note"], ["size"])


@pytest.mark.parametrize(
    ("write", "only_before"),
    [("{replace_where: \"month = '05'\"}", 0), ("append", 0), ("merge", 0), ("replace", 3)],
)
def test_rows_that_a_run_leaves_alone_are_not_compared(write: str, only_before: int, folder: Path) -> None:
    Project(folder).pipeline(PIPELINE % write, "sales")
    (folder / "rows.csv").write_text("shop,month,units,price,size\nUlm,05,3,1.5,small\n")
    code, found = diff(folder)
    assert (code, found["only_before"], found["only_after"]) == (1, only_before, 1)


def test_the_rows_of_a_refused_run_can_be_looked_at(folder: Path) -> None:
    Project(folder).pipeline(PIPELINE % "replace" + "checks: {rows: [row_count: {min: 9}]}\n", "sales")
    changed(folder, "Hue,04,3", "Hue,04,7")
    refused = json.loads(etlrun(folder, "run", "sales", "--json").out)
    assert refused["status"] == "refused"
    outcome = etlrun(folder, "diff", "sales", "published", refused["run_id"])
    assert outcome.code == 2
    assert "has no rows of `rows`" in outcome.err


def test_a_parquet_file_can_be_a_side(folder: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select * from read_csv('{folder}/rows.csv', all_varchar=true)) to '{folder}/old.parquet'"
        )
    code, found = diff(folder, "old.parquet", "published", "--ignore", "units", "--ignore", "price")
    assert (code, found["before"]) == (0, "old.parquet")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--column", "pric"), "did you mean `price`"),
        (("--key", "shp"), "did you mean `shop`"),
        (("--sink", "sale"), "did you mean `sales`"),
        (("--key", "month"), "1 value of the key `month` has several rows in warehouse.sales"),
        (("20990101T000000Z-abcdef",), "there is no run"),
        (("none.parquet",), "the file none.parquet does not exist"),
        (("--where", "pric > 1"), "did you mean `price`"),
    ],
)
def test_what_cannot_be_compared_is_said(arguments: tuple[str, ...], said: str, folder: Path) -> None:
    outcome: Outcome = etlrun(folder, "diff", "sales", *arguments)
    assert outcome.code in (1, 2)
    assert said in outcome.err
    assert "Traceback" not in outcome.err


def committed(folder: Path) -> None:
    """Make the project a repository of git whose last commit is what it is now; data stays out of it."""
    (folder / ".gitignore").write_text("*.csv\n*.duckdb*\n.etlrun/\n")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "before")):
        subprocess.run(["git", *IDENTITY, *words], cwd=folder, check=True)


def test_a_run_that_fails_is_not_taken_for_a_difference(folder: Path) -> None:
    (folder / "rows.csv").unlink()
    code, found = diff(folder)
    assert (code, found["error"]["code"]) == (2, "missing-file")


def test_a_revision_is_compared_on_the_data_of_today(folder: Path) -> None:
    Project(folder).write("mappings/sizes.yaml", "Little: [small]\nBig: [large]\n")
    steps = (
        "steps:\n  named:\n    - from: rows\n    - lookup: {column: size, map: sizes, as: name, unmatched: 'null'}\n"
    )
    Project(folder).pipeline(
        (PIPELINE % "replace").replace("sinks:", steps + "sinks:").replace("from: rows, c", "from: named, c"), "sales"
    )
    committed(folder)
    assert diff(folder, "--against", "HEAD")[1]["is_equal"]
    Project(folder).write("mappings/sizes.yaml", "Small: [small]\nBig: [large]\n")
    (folder / "rows.csv").write_text(BEFORE + "Ulm,05,1,1.0,large\n")
    code, found = diff(folder, "--against", "HEAD")
    assert (code, found["before"], found["rows"]) == (1, "the specification of HEAD", [4, 4])
    assert found["causes"] == {"specification": ["mappings/sizes.yaml"], "inputs": []}
    assert [(item["name"], item["changed"], item["transitions"]) for item in found["columns"]] == [
        ("name", 2, [["Little", "Small", 2]])
    ]
    assert not list(folder.glob("**/HEAD*.parquet"))


def test_the_place_of_a_mistake_in_a_revision_is_named_as_git_does(folder: Path) -> None:
    assert "the project's folder is not in a git repository" in etlrun(folder, "diff", "sales", "--against", "HEAD").err
    Project(folder).pipeline((PIPELINE % "replace").replace("key: [shop]", "key: [shp]"), "sales")
    committed(folder)
    Project(folder).pipeline(PIPELINE % "replace", "sales")
    outcome = etlrun(folder, "diff", "sales", "--against", "HEAD")
    assert outcome.code == 2
    assert outcome.err.startswith("HEAD:pipelines/sales.yaml:5:60: unknown-column: ")
    for arguments, said in (
        (("--against", "HEAD~9"), "git knows no revision `HEAD~9`"),
        (("--against=--all",), "git knows no revision `--all`"),
        (("published", "--against", "HEAD"), "cannot be combined with BEFORE and AFTER"),
    ):
        outcome = etlrun(folder, "diff", "sales", *arguments)
        assert (outcome.code, said in outcome.err) == (2, True), outcome.err


def test_the_page_shows_what_changed_and_nothing_else(folder: Path) -> None:
    changed(folder, "Hue,04,3,1.5,small", "Hue,04,3,1.5,<b>large")
    changed(folder, "Rome,04,5,2.0,large\n", "")
    outcome = etlrun(folder, "diff", "sales", "--html", "diff.html")
    assert outcome.code == 1
    page = (folder / "diff.html").read_text()
    assert "<del>small</del>" in page
    assert "<ins>&lt;b&gt;large</ins>" in page
    assert "default-src 'none'" in page
    assert not {"units", "price"} & set(re.findall(r"<td>(\w+)</td>", page))
    assert "Traceback" not in etlrun(folder, "diff", "sales", "--html", "none/diff.html").err


def test_only_the_columns_that_are_named_are_compared(folder: Path) -> None:
    changed(folder, "3,1.5,small", "3,1.501,small")
    assert [diff(folder, "--column", name)[0] for name in ("price", "UNITS")] == [1, 0]


def test_a_text_that_nobody_would_see_stands_in_quotes() -> None:
    assert [shown_value(value) for value in ("", " ", "a ", "a", "null", None)] == [
        '""',
        '" "',
        '"a "',
        "a",
        "null",
        "null",
    ]
