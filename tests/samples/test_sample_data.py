"""`etlrun sample-data` gives the formats and oddities of the real logs, and the same bytes for the same seed."""

from __future__ import annotations

import datetime
import json
import unicodedata
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from etlrun.cli.sample_data import command
from etlrun.failures import RunFailure
from etlrun.samples.broken import BROKEN
from etlrun.samples.recipe import Recipe
from etlrun.samples.write import write_samples

APRIL = tuple(datetime.date(2022, 4, day) for day in range(1, 31))
SEARCH_DAYS = tuple(datetime.date(2022, month, day) for month in (6, 7) for day in range(1, 15))


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    write_samples(folder, Recipe(2_000, 1_000, 1, 0, APRIL, SEARCH_DAYS))
    return folder


def views(folder: Path, day: str = "*") -> list[dict[str, object]]:
    files = sorted((folder / "log_content").glob(f"{day}.json"))
    return [json.loads(line)["_source"] for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def searches(folder: Path) -> duckdb.DuckDBPyRelation:
    return duckdb.sql(f"select * from read_parquet('{folder}/log_search/*/*.parquet')")


def ask(folder: Path, question: str) -> tuple[object, ...]:
    """The one row that answers a question about `searches`."""
    (row,) = duckdb.sql(
        f"with searches as (from read_parquet('{folder}/log_search/*/*.parquet')) {question}"
    ).fetchall()
    return tuple(row)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def call(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ones(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_samples(tmp_path / name, Recipe(300, 100, seed, 5, APRIL[:3], SEARCH_DAYS[:2]))
    first, again, other = (files_of(tmp_path / name) for name in "abc")
    assert first == again
    assert first.keys() == other.keys()
    assert all(first[name] != other[name] for name in first)


def test_a_viewing_log_is_one_file_a_day_of_one_object_a_line(logs: Path) -> None:
    assert [file.name for file in sorted((logs / "log_content").iterdir())] == [
        f"202204{day:02}.json" for day in range(1, 31)
    ]
    line = json.loads((logs / "log_content" / "20220401.json").read_text(encoding="utf-8").splitlines()[0])
    assert list(line) == ["_index", "_type", "_id", "_score", "_source"]
    assert {name: type(value) for name, value in line["_source"].items()} == {
        "Contract": str,
        "Mac": str,
        "TotalDuration": int,
        "AppName": str,
    }


def test_contracts_are_distinct_and_some_are_zero_blank_or_an_address(logs: Path) -> None:
    contracts = Counter(str(view["Contract"]) for view in views(logs))
    addresses = [contract for contract in contracts if contract.startswith("10.")]
    numbered = [contract for contract in contracts if len(contract) == 9 and contract[:3].isalpha()]
    assert contracts["0"] > 100
    assert contracts[""] > 50
    assert len(addresses) > 20
    assert 1_900 < len(numbered) <= 2_000
    assert len(contracts) == len(addresses) + len(numbered) + 2


def test_every_seventh_day_lacks_two_types_of_content(logs: Path) -> None:
    assert {"RELAX", "SPORT", "APP"} <= {view["AppName"] for view in views(logs, "20220404")}
    for day in ("20220405", "20220412", "20220419", "20220426"):
        assert not {"RELAX", "SPORT"} & {view["AppName"] for view in views(logs, day)}


def test_contracts_are_active_on_many_on_some_and_on_few_days(logs: Path) -> None:
    days: dict[str, set[str]] = {}
    for file in (logs / "log_content").iterdir():
        for view in views(logs, file.stem):
            days.setdefault(str(view["Contract"]), set()).add(file.stem)
    levels = Counter(
        "high" if len(active) > 20 else "medium" if len(active) >= 10 else "low" for active in days.values()
    )
    assert min(levels["high"], levels["medium"], levels["low"]) > 300


def test_some_contracts_watch_two_types_equally_long(logs: Path) -> None:
    totals: dict[str, Counter[str]] = {}
    for view in views(logs):
        totals.setdefault(str(view["Contract"]), Counter())[str(view["AppName"])] += int(str(view["TotalDuration"]))
    best = [sorted(total.values(), reverse=True)[:2] for total in totals.values() if len(total) > 1]
    assert sum(first == second for first, second in best) > 20


def test_broken_lines_come_on_top_in_every_form_and_spread_over_the_days(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    write_samples(whole, Recipe(300, 0, 1, 0, APRIL[:4], ()))
    (written,) = write_samples(broken, Recipe(300, 0, 1, 21, APRIL[:4], ()))
    extra = []
    for file in sorted((whole / "log_content").iterdir()):
        before = Counter(file.read_bytes().splitlines())
        after = Counter((broken / "log_content" / file.name).read_bytes().splitlines())
        extra.append(sum((after - before).values()))
        assert not before - after
        assert set(after - before) <= set(BROKEN)
    assert extra == [6, 5, 5, 5]
    assert written.rows == len(views(whole)) + 21


def test_a_broken_line_never_stands_inside_another(tmp_path: Path) -> None:
    write_samples(tmp_path, Recipe(50, 0, 1, 40, APRIL[:1], ()))
    lines = (tmp_path / "log_content" / "20220401.json").read_bytes().splitlines()
    assert all(line in BROKEN or line.startswith(b'{"_index":"history"') and line.endswith(b'"}}') for line in lines)
    assert sum(line in BROKEN for line in lines) == 40


def test_a_search_log_is_one_folder_a_day_with_the_columns_of_the_real_one(logs: Path) -> None:
    assert [folder.name for folder in sorted((logs / "log_search").iterdir())] == [
        f"{day:%Y%m%d}" for day in SEARCH_DAYS
    ]
    found = searches(logs)
    assert dict(zip(found.columns, map(str, found.types), strict=True)) == {
        "eventID": "VARCHAR",
        "datetime": "VARCHAR",
        "user_id": "VARCHAR",
        "keyword": "VARCHAR",
        "category": "VARCHAR",
        "proxy_isp": "VARCHAR",
        "platform": "VARCHAR",
        "networkType": "VARCHAR",
        "action": "VARCHAR",
        "userPlansMap": "VARCHAR[]",
    }
    (odd,) = ask(
        logs,
        r"select count(*) from searches where not regexp_full_match(datetime, '2022-0[67]-\d\d \d\d:\d\d:\d\d(\.\d*[1-9])?')",
    )
    assert odd == 0


def test_a_quarter_of_the_searches_has_no_user_and_one_in_sixteen_no_keyword(logs: Path) -> None:
    shares = ask(
        logs,
        "select avg(if(user_id is null, 1.0, 0)), avg(if(keyword is null, 1.0, 0)), count_if(trim(keyword) = '') from searches",
    )
    users, keywords, blank = (float(str(share)) for share in shares)
    assert 0.23 < users < 0.27
    assert 0.05 < keywords < 0.07
    assert blank > 0


def test_one_user_in_five_has_a_tie_for_the_most_searched_keyword(logs: Path) -> None:
    (share,) = ask(
        logs,
        """, counted as (
            select user_id, substr(datetime, 1, 7) as month, keyword, count(*) as hits
            from searches where user_id is not null and trim(keyword) <> '' group by all
        ), ranked as (select *, rank() over (partition by user_id, month order by hits desc) as place from counted)
        select avg(if(leaders > 1, 1.0, 0)) from (select count_if(place = 1) as leaders from ranked group by user_id, month)
    """,
    )
    assert 0.15 < float(str(share)) < 0.25


def test_keywords_come_in_every_spelling(logs: Path) -> None:
    keywords = {str(row[0]) for row in searches(logs).select("keyword").fetchall() if row[0]}
    assert any(unicodedata.normalize("NFC", keyword) != keyword for keyword in keywords)
    assert any(unicodedata.normalize("NFD", keyword) != keyword for keyword in keywords)
    assert any("  " in keyword.strip() for keyword in keywords)
    assert any(keyword.isupper() for keyword in keywords)


def test_the_command_says_what_it_wrote_on_stderr(tmp_path: Path) -> None:
    result = call(
        tmp_path / "new",
        "--contracts",
        10,
        "--users",
        10,
        "--days",
        "1-2",
        "--search-months",
        "2022-06",
        "--search-days",
        "3",
    )
    assert (result.exit_code, result.stdout) == (0, "")
    assert "log_content: " in result.stderr
    assert "2 days" in result.stderr
    assert sorted(files_of(tmp_path / "new")) == [
        "log_content/20220401.json",
        "log_content/20220402.json",
        "log_search/20220603/part-00000.parquet",
        "log_search/20220603/part-00001.parquet",
    ]


def test_a_folder_that_holds_something_is_refused_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    small = ("--contracts", 10, "--users", 0, "--days", 1)
    refused = call(tmp_path, *small)
    assert isinstance(refused.exception, RunFailure)
    assert (refused.exception.code, refused.exception.exit_code) == ("not-empty", 2)
    assert sorted(files_of(tmp_path)) == ["mine.txt"]
    assert call(tmp_path, *small, "--force").exit_code == 0
    assert sorted(files_of(tmp_path)) == ["log_content/20220401.json", "mine.txt"]


@pytest.mark.parametrize(("option", "value"), [("--days", "0-3"), ("--month", "April"), ("--search-months", "2022-13")])
def test_days_that_do_not_exist_are_a_usage_error(tmp_path: Path, option: str, value: str) -> None:
    result = call(tmp_path / "new", option, value)
    assert result.exit_code == 2
    assert f"`{value}" in result.stderr
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_written_is_a_failure_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "log_content").write_text("in the way")
    with pytest.raises(RunFailure, match="cannot write sample data to") as failure:
        write_samples(tmp_path, Recipe(10, 0, 1, 0, APRIL[:1], ()))
    assert failure.value.code == "not-writable"
