"""Whatever a file holds, checking it ends in diagnostics that stand inside their lines, never in a crash."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from commanding import etlrun
from etlrun.compiler.cases import check_cases
from etlrun.compiler.producers import check_file
from etlrun.diagnostics import Diagnostic, SpecError

PROJECT = Path(__file__).parent.parent / "errors" / "project"
ROOT = PROJECT.parent.parent.parent
SOUND = (PROJECT / "pipelines" / "sound.yaml").read_text(encoding="utf-8")
GOOD = (
    SOUND,
    *((ROOT / "pipelines" / f"{name}.yaml").read_text(encoding="utf-8") for name in ("interaction", "behavior")),
)
TESTS = tuple(path.read_text(encoding="utf-8") for path in sorted((ROOT / "pipelines").glob("*.test.yaml")))
FRAGMENTS = (
    "- from: views",
    "- filter: seconds >",
    "  - top: {n: $least}",
    "- sql: select * from",
    "params: {x: {type: month}}",
    "? a",
    "*a",
    "&a [*a]",
    "!!set {a}",
    "<<: {a: 1}",
    "{{{",
    "]",
    "'",
    '"',
    "|",
    "\t",
    "\x00",
    "\x85",
    "\u2028",
    "🎬",
    "e\u0301",
    "columns: null",
    "- ",
    "null",
    "- labels: {over: x}",
    "- aggregate: {pivot: {column: type, labels: nothing, value: sum(1)}}",
    "- argmax: {over: totals, as: totals}",
    "$month: $month",
    "data: $data",
    "- derive: {a: \"$least '$least'\", b: ((((}",
    "- join: {with: views, on: {contract: }}",
    "- python: {function: 'x:y'}",
    "\ufeff",
    "---",
    "...",
    "%YAML 1.1",
)


@st.composite
def broken_specs(draw: st.DrawFn, good: tuple[str, ...] = GOOD) -> bytes:
    """A good spec with a few lines deleted, doubled, moved, replaced or spoilt."""
    lines = draw(st.sampled_from(good)).split("\n")
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        change = draw(st.sampled_from(("delete", "double", "move", "replace", "insert", "cut", "indent", "characters")))
        if change == "delete" and len(lines) > 1:
            del lines[at]
        elif change == "double":
            lines.insert(at, lines[at])
        elif change == "move":
            lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
        elif change == "replace":
            lines[at] = draw(st.sampled_from(FRAGMENTS))
        elif change == "insert":
            lines.insert(at, " " * draw(st.integers(0, 8)) + draw(st.sampled_from(FRAGMENTS)))
        elif change == "cut":
            lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
        elif change == "indent":
            lines[at] = " " * draw(st.integers(1, 3)) + lines[at]
        else:
            place = draw(st.integers(0, len(lines[at])))
            lines[at] = lines[at][:place] + draw(st.text(max_size=4)) + lines[at][place:]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(broken_specs())
@example(b"")
@example(b"\xff\xfe")
@example(b"pipeline: x\nsources: {a: {}}\n")
@example(b"pipeline: x\nsources: {views: {parquet: {path: x, columns: {}}}}\n")
def test_a_broken_spec_gives_diagnostics_inside_their_lines(project: Path, text: bytes) -> None:
    for found in diagnostics(project, text):
        assert 1 <= found.line <= text.count(b"\n") + text.count(b"\r") + text.count("\u2028".encode()) + 1
        assert 1 <= found.column < found.end_column
        assert found.column <= len(found.source) + 1
        assert found.message
        assert found.message.strip() == found.message


@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(broken_specs(TESTS))
@example(
    b"pipeline: behavior\ntests: [{name: a, expect: {behavior: [{}]}, given: {searches: [{}, {date: }]}, enrich: {keyword_category: {a: {}}}}]\n"
)
@example(b"pipeline: ../behavior\ntests: [1]\n")
def test_a_broken_test_gives_diagnostics_inside_their_lines(tmp_path: Path, text: bytes) -> None:
    for folder in ("pipelines", "prompts", "mappings"):
        shutil.copytree(ROOT / folder, tmp_path / folder, dirs_exist_ok=True)
    shutil.copy(ROOT / "etlrun.yaml", tmp_path)
    path = tmp_path / "pipelines" / "behavior.test.yaml"
    path.write_bytes(text)
    try:
        found = check_cases(path).warnings
    except SpecError as error:
        found = error.diagnostics
    for diagnostic in found:
        assert 1 <= diagnostic.column < diagnostic.end_column
        assert diagnostic.column <= len(diagnostic.source) + 1
        assert diagnostic.message.strip() == diagnostic.message != ""


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.integers(0, len(SOUND)))
def test_random_bytes_give_diagnostics(project: Path, noise: bytes, at: int) -> None:
    sound = SOUND.encode()
    assert all(found.file.endswith(".yaml") for found in diagnostics(project, sound[:at] + noise + sound[at:]))


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (b"", "wrong-value", "a mapping `key: value` is expected here, not nothing"),
        (b"\n\n# nothing but a comment\n", "wrong-value", "a mapping `key: value` is expected here, not nothing"),
        (b"- a\n- b\n", "wrong-value", "a mapping `key: value` is expected here, not a list"),
        (b"pipeline: \x00x\n", "yaml-syntax", "the file contains a control character"),
        (SOUND.encode("utf-16"), "yaml-syntax", "the file is not UTF-8 (byte 0)"),
        (SOUND.encode() + b"# \xe9t\xe9\n", "yaml-syntax", f"the file is not UTF-8 (byte {len(SOUND.encode()) + 2})"),
        (SOUND.encode() + b"# " + b"x" * 1_000_000, "yaml-not-allowed", "the file is larger than 1,000,000 bytes"),
        (b"pipeline: " + b"[" * 60 + b"]" * 60, "yaml-not-allowed", "the file has more than 50 levels"),
        (b"pipeline: " + b"{a: " * 5000 + b"}" * 5000, "yaml-not-allowed", "the file has more than 50 levels"),
        (b"a: 1\n---\nb: 2\n", "yaml-not-allowed", "a file can have only one document"),
    ],
    ids=["empty", "only-a-comment", "a-list", "nul", "utf-16", "latin-1", "huge", "deep", "very-deep", "two-documents"],
)
def test_a_text_that_is_no_spec_is_refused_in_words(project: Path, text: bytes, code: str, message: str) -> None:
    first = diagnostics(project, text)[0]
    assert (first.code, first.message) == (code, message)


def test_a_spec_that_is_too_large_says_what_to_leave_out(project: Path) -> None:
    columns = ", ".join(f"c{number}: int" for number in range(100_000))
    (found,) = diagnostics(
        project, f"pipeline: p\nsources: {{s: {{csv: {{path: a.csv, columns: {{{columns}}}}}}}}}\n".encode()
    )
    assert found.fix == "divide it into several files; of a source, declare only the columns that are used"


@pytest.mark.parametrize(
    "text", [b"\xef\xbb\xbf" + SOUND.encode(), SOUND.replace("\n", "\r\n").encode()], ids=["bom", "windows"]
)
def test_a_spec_from_a_windows_editor_is_sound(project: Path, text: bytes) -> None:
    assert diagnostics(project, text) == []


@pytest.mark.parametrize(("before", "newline"), [(b"", "\n"), (b"\xef\xbb\xbf", "\n"), (b"", "\r\n"), (b"", "\r")])
def test_a_mistake_stands_at_the_same_place_whatever_ends_the_lines(project: Path, before: bytes, newline: str) -> None:
    text = SOUND.replace("app_content", "app_contents")
    (found,) = diagnostics(project, before + text.replace("\n", newline).encode())
    assert (found.line, found.column, found.end_column) == (7, 34, 46)
    assert found.source == "    - lookup: {column: app, map: app_contents, as: type, unmatched: drop}"


def test_a_character_beyond_the_first_plane_is_one_column_wide(project: Path) -> None:
    text = SOUND.replace("- from: views", "- from: views  # 🎬").replace("{column: app,", "{column: 🎬 app,")
    (found,) = diagnostics(project, text.encode())
    assert found.source[found.column - 1 : found.end_column - 1] == "🎬 app"


@pytest.mark.parametrize("name", ["etlrun.yaml", "mappings/app_content.yaml"])
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"[]",
        b"a: {b: {c: d}}",
        b"a: [1, [2]]",
        b"profiles: {local: {engine: {spark: {memory: $x}}}}",
        b"profiles: 1",
    ],
)
def test_a_broken_file_beside_the_pipeline_is_told_of_in_its_own_name(project: Path, name: str, text: bytes) -> None:
    sound = (project / name).read_bytes()
    (project / name).write_bytes(text)
    outcome = etlrun(project, "check", "pipelines/sound.yaml")
    (project / name).write_bytes(sound)
    assert outcome.code in (0, 2)
    assert all(
        line.startswith((name, "pipelines/sound.yaml")) for line in outcome.out.splitlines() if line[:1].isalpha()
    )


def diagnostics(project: Path, text: bytes) -> list[Diagnostic]:
    path = project / "pipelines" / "broken.yaml"
    path.write_bytes(text)
    try:
        return [found for found in check_file(path).warnings if found.severity == "error"]
    except SpecError as error:
        return list(error.diagnostics)
