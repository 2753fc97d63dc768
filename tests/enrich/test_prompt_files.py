"""Prompt files: what is read, and where each mistake is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import posing
import pytest

from etlrun.diagnostics import SpecError
from etlrun.spec.outputs import LabelOutput, LabelsOutput, NotAllowed, NumberOutput, Text, Truth
from etlrun.spec.prompts import load_prompt, parse_prompt, prompt_names, read_prompt

PROJECT = Path(__file__).parents[2]
MANY = """\
---
task: Say what it is.
output:
  genre: {about: the genre, labels: {Film: films, Show: shows}}
  country: {string: {max: 20, pattern: "[A-Z][a-z]+"}}
  sure: {number: {min: 0, max: 1}}
  adult: {boolean: true}
  moods: {many: true, labels: {Sad: tears, Fun: laughs, Slow: time}}
examples:
  - {key: sao băng, genre: Film, country: Korea, sure: 0.9, adult: false, moods: [Slow, Sad]}
canaries:
  - {key: doraemon, adult: false}
---
Be brief.
"""


def mistakes(text: str) -> list[tuple[int, int, str, str]]:
    with pytest.raises(SpecError) as caught:
        parse_prompt(text, "p", "prompts/p.md")
    assert {found.file for found in caught.value.diagnostics} == {"prompts/p.md"}
    return [(found.line, found.column, found.code, found.message) for found in caught.value.diagnostics]


def test_every_type_of_answer_is_read() -> None:
    prompt = parse_prompt(MANY, "p", "prompts/p.md")
    assert [type(output) for output in prompt.outputs] == [LabelOutput, Text, NumberOutput, Truth, LabelsOutput]
    assert prompt.examples[0].answer == {
        "genre": "Film",
        "country": "Korea",
        "sure": 0.9,
        "adult": False,
        "moods": "Sad|Slow",
    }
    assert prompt.canaries[0].answer == {"adult": False}
    assert prompt.instructions == "Be brief."


def test_no_pattern_takes_more_than_a_moment() -> None:
    country = parse_prompt(MANY.replace('"[A-Z][a-z]+"', '"(a+)+$"', 1).replace("Korea", "aaa"), "p", "p.md").outputs[1]
    assert country.read("a" * 20) == "a" * 20
    assert isinstance(country, Text)
    with pytest.raises(NotAllowed):
        replace(country, max=200).read("a" * 199 + "!")


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p.md"
    path.write_bytes(b"\xef\xbb\xbf" + MANY.replace("\n", "\r\n").encode())
    assert read_prompt(path) == parse_prompt(MANY, "p", "p.md")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("task:", "tusk:", (2, 1, "unknown-key", "`tusk` is not a key of a prompt")),
        ("Film: films,", "Film: '',", (4, 44, "wrong-value", "`Film` has no description")),
        ("Show: shows", "film: shows", (4, 57, "duplicate-name", "`film` and `Film` differ in spelling only")),
        ("{boolean: true}", "{}", (7, 3, "wrong-value", "`adult` does not define its answers")),
        ("max: 20", "max: 900", (5, 27, "wrong-value", "a text answer can have 1 to 200 characters")),
        ("min: 0,", "min: 2,", (6, 32, "wrong-value", "`max` must be larger than `min`")),
        ("genre: Film,", "genre: Fim,", (10, 28, "unknown-label", "`Fim` is not one of the labels")),
        ("country: Korea", "country: korea", (10, 43, "wrong-value", "`korea` is not of the wanted form")),
        ("sure: 0.9", "sure: 9", (10, 56, "wrong-value", "`9` is not between 0 and 1")),
        ("sure: 0.9, ", "", (10, 5, "missing-key", "the answer for `sure` is missing")),
        ("[Slow, Sad]", "[Slow, Sd]", (10, 82, "unknown-label", "`Sd` is not one of the labels")),
        ("[Slow, Sad]", "[]", (10, 82, "wrong-value", "this must not be empty")),
        (
            "{many: true, labels: {Sad:",
            "{many: true, labels: {S|d:",
            (8, 37, "wrong-value", "`S|d` contains `|`, which separates labels"),
        ),
        ("{boolean: true}", "{boolean: true, many: true}", (7, 32, "wrong-value", "`many` belongs to `labels`")),
        (
            "key: doraemon",
            "key: [doraemon, naruto]",
            (12, 11, "wrong-value", "`key` must be one text, not a list"),
        ),
        (
            "max: 1}",
            "max: 1, tolerance: 1}",
            (6, 46, "wrong-value", "a tolerance must be 0 or more, and less than `max` minus `min`"),
        ),
        ("doraemon", "Sao  Băng", (12, 11, "duplicate-name", "`Sao Băng` is also an example")),
        ("doraemon", "0912345678", (12, 11, "wrong-value", "no model is ever asked about the key `0912345678`")),
        ("adult: false}\n---", "adlt: false}\n---", (12, 21, "unknown-column", "there is no output `adlt`")),
        ("  genre:", "  i:", (4, 3, "bad-name", "`i` cannot be the name of an output")),
        (
            '"[A-Z][a-z]+"',
            '"("',
            (
                5,
                40,
                "wrong-value",
                "a group is not closed, at character 2 of the pattern",
            ),
        ),
        (
            '"[A-Z][a-z]+"',
            "'(?=K)\\w+'",
            (5, 40, "wrong-value", "`(?=` differs between engines, at character 1 of the pattern"),
        ),
        (
            '"[A-Z][a-z]+"',
            '"' + "[à-ỹ]{1000}" * 100 + '"',
            (5, 40, "wrong-value", "the pattern is too large, at character 1 of the pattern"),
        ),
    ],
)
def test_each_mistake_stands_under_its_word(old: str, new: str, expected: tuple[int, int, str, str]) -> None:
    assert old in MANY
    assert expected in mistakes(MANY.replace(old, new, 1))


def test_a_file_without_front_matter_says_how_to_begin() -> None:
    assert mistakes("Be brief.") == [(1, 1, "missing-key", "the file does not begin with a front matter")]
    assert mistakes("---\ntask: x\n") == [(1, 1, "missing-key", "the file does not begin with a front matter")]


def test_instructions_that_cost_too_much_are_refused() -> None:
    ((*_, code, message),) = mistakes(MANY + "x" * 20_001)
    assert code == "wrong-value"
    assert message.startswith("the instructions, which are the text below the second `---`, have 20,0")


def test_the_prompt_of_the_project_has_the_fourteen_categories() -> None:
    prompt = load_prompt(PROJECT, "keyword_category")
    assert prompt is not None
    (category,) = prompt.outputs
    assert isinstance(category, LabelOutput)
    assert list(category.labels) == [
        "Action",
        "Romance",
        "Comedy",
        "Horror",
        "Animation",
        "Drama",
        "C Drama",
        "K Drama",
        "Sports",
        "Music",
        "Reality Show",
        "TV Channel",
        "News",
        "Other",
    ]
    assert {example.answer["category"] for example in prompt.examples} == set(category.labels)
    assert len(prompt.canaries) >= 2


def test_a_prompt_is_found_by_name_only() -> None:
    assert "keyword_category" in prompt_names(PROJECT)
    assert load_prompt(PROJECT, "../prompts/keyword_category") is None
    assert load_prompt(PROJECT, "absent") is None


def test_the_small_prompt_of_these_tests_is_a_prompt() -> None:
    assert tuple(posing.prompt().outputs[0].labels) == posing.LABELS  # type: ignore[attr-defined]
