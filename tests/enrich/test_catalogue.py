"""The catalogue: it answers what it knows, says why, and is silent about the rest."""

from __future__ import annotations

from pathlib import Path

import posing
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etlrun.contracts.model import Finder
from etlrun.diagnostics import SpecError
from etlrun.models._catalogue import is_one_edit
from etlrun.models.catalogue import Catalogue
from etlrun.spec.outputs import LabelOutput

TITLES = """\
title,category
sao băng,K Drama
yêu tinh,K Drama
thanh gươm diệt quỷ,Comedy
one piece,Comedy
penthouse,K Drama
penthouse 2,K Drama
running man,Action
anna,Romance
taxi,Action
taxi driver,K Drama
"lửa, chiến",Action
phim ma,Other
"""


def catalogue(folder: Path, titles: str = TITLES, **settings: bool) -> Finder:
    (folder / "titles.csv").write_text(titles, encoding="utf-8")
    return Catalogue(titles="titles.csv", **settings).open(folder, posing.prompt().outputs)


@pytest.fixture
def finder(tmp_path: Path) -> Finder:
    return catalogue(tmp_path)


@pytest.mark.parametrize(
    ("text", "label", "reason"),
    [
        ("Sao Băng", "K Drama", "is the title `sao băng`"),
        ("sao bang", "K Drama", "is the title `sao băng`"),
        ("sao  băng!", "K Drama", "is the title `sao băng`"),
        ("onepiece", "Comedy", "is, apart from spaces, the title `one piece`"),
        ("phim sao băng tập 12", "K Drama", "contains the title `sao băng`"),
        ("penthouse 2 tập 3", "K Drama", "contains the title `penthouse 2`"),
        ("taxi driver 2", "K Drama", "contains the title `taxi driver`"),
        ("running mann", "Action", "is, apart from one letter, the title `running man`"),
        ("runing man", "Action", "is, apart from one letter, the title `running man`"),
        ("rnuning man", "Action", "is, apart from one letter, the title `running man`"),
        ("thanh gươm diệt quỹ", "Comedy", "is, apart from one accent, the title `thanh gươm diệt quỷ`"),
        ("lua chien", "Action", "is the title `lửa, chiến`"),
    ],
)
def test_a_title_is_found_and_the_answer_says_how(finder: Finder, text: str, label: str, reason: str) -> None:
    found = finder.find(text)
    assert found is not None
    assert (found.answer, found.reason) == ({"category": label}, reason)


@pytest.mark.parametrize(
    "text",
    [
        "yêu tình",  # love, not the goblin
        "anh hùng anna và những người bạn",
        "bananna",
        "an na",
        "penthouse x hai ba bốn năm",
        "taxy",
        "running men xyz",
        "phim",
        "ma",
        "",
        "sao",
        "băng sao",
        "piece",
        "tôi đi xem taxi ở đâu đó",
    ],
)
def test_what_it_does_not_know_it_leaves_alone(finder: Finder, text: str) -> None:
    assert finder.find(text) is None


def test_titles_that_differ_in_accents_only_answer_only_what_is_plain(tmp_path: Path) -> None:
    finder = catalogue(tmp_path, "title,category\nyêu tinh,K Drama\nyêu tình,Romance\n")
    assert finder.find("yeu tinh") is None
    found = finder.find("yêu tình")
    assert found is not None
    assert found.answer == {"category": "Romance"}


def test_typos_can_be_left_to_others(tmp_path: Path) -> None:
    assert catalogue(tmp_path, typos=False).find("runing man") is None


@given(st.text(max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    (found,) = [FINDER.find(text)]
    assert found is None or found.answer["category"] in posing.LABELS


@pytest.mark.parametrize(
    ("one", "other", "is_one"),
    [
        ("naruto", "naruto", True),
        ("naruto", "narutoo", True),
        ("naruto", "nartuo", True),
        ("naruto", "nxruto", True),
        ("naruto", "nxxuto", False),
        ("part2", "part3", False),
        ("part2", "part", False),
        ("", "a", True),
        ("ab", "ba", True),
    ],
)
def test_one_letter_is_one_letter(one: str, other: str, is_one: bool) -> None:
    assert (is_one_edit(one, other), is_one_edit(other, one)) == (is_one, is_one)


@pytest.mark.parametrize(
    ("titles", "expected"),
    [
        (
            "title,category\nx y,Actoin\n",
            (2, 5, "unknown-label", "`Actoin` is not one of the labels", "did you mean `Action`?"),
        ),
        (
            "title,catgory\nx y,Action\n",
            (1, 7, "unknown-column", "there is no output `catgory`", "did you mean `category`?"),
        ),
        (
            "title,category\nx y,Action,more\n",
            (2, 1, "wrong-value", "2 cells are expected here, not 3", 'put a cell with a comma into quotes: "a, b"'),
        ),
        (
            "title,category\nX y,Action\nx  Y,Action\n",
            (3, 1, "duplicate-name", "`x  Y` is defined twice (first in line 2)", "remove one of them"),
        ),
        ("title,category\n,Action\n", (2, 1, "wrong-value", "the key is empty", "remove the line")),
        (
            'title,category\n"x y,Action\n',
            (2, 1, "wrong-value", "this is not CSV: unexpected end of data", "check the quotes"),
        ),
    ],
)
def test_a_mistake_in_the_file_stands_in_its_line(
    tmp_path: Path, titles: str, expected: tuple[int, int, str, str, str]
) -> None:
    with pytest.raises(SpecError) as caught:
        catalogue(tmp_path, titles)
    assert expected in [
        (found.line, found.column, found.code, found.message, found.fix) for found in caught.value.diagnostics
    ]


def test_another_list_of_titles_is_another_question(tmp_path: Path) -> None:
    model = Catalogue(titles="titles.csv")
    catalogue(tmp_path)
    before = model.identity(tmp_path, posing.as_written)
    catalogue(tmp_path, TITLES + "naruto,Comedy\n")
    assert model.identity(tmp_path, posing.as_written) != before


def test_the_list_of_the_project_fits_its_prompt() -> None:
    from etlrun.spec.prompts import load_prompt

    root = Path(__file__).parents[2]
    prompt = load_prompt(root, "keyword_category")
    assert prompt is not None
    finder = Catalogue(titles="mappings/titles.csv").open(root, prompt.outputs)
    found = finder.find("sao bang")
    assert found is not None
    assert isinstance(prompt.outputs[0], LabelOutput)
    assert found.answer["category"] in prompt.outputs[0].labels


WORDS = """\
word,category
hài,Comedy
hàn quốc,K Drama
hàn,K Drama
hoạt hình,Other
bóng đá,Sports
vtv,Other
ma,Action
"""


@pytest.mark.parametrize(
    ("text", "label", "reason"),
    [
        ("phim hài", "Comedy", "is about `hài`"),
        ("phim hai", "Comedy", "is about `hài`"),
        ("Phim Hàn Quốc full HD", "K Drama", "is about `hàn quốc`"),
        ("phim hoạt hình 2022", "Other", "is about `hoạt hình`"),
        ("bóng đá trực tiếp", "Sports", "is about `bóng đá`"),
        ("vtv", "Other", "is about `vtv`"),
        ("vtv3 trực tiếp", "Other", "is about `vtv`"),
        ("vtv 3", "Other", "is about `vtv`"),
        ("phim ma", "Other", "is the title `phim ma`"),
        ("sao băng hài", "K Drama", "contains the title `sao băng`"),
    ],
)
def test_a_word_of_a_genre_or_a_channel_answers_for_a_key_that_says_nothing_else(
    tmp_path: Path, text: str, label: str, reason: str
) -> None:
    found = _with_words(tmp_path).find(text)
    assert found is not None
    assert (found.answer["category"], found.reason) == (label, reason)


@pytest.mark.parametrize(
    "text",
    [
        "phim hài tết",
        "bóng",
        "vt",
        "v3",
        "hai",
        "ma",
        "ma 2",
        "hải",
        "má",
        "mạ",
        "vtvcab",
        "hài hàn",
        "hài hàn quốc",
        "phim",
        "2022",
    ],
)
def test_a_word_beside_others_or_begun_or_with_another_accent_answers_nothing(tmp_path: Path, text: str) -> None:
    assert _with_words(tmp_path).find(text) is None


def test_words_change_what_is_asked_and_their_absence_keeps_what_is_known(tmp_path: Path) -> None:
    _with_words(tmp_path)
    without = Catalogue(titles="titles.csv").identity(tmp_path, posing.as_written)
    with_words = Catalogue(titles="titles.csv", words="words.csv").identity(tmp_path, posing.as_written)
    assert without == {name: value for name, value in with_words.items() if name != "words"}
    assert set(with_words) == {"provider", "titles", "typos", "method", "words"}


def _with_words(folder: Path) -> Finder:
    (folder / "titles.csv").write_text(TITLES, encoding="utf-8")
    (folder / "words.csv").write_text(WORDS, encoding="utf-8")
    return Catalogue(titles="titles.csv", words="words.csv").open(folder, posing.prompt().outputs)


def _finder() -> Finder:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return catalogue(Path(folder))


FINDER = _finder()
