"""What `etlrun check` writes for machines: JSON, annotations of GitHub Actions, and SARIF."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from jsonschema import Draft7Validator

from commanding import etlrun
from etlrun.diagnostics import CODES, Diagnostic, format_github, format_json, format_sarif, format_text

BROKEN = """\
pipeline: broken
sources:
  views: {parquet: {path: $data/views, columns: {contract: string, Loại: string}}}
steps:
  totals:
    - from: views
    - filter: Loại = '🎬' and contrct <> '0'
  loose:
    - from: views
sinks:
  out: {table: {from: totals, connection: warehouse, write: replace}}
"""
UNUSED = BROKEN.replace("contrct", "contract")

# The parts of SARIF 2.1.0 that we write, and what it demands of them.
NUMBER = {"type": "integer", "minimum": 1}
TEXT = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string", "minLength": 1}},
    "additionalProperties": False,
}
REGION = {
    "type": "object",
    "required": ["startLine", "startColumn", "endColumn"],
    "additionalProperties": False,
    "properties": {"startLine": NUMBER, "startColumn": NUMBER, "endColumn": NUMBER},
}
PLACE = {
    "type": "object",
    "required": ["artifactLocation", "region"],
    "additionalProperties": False,
    "properties": {
        "artifactLocation": {
            "type": "object",
            "required": ["uri"],
            "properties": {"uri": {"type": "string", "pattern": r"^[\w./%~-]+$"}},
        },
        "region": REGION,
    },
}
RESULT = {
    "type": "object",
    "required": ["ruleId", "level", "message", "locations"],
    "additionalProperties": False,
    "properties": {
        "ruleId": {"enum": list(CODES)},
        "level": {"enum": ["error", "warning"]},
        "message": TEXT,
        "locations": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {"type": "object", "required": ["physicalLocation"], "properties": {"physicalLocation": PLACE}},
        },
    },
}
RULE = {
    "type": "object",
    "required": ["id", "shortDescription"],
    "properties": {"id": {"enum": list(CODES)}, "shortDescription": TEXT},
}
DRIVER = {
    "type": "object",
    "required": ["name", "rules"],
    "properties": {"name": {"const": "etlrun"}, "rules": {"type": "array", "items": RULE, "uniqueItems": True}},
}
RUN = {
    "type": "object",
    "required": ["tool", "results", "columnKind"],
    "additionalProperties": False,
    "properties": {
        "tool": {"type": "object", "required": ["driver"], "properties": {"driver": DRIVER}},
        "columnKind": {"const": "unicodeCodePoints"},  # SARIF counts UTF-16 units where nothing is said
        "results": {"type": "array", "items": RESULT},
    },
}
SARIF = {
    "type": "object",
    "required": ["$schema", "version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": RUN, "minItems": 1, "maxItems": 1},
    },
}


def one(**given: Any) -> Diagnostic:
    return Diagnostic(
        **{"file": "a.yaml", "line": 3, "column": 5, "end_column": 9, "code": "syntax", "message": "no", **given}
    )


def test_json_gives_every_field_of_every_mistake_in_the_order_of_the_file(project: Path) -> None:
    (project / "pipelines" / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    outcome = etlrun(project, "check", "--format", "json", "pipelines/broken.yaml")
    assert json.loads(outcome.out) == [
        {
            "file": "pipelines/broken.yaml",
            "line": 7,
            "column": 30,
            "end_column": 37,
            "code": "unknown-column",
            "severity": "error",
            "message": "there is no column `contrct` here",
            "fix": "did you mean `contract`?",
        }
    ]
    assert (outcome.err, outcome.code) == ("", 2)


@pytest.mark.parametrize(("form", "nothing"), [("json", []), ("sarif", [])])
def test_without_a_mistake_the_machine_forms_are_whole_all_the_same(project: Path, form: str, nothing: object) -> None:
    outcome = etlrun(project, "check", "--format", form)
    found = json.loads(outcome.out)
    assert (found["runs"][0]["results"] if form == "sarif" else found) == nothing
    assert outcome.code == 0


def test_github_gets_one_command_a_mistake(project: Path) -> None:
    (project / "pipelines" / "broken.yaml").write_text(UNUSED, encoding="utf-8")
    outcome = etlrun(project, "check", "--format", "github", "pipelines/broken.yaml")
    place = "file=pipelines/broken.yaml,line=8,col=3,endColumn=8"
    assert (
        outcome.out
        == f"::warning {place},title=unused::nothing reads or publishes `loose` (remove it, or add a sink)\n"
    )
    assert outcome.code == 0


def test_github_commands_cannot_be_broken_out_of() -> None:
    text = format_github([one(file="a,b:c%.yaml", message="50%\r\n::error ::x", fix="")])
    assert text == "::error file=a%2Cb%3Ac%25.yaml,line=3,col=5,endColumn=9,title=syntax::50%25%0D%0A::error ::x"


def test_sarif_is_what_code_scanning_reads(project: Path) -> None:
    (project / "pipelines" / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    log = json.loads(etlrun(project, "check", "--format", "sarif").out)
    assert list(Draft7Validator(SARIF).iter_errors(log)) == []
    (result,) = log["runs"][0]["results"]
    assert result["ruleId"] == "unknown-column"
    assert result["message"]["text"] == "there is no column `contrct` here. did you mean `contract`?"
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 7, "startColumn": 30, "endColumn": 37}


def test_sarif_holds_for_every_code_and_any_name_of_a_file() -> None:
    log = json.loads(format_sarif([one(code=code, file="a dir/tên #1.yaml") for code in CODES]))
    assert list(Draft7Validator(SARIF).iter_errors(log)) == []
    assert [rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]] == sorted(CODES)
    assert (
        unquote(log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])
        == "a dir/tên #1.yaml"
    )


def test_a_secret_written_out_is_shown_in_no_form(project: Path) -> None:
    text = "profiles: {local: {engine: {duckdb: {}}, models: {m: {gemini: {model: m, api_key: hunter2-hunter2}}}}}\n"
    (project / "etlrun.yaml").write_text(text)
    for form in ("text", "json", "github", "sarif"):
        outcome = etlrun(project, "check", "--format", form)
        assert "secret-literal" in outcome.out
        assert "hunter2" not in outcome.out + outcome.err


@pytest.mark.parametrize(
    ("source", "column", "end", "caret"),
    [
        ("\tab: cd", 6, 8, "\t    ^^"),
        ("ab: cd", 5, 99, "    ^^"),
        ("ab:", 4, 5, "   ^"),
        ("Loại: sai", 7, 10, "      ^^^"),
        ("Loa\u0323i: sai", 8, 11, "      ^^^"),
        ("片: ab", 4, 6, "    ^^"),
        ("'🎬': 片名", 6, 8, "      ^^^^"),
    ],
    ids=["tab", "past-the-end", "behind-the-end", "vietnamese", "combining", "wide", "wide-word"],
)
def test_the_caret_stands_under_the_word_as_a_terminal_shows_it(source: str, column: int, end: int, caret: str) -> None:
    shown = format_text([one(source=source, column=column, end_column=end)]).split("\n")
    assert shown[1] == f"    3 | {source}"
    assert shown[2] == f"        {caret}"


def test_no_text_of_a_spec_moves_the_cursor_of_a_terminal() -> None:
    hostile = "a\x1b[2Jb\u202ec\x07"
    text = format_text([one(message=hostile, fix=hostile, source=hostile, column=1, end_column=3)])
    assert [character for character in text if not character.isprintable() and character != "\n"] == []
    assert text.count("a\\u001b[2Jb\\u202ec\\u0007") == 2  # the message and the fix spell what is hidden
    assert text.count("a\ufffd[2Jb\ufffdc\ufffd") == 1  # the line keeps its width, so that the caret keeps its place


def test_json_keeps_letters_as_they_are() -> None:
    assert "`Loại`" in format_json([one(message="there is no column `Loại` here")])
