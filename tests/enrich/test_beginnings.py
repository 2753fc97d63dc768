"""`beginnings` of the catalogue: what a text that is typed half leads to, by the other rows of the run; and what is no evidence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import posing
import pytest

from etlrun.contracts.model import ModelError, Searched
from etlrun.enrich.answers import Answers, answer_keys, known_answers
from etlrun.enrich.estimates import estimate
from etlrun.enrich.keys import distinct_keys
from etlrun.enrich.store import Store
from etlrun.enrich.tiers import Tier, tiers_of
from etlrun.models._beginnings import beginnings
from etlrun.models.catalogue import Beginnings, Catalogue
from etlrun.spec.fields import Percent
from running import both, in_order
from tables import examples

COMEDY, ACTION = '{"category": "Comedy"}', '{"category": "Action"}'
TITLES = "title,category\nconan thám tử lừng danh,Comedy\nrunning man,Action\n"
MODEL = Catalogue(titles="titles.csv", beginnings=Beginnings(min_rows=20, min_agreement=Percent(0.8)))


def found(rows: int = 20, agree: float = 0.8, **given: tuple[int, str]) -> dict[str, str]:
    """The new answers of texts (`_` is a space), each with its rows and its answer before."""
    texts = {text.replace("_", " "): value for text, value in given.items()}
    searched = [Searched(text, text, count, answer, "") for text, (count, answer) in texts.items()]
    return {key: result.reason for key, result in beginnings(searched, rows, agree).items()}


@pytest.mark.parametrize("rows", [20, 21])
def test_a_text_gets_the_answer_that_enough_rows_with_longer_texts_have(rows: int) -> None:
    reason = f"begins {rows} of {rows} rows with this answer, such as `conan thám tử`"
    assert found(conan_th=(3, ""), conan_thám_tử=(rows, COMEDY)) == {"conan th": reason}


def test_a_text_gets_no_answer_from_fewer_rows() -> None:
    assert found(conan_th=(100, ""), conan_thám_tử=(19, COMEDY)) == {}


@pytest.mark.parametrize(("others", "is_found"), [(5, True), (6, False)])
def test_rows_with_another_answer_count_against_it(others: int, is_found: bool) -> None:
    assert bool(found(conan=(3, ""), conan_thám_tử=(20, COMEDY), conan_the_king=(others, ACTION))) is is_found


@pytest.mark.parametrize(("others", "is_found"), [(5, True), (6, False)])
def test_rows_that_lead_to_no_answer_count_against_it(others: int, is_found: bool) -> None:
    assert ("conan" in found(conan=(3, ""), conan_thám_tử=(20, COMEDY), conan_movie=(others, ""))) is is_found


def test_rows_on_the_way_to_an_answer_count_for_nobody() -> None:
    new = found(conan=(3, ""), conan_th=(900, ""), conan_thám_tử=(20, COMEDY))
    assert set(new) == {"conan", "conan th"}
    assert new["conan"].startswith("begins 20 of 20 rows")


@pytest.mark.parametrize(
    ("text", "longer"),
    [
        ("con", "conan thám tử"),  # three letters
        ("phim_con", "phim conan"),  # and three besides `phim`
        ("phim_hoạt_h", "phim hoạt hình hay"),
        ("conán", "conan thám tử"),  # another accent
        ("thám", "conan thám tử"),  # in the middle
        ("conan_thám_tử", "conan thám tử"),  # not shorter
        ("conan_thám_tử_l", "conan thám tử"),  # longer
    ],
)
def test_a_text_that_is_too_short_or_is_no_beginning_gets_no_answer(text: str, longer: str) -> None:
    assert found(**{text: (50, ""), longer: (50, COMEDY)}) == {}


@pytest.mark.parametrize("text", ["conan tham", "CONAN  Tham t", "cona", "conan thám"])
def test_accents_and_letter_case_may_be_missing(text: str) -> None:
    assert set(found(**{text: (1, ""), "Conan thám tử": (50, COMEDY)})) == {text}


def test_letters_of_several_parts_are_compared_one_by_one() -> None:
    assert set(found(**{"한국영화": (1, ""), "한국영화 추천": (50, COMEDY)})) == {"한국영화"}


def test_an_answer_is_never_replaced_and_one_that_was_found_so_is_no_evidence() -> None:
    first = Searched("conan t", "conan t", 500, COMEDY, "begins 20 of 20 rows with this answer")
    assert beginnings([first, Searched("conan", "conan", 9, "", "")], 20, 0.8) == {}
    assert found(conan_t=(5, ACTION), conan_thám_tử=(50, COMEDY)) == {}


def test_the_order_of_the_rows_changes_nothing() -> None:
    given = [
        Searched(text, text, rows, answer, "")
        for text, rows, answer in [
            ("cona", 2, ""),
            ("conan b", 15, COMEDY),
            ("conan a", 15, COMEDY),
            ("conan x", 4, ""),
        ]
    ]
    assert beginnings(given, 20, 0.8) == beginnings(given[::-1], 20, 0.8)
    assert beginnings(given, 20, 0.8)["cona"].reason.endswith("such as `conan a`")


def tiers(root: Path, *models: Any) -> tuple[Tier, ...]:
    (root / "titles.csv").write_text(TITLES, encoding="utf-8")
    return tiers_of(posing.prompt(), models, root, posing.as_written)


def labels(answers: Answers) -> dict[str, Any]:
    return {text: answer.values.get("category") for text, _, answer in answers.each()}


def run(root: Path, store: Store, rows: Mapping[str, int], *models: Any) -> Answers:
    return answer_keys(
        distinct_keys(rows.items()), tiers(root, *(models or (MODEL,))), store, {}, root, posing.as_written
    )


def test_later_rows_do_not_change_an_answer_and_fill_in_missing_ones(tmp_path: Path) -> None:
    store = posing.new_store(tmp_path)
    june = run(tmp_path, store, {"conan thám": 3, "conan thám tử lừng danh": 20, "runn": 1, "running man": 19})
    july = run(tmp_path, store, {"conan thám": 90, "conan thám hiểm": 90, "runn": 1, "running man": 20})
    assert labels(june) == {
        "conan thám": "Comedy",
        "conan thám tử lừng danh": "Comedy",
        "runn": None,
        "running man": "Action",
    }
    assert labels(july) == {"conan thám": "Comedy", "conan thám hiểm": None, "runn": "Action", "running man": "Action"}


def test_the_report_counts_each_key_once(tmp_path: Path) -> None:
    store = posing.new_store(tmp_path)
    (first,) = run(tmp_path, store, {"runn": 1, "running man": 19, "naruto": 1}).reports
    (second,) = run(tmp_path, store, {"runn": 1, "running man": 20, "naruto": 1, "one piece": 1}).reports
    assert (first.known, first.ok, first.abstained) == (0, 1, 2)
    assert (second.known, second.ok, second.abstained) == (2, 1, 1)


def test_an_answer_of_another_model_is_not_replaced(tmp_path: Path) -> None:
    store = posing.new_store(tmp_path)
    with posing.server() as served:
        models = (MODEL, posing.gemini(served))
        before = run(tmp_path, store, {"runn": 1, "running man": 19}, *models)
        after = run(tmp_path, store, {"runn": 1, "running man": 90}, *models)
    sources = [{text: answer.source for text, _, answer in answers.each()} for answers in (before, after)]
    assert sources == [{"runn": "gemini gemini-2.5-flash", "running man": "catalogue"}] * 2
    assert labels(before) == labels(after)


def test_the_plan_expects_what_the_run_finds(tmp_path: Path) -> None:
    store, rows = posing.new_store(tmp_path), {"conan thám": 3, "conan thám tử lừng danh": 20, "one piece": 1}
    with posing.server() as served:
        chosen = tiers(tmp_path, MODEL, posing.gemini(served))
        before = estimate(distinct_keys(rows.items()).asked, chosen, store, {}, tmp_path)
        assert [bill.to_ask for bill in before] == [3, 1]
        keys = distinct_keys(rows.items())
        answer_keys(keys, chosen, store, {}, tmp_path, posing.as_written)
        assert [key for record in served.records for key in record.keys if key not in posing.CANARIES] == ["one piece"]
        assert [answer.status for answer in known_answers(keys.asked, chosen, store, {})] == ["ok"] * 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Beginnings(min_rows=0), "`min_rows: 0` is out of range"),
        (Beginnings(min_agreement=Percent(0.5)), "`min_agreement: 50%` is out of range"),
        (Beginnings(min_agreement=Percent(1.1)), "`min_agreement: 110%` is out of range"),
    ],
)
def test_a_setting_out_of_range_is_a_mistake(settings: Beginnings, message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        tiers(tmp_path, Catalogue(titles="titles.csv", beginnings=settings))
    assert (caught.value.cause, caught.value.message) == ("setup", message)


def test_other_settings_are_another_question_and_none_keeps_what_is_known(tmp_path: Path) -> None:
    (tmp_path / "titles.csv").write_text(TITLES, encoding="utf-8")
    plain = Catalogue(titles="titles.csv").identity(tmp_path, posing.as_written)
    chosen = MODEL.identity(tmp_path, posing.as_written)
    assert chosen == {**plain, "beginnings": "20 rows, 0.8"}


EXAMPLE = """
```yaml
steps:
  shown:
    - from: searches
    - enrich: {key: keyword, prompt: small, model: titles}
    - select: [keyword, category]
```

```csv etlrun.yaml
profiles:
  local:
    engine: {duckdb: {}}
    models: {titles: {catalogue: {titles: titles.csv, beginnings: {min_rows: 2, min_agreement: 60%}}}}
```

```rows
searches: {keyword: string}
| keyword     |
| runn        |
| Runn        |
| running man |
| Running MAN |
| run         |
| null        |
->
| keyword     | category |
| runn        | Action   |
| Runn        | Action   |
| running man | Action   |
| Running MAN | Action   |
| run         | null     |
| null        | null     |
```
"""


def test_both_engines_give_the_same_rows(spark: Any, duck: Any, tmp_path: Path) -> None:
    (given,) = examples(EXAMPLE)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "small.md").write_text(posing.TEXT, encoding="utf-8")
    (tmp_path / "titles.csv").write_text(TITLES, encoding="utf-8")
    for bench in both(spark, duck, tmp_path, given):
        declared = bench.plan.relation("shown").columns
        assert bench.rows("shown").rows == in_order(given.outcome.rows(declared))
