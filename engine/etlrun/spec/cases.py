"""Tests of a pipeline: input rows and the expected output rows.

A file `NAME.test.yaml` contains the tests of one pipeline. `etlrun test` runs them in memory; it uses no network and
reads none of the pipeline's sources.

```yaml
pipeline: sales                                # pipelines/sales.yaml, or sales.yaml next to this file
tests:
  - name: a shop that sold nothing is left out
    set: {least: 1}
    given:
      sales:
        - {shop: Hanoi, units: 3}
        - {shop: Hue, units: 0}
    expect:
      totals:
        - {shop: Hanoi, units: 3}
```

`given` replaces the rows of a source, or of a chain, which is then not computed. Every source that the result depends
on must be given; `[]` means no rows. A column that a row leaves out is null.

`expect` lists all rows of a relation, in any order; a row that occurs twice must be listed twice. Only columns that
occur in at least one expected row are compared. If an expected row leaves out such a column, its value must be null.
`[]` expects no rows, and `[{}, {}]` any two rows. Numbers of type `float` and `double` may differ by rounding; all
other values must be the same.

Write values in the type of their column: `2022-04-30` for a date, `2022-04-30 20:15:00` for a timestamp, `[a, b]` for
an array, `{a: 1}` for a struct, `0x48656c` for binary. In a string column, `20220401` needs no quotes; the text `null`
does.

`enrich` gives the answers of models: the test calls no model, and does not use the overrides or the label store. The
test fails if the pipeline asks for a key that is not listed. `null` means that no model knows the answer. In the column
`source`, the source of these answers is `test`.

```yaml
    enrich:
      keyword_category:                        # the prompt
        vtv3: {category: TV Channel}
        asdfgh: null
```

`checks` gives the expected result of a check: `holds` or `fails`, whatever its severity. If a relation has several
checks of one kind, `holds` means all of them and `fails` at least one.

```yaml
    checks:
      totals: {unique: holds, not_null: fails}
```

`etlrun test --update` writes the actual rows into the `expect` of failing tests, and changes nothing else in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from etlrun.diagnostics import Diagnostic, SpecError
from etlrun.spec.editor_schema import editor_text
from etlrun.spec.fields import AnswerRow, Described, Rows, Scalar, Schema, key, schema_of_class
from etlrun.spec.located import Document, Keys
from etlrun.spec.project import Project
from etlrun.spec.project_file import FILES
from etlrun.spec.schema import located_mistakes
from etlrun.spec.yaml_reader import read_document

SUFFIXES = (".test.yaml", ".test.yml")
Finding = Literal["holds", "fails"]


@dataclass(frozen=True)
class Case(Described):
    """One test. `where` is its place in the file."""

    name: str = key("what the test shows, in words; `-k TEXT` selects tests by name")
    description: str = key("a longer description", default="", example="the rule that the shops agreed on in May")
    set_: Mapping[str, Scalar] = key("the values of params, like `--set`", yaml="set", factory=dict)
    given: Mapping[str, Rows] = key(
        "the input rows of a source; or of a chain, which is then not computed", factory=dict
    )
    enrich: Mapping[str, Mapping[str, AnswerRow | None]] = key(
        "the answers of models: prompt: key: `{output: value}`, or null if no model knows the answer", factory=dict
    )
    expect: Mapping[str, Rows] = key("the expected rows of a relation", factory=dict)
    checks: Mapping[str, Mapping[str, Finding]] = key(
        "the expected results of checks: relation: check: `holds` or `fails`", factory=dict
    )
    where: Keys = field(default=(), kw_only=True)


@dataclass(frozen=True)
class CaseFile(Described):
    """A file of tests; tests with mistakes of form are left out and reported in `mistakes`."""

    pipeline: str = key("the pipeline to test: its file name in pipelines/, without `.yaml`")
    tests: tuple[Case, ...] = key("the tests; each needs its own name")
    path: Path = field(default=Path(), kw_only=True)
    document: Document = field(kw_only=True)
    mistakes: tuple[Diagnostic, ...] = field(default=(), kw_only=True)


def is_case_file(path: Path) -> bool:
    """Whether a file is a file of tests, by its name."""
    return path.name.endswith(SUFFIXES)


def is_pipeline_file(path: Path) -> bool:
    """Whether a YAML file in a folder of pipelines is a pipeline, not a file of tests or a project file."""
    return not is_case_file(path) and path.name not in FILES and not path.is_dir()


def pipelines_below(folder: Path) -> Iterator[Path]:
    """The pipeline files in a folder and its subfolders, sorted by path."""
    yield from (path for path in _yaml_below(folder) if is_pipeline_file(path))


def case_files_below(folder: Path) -> Iterator[Path]:
    """The files of tests in a folder and its subfolders, sorted by path."""
    yield from (path for path in _yaml_below(folder) if is_case_file(path) and not path.is_dir())


def _yaml_below(folder: Path) -> list[Path]:
    return sorted((*folder.rglob("*.yaml"), *folder.rglob("*.yml")))


def read_cases(path: Path, project: Project) -> CaseFile:
    """Read a file of tests. Raises SpecError for a file without readable tests."""
    document = read_document(path, project.shown(path))
    found = located_mistakes(document, case_schema())
    mistakes = [mistake.diagnostic for mistake in found]
    if any(mistake.where[:1] != ("tests",) or len(mistake.where) < 2 for mistake in found):
        raise SpecError(mistakes)
    broken = {mistake.where[1] for mistake in found}
    mistakes += _named_twice(document)
    cases = tuple(_case(document, index) for index in range(len(document.value["tests"])) if index not in broken)
    return CaseFile(document.scalars["pipeline",], cases, path=path, document=document, mistakes=tuple(mistakes))


@cache
def case_schema() -> Schema:
    """The JSON Schema of a file of tests."""
    schema: Schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "tests of an etlrun pipeline",
        **schema_of_class(CaseFile),
        "x-place": "a file of tests",
    }
    case = schema["properties"]["tests"]["items"]
    case["properties"]["name"]["minLength"] = 1
    case["properties"]["checks"]["additionalProperties"]["additionalProperties"] = {"enum": ["holds", "fails"]}
    return schema


def schema_text() -> str:
    """The schema as a file, for editors."""
    return editor_text(case_schema(), "docs/tests.md", __name__)


def _case(document: Document, index: int) -> Case:
    where: Keys = ("tests", index)
    spec = document.value["tests"][index]
    settings = {name: Scalar(document.scalars[*where, "set", name]) for name in spec.get("set", {})}
    rows = {part: {name: Rows(rows) for name, rows in spec.get(part, {}).items()} for part in ("given", "expect")}
    replies = {prompt: _replies(keys) for prompt, keys in spec.get("enrich", {}).items()}
    checks = cast("Mapping[str, Mapping[str, Finding]]", spec.get("checks", {}))
    return Case(
        spec["name"], spec.get("description", ""), settings, rows["given"], replies, rows["expect"], checks, where=where
    )


def _replies(spec: Mapping[str, Any]) -> dict[str, AnswerRow | None]:
    return {key: None if answer is None else AnswerRow(answer) for key, answer in spec.items()}


def _named_twice(document: Document) -> Iterator[Diagnostic]:
    first: dict[Any, int] = {}
    for index, test in enumerate(document.value["tests"]):
        name = test.get("name") if isinstance(test, dict) else None
        if not isinstance(name, str):
            continue
        if name in first:
            message = f"a test `{name}` already exists"
            yield document.diagnose(
                ("tests", index, "name"), "duplicate-name", message, "use a different name for each test"
            )
        first.setdefault(name, index)
