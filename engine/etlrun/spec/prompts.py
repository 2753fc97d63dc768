"""Prompt files: what a model is asked, the answers it may give, examples, and canaries that show it is awake.

`prompts/NAME.md` opens with YAML between two lines of `---` and goes on with the instructions, in plain words:

```markdown
---
task: Give each search keyword its content category.
output:
  category:
    about: what the viewer wants to watch
    labels:
      Sports: matches, leagues, teams and players
      Other: whatever fits no other label
examples:
  - {key: ngoại hạng anh, category: Sports}
canaries:
  - {key: champions league, category: Sports}
---
Keywords are typed by viewers in Vietnam, often without diacritics.
```

`labels` with `many: true` lets an answer hold several labels: a text with `|` between them, in the order of the list. In an example they
are a list: `genres: [Action, Romance]`. An answer has one at least: give a label such as `Other` to what has none.

A key of several columns has a name for each: `keys: [title, description]`, and examples `- {title: ..., description: ..., category: ...}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from etlrun.diagnostics import Diagnostic, SpecError, nearest
from etlrun.language.patterns import PatternError
from etlrun.spec.building import Origin, build
from etlrun.spec.editor_schema import editor_text
from etlrun.spec.fields import Described, Label, Schema, key, schema_of_class
from etlrun.spec.located import Document, Keys, parse_document, read_text
from etlrun.spec.normal_form import MAX_CHARACTERS, PART, is_asked, normal_form, readable, shown_form
from etlrun.spec.outputs import (
    SEPARATOR,
    LabelOutput,
    LabelsOutput,
    NotAllowed,
    NumberOutput,
    Output,
    Text,
    Truth,
    Value,
    is_all_of,
    refusal,
)
from etlrun.spec.paths import refuse_outside
from etlrun.spec.schema import find_mistakes
from etlrun.spec.scope import NAME

MAX_LABELS = 100
MAX_LABEL = 60  # characters
MAX_INSTRUCTIONS = 20_000  # characters; every request carries them
RESERVED = ("i", "key", "rows", "status", "source")
TYPES = ("labels", "string", "number", "boolean")


@dataclass(frozen=True)
class TextLimits(Described):
    """The limits of a text answer."""

    max: int = key("the largest number of characters, up to 200", example=40)
    pattern: str = key("a regular expression that the whole text must match", default="", example="[A-Z]{2}[0-9]+")


@dataclass(frozen=True)
class NumberLimits(Described):
    """The limits of a number, both included."""

    min: float = key("the smallest number allowed", example=0)
    max: float = key("the largest number allowed", example=100)
    tolerance: float = key(
        "the largest difference from the right number that is accepted in canaries and golden sets", default=0.0
    )


@dataclass(frozen=True)
class OutputColumn(Described):
    """A column of answers: one of labels, string, number and boolean says which."""

    about: str = key("the meaning of the answer; the model sees it", default="")
    labels: Mapping[str, Label] = key("the allowed labels, each with a one-line description", factory=dict)
    many: bool = key("whether an answer may have several labels: a text with `|` between them", default=False)
    string: TextLimits | None = key("a short text", default=None, example={"max": 40})
    number: NumberLimits | None = key("a number", default=None, example={"min": 0, "max": 100})
    boolean: bool = key("true or false", default=False)


@dataclass(frozen=True)
class Head(Described):
    """The front matter of a prompt file."""

    task: str = key("the task for each key, in one sentence")
    output: Mapping[str, OutputColumn] = key("the columns of answers")
    keys: tuple[str, ...] = key(
        "the names of the parts of a key, if it has several columns", default=(), example=("title", "description")
    )
    examples: tuple[Mapping[str, tuple[Label, ...]], ...] = key(
        "keys with their right answers, shown to the model", default=()
    )
    canaries: tuple[Mapping[str, tuple[Label, ...]], ...] = key(
        "keys with a known answer; every request contains some of them, to check the model", default=()
    )


@dataclass(frozen=True)
class Example:
    """A key (of several columns: its parts, `PART` between them) and the right answer by output column."""

    key: str
    answer: Mapping[str, Value]


@dataclass(frozen=True)
class Prompt:
    """A prompt file without mistakes."""

    name: str
    task: str
    outputs: tuple[Output, ...]
    examples: tuple[Example, ...]
    canaries: tuple[Example, ...]
    instructions: str
    keys: tuple[str, ...] = ("key",)

    def output(self, name: str) -> Output:
        return next(output for output in self.outputs if output.name == name)

    def agrees(self, answer: Mapping[str, Value], right: Mapping[str, Value]) -> bool:
        """Whether an answer counts as the right one, which may say some of the outputs only."""
        return all(self.output(name).agrees(answer[name], value) for name, value in right.items())


def read_prompt(path: Path, shown: str = "") -> Prompt:
    """The prompt in a file. Raises SpecError with every mistake, each at its place in the file."""
    return parse_prompt(read_text(path, shown), path.stem, shown or str(path))


@lru_cache(maxsize=256)
def parse_prompt(text: str, name: str, file: str) -> Prompt:
    """The prompt in a text. Raises SpecError with every mistake."""
    end = _end_of_head(text)
    if end is None:
        fix = "begin the file with a line `---`, YAML, and another line `---`"
        raise SpecError([Diagnostic(file, 1, 1, 2, "missing-key", "the file does not begin with a front matter", fix)])
    document = parse_document(text[: end[0]], file)
    problems = find_mistakes(document, prompt_schema())
    if problems:
        raise SpecError(problems)
    head: Head = build(Head, document.value, (), _AsWritten(document, {}))
    reader = _Reader(document, head)
    prompt = Prompt(
        name,
        head.task.strip(),
        reader.outputs(),
        reader.answered("examples", head.examples),
        reader.answered("canaries", head.canaries),
        text[end[1] :].strip(),
        reader.keys,
    )
    problems = [*reader.problems, *_against_the_whole(document, prompt)]
    if problems:
        raise SpecError(problems)
    return prompt


@cache
def prompt_schema() -> Schema:
    """The JSON Schema of a prompt's front matter."""
    schema = schema_of_class(Head)
    schema["x-place"] = "a prompt"
    schema["properties"]["output"]["minProperties"] = 1
    return schema


def prompt_schema_text() -> str:
    """The schema as a file, for editors that check the front matter of Markdown."""
    return editor_text(prompt_schema(), "docs/steps.md#enrich", __name__)


class _AsWritten(Origin):
    """A source whose `$` is left alone."""

    def fill(self, value: Any, where: Keys) -> Any:
        return value


def _end_of_head(text: str) -> tuple[int, int] | None:
    """Where the front matter ends and where the instructions begin."""
    if not re.match(r"---[ \t]*\r?\n", text):
        return None
    end = re.compile(r"^---[ \t]*(\r?\n|\Z)", re.MULTILINE).search(text, 4)
    return (end.start(), end.end()) if end else None


class _Reader:
    """Turns the front matter into outputs and examples, noting what is wrong."""

    def __init__(self, document: Document, head: Head) -> None:
        self.document = document
        self.head = head
        self.problems: list[Diagnostic] = []
        self.by_name: dict[str, Output] = {}
        self.keys = head.keys or ("key",)
        for index, name in enumerate(head.keys):
            if not NAME.match(name) or name.lower() in RESERVED[2:] or name in head.output or name in head.keys[:index]:
                fix = "use letters, digits and `_`; the name must differ from those of other parts and of outputs"
                self.complain(("keys", index), f"`{name}` cannot be the name of a part of a key", fix, "bad-name")

    def complain(self, where: Keys, message: str, fix: str = "", code: str = "wrong-value") -> None:
        self.problems.append(self.document.diagnose(where, code, message, fix))

    def outputs(self) -> tuple[Output, ...]:
        for name, column in self.head.output.items():
            where: Keys = ("output", name)
            if not NAME.match(name) or name.lower() in RESERVED:
                fix = "use letters, digits and `_`; not `i`, `key`, `rows`, `status` or `source`"
                self.problems.append(
                    self.document.diagnose_key(where, "bad-name", f"`{name}` cannot be the name of an output", fix)
                )
            given = [kind for kind in TYPES if kind in self.document.value["output"][name]]
            if column.many and given != ["labels"]:
                self.complain((*where, "many"), "`many` belongs to `labels`", "remove it")
            if len(given) != 1 or (given == ["boolean"] and not column.boolean):
                fix = "add one of `labels`, `string`, `number`, `boolean: true`"
                self.problems.append(
                    self.document.diagnose_key(where, "wrong-value", f"`{name}` does not define its answers", fix)
                )
                continue
            self.by_name[name] = self.output(name, column, (*where, given[0]))
        return tuple(self.by_name.values())

    def output(self, name: str, column: OutputColumn, where: Keys) -> Output:
        if column.string:
            if not 1 <= column.string.max <= 200:
                self.complain((*where, "max"), "a text answer can have 1 to 200 characters")
            return Text(name, column.about, column.string.max, self.pattern(column.string.pattern, where))
        if column.number:
            if column.number.min >= column.number.max:
                self.complain((*where, "max"), "`max` must be larger than `min`")
            if not 0 <= column.number.tolerance < column.number.max - column.number.min:
                self.complain((*where, "tolerance"), "a tolerance must be 0 or more, and less than `max` minus `min`")
            return NumberOutput(name, column.about, column.number.min, column.number.max, column.number.tolerance)
        if column.boolean:
            return Truth(name, column.about)
        self.check_labels(column, where)
        kind = LabelsOutput if column.many else LabelOutput
        return kind(name, column.about, {label: str(about) for label, about in column.labels.items()})

    def pattern(self, text: str, where: Keys) -> str:
        """A regular expression, or none where it is not one that the engines read alike."""
        try:
            is_all_of(text, "")
        except PatternError as error:
            message = f"{error}, at character {error.at + 1} of the pattern"
            self.complain((*where, "pattern"), message, error.fix)
            return ""
        return text

    def check_labels(self, column: OutputColumn, where: Keys) -> None:
        if not 2 <= len(column.labels) <= MAX_LABELS:
            self.complain(where, f"2 to {MAX_LABELS} labels are expected, not {len(column.labels)}")
        seen: dict[str, str] = {}
        for label, about in column.labels.items():
            place = (*where, label)
            if not label.strip() or label != label.strip() or len(label) > MAX_LABEL or not label.isprintable():
                self.complain(
                    place,
                    f"`{label}` cannot be a label",
                    f"use 1 to {MAX_LABEL} characters on one line, without spaces at the beginning or end",
                )
            if not about.strip() or about == "null":
                self.complain(
                    place, f"`{label}` has no description", "describe it in one line: the model sees the description"
                )
            if column.many and SEPARATOR in label:
                self.complain(place, f"`{label}` contains `{SEPARATOR}`, which separates labels", "write it without")
            folded = normal_form(label)
            if folded in seen:
                self.complain(
                    place,
                    f"`{label}` and `{seen[folded]}` differ in spelling only",
                    "keep one of them",
                    "duplicate-name",
                )
            seen.setdefault(folded, label)

    def answered(self, family: str, items: Sequence[Mapping[str, Sequence[Label]]]) -> tuple[Example, ...]:
        """The examples or canaries, each with an answer for at least one output (an example: for all)."""
        found: list[Example] = []
        seen: set[str] = set()
        for index, item in enumerate(items):
            where: Keys = (family, index)
            answer = dict(self.answer(item, where))
            missing = [name for name in self.by_name if name not in item]
            if missing and (family == "examples" or len(missing) == len(self.by_name)):
                self.complain(
                    where, f"the answer for `{missing[0]}` is missing", f"add `{missing[0]}: ...`", "missing-key"
                )
            unwritten = [name for name in self.keys if not any(item.get(name, ()))]
            if unwritten:
                fix = f"write it as `{unwritten[0]}: ...`"
                self.complain(where, f"`{unwritten[0]}` is missing here", fix, "missing-key")
                continue
            listed = [name for name in self.keys if len(item[name]) > 1]
            if listed:
                self.complain((*where, listed[0]), f"`{listed[0]}` must be one text, not a list", "write one text")
                continue
            text = PART.join(str(item[name][0]) for name in self.keys)
            folded = normal_form(text)
            if folded in seen:
                message = f"`{readable(text)}` is defined twice"
                self.complain((*where, self.keys[0]), message, "remove one of them", "duplicate-name")
            if not is_asked(folded) or len(text) > MAX_CHARACTERS * len(self.keys):
                self.complain(
                    (*where, self.keys[0]),
                    f"no model is ever asked about the key `{readable(text)}`",
                    "use a key of 2 to 120 characters that is not personal and not only digits",
                )
            seen.add(folded)
            found.append(Example(shown_form(text), answer))
        return tuple(found)

    def answer(self, item: Mapping[str, Sequence[Label]], where: Keys) -> Iterator[tuple[str, Value]]:
        for name in item:
            if name in self.keys:
                continue
            output = self.by_name.get(name)
            if output is None:
                if name not in self.head.output:
                    names = f"the outputs are {', '.join(self.by_name)}; a key is given by {', '.join(f'`{key}: ...`' for key in self.keys)}"
                    fix = nearest(name, (*self.by_name, *self.keys)) or names
                    self.problems.append(
                        self.document.diagnose_key(
                            (*where, name), "unknown-column", f"there is no output `{name}`", fix
                        )
                    )
                continue
            value = self.document.value[where[0]][where[1]][name]
            text = SEPARATOR.join(item[name])
            try:
                yield name, output.read(text if isinstance(output, (LabelOutput, Text)) else value)
            except NotAllowed as error:
                code, message, fix = refusal(output, text, error)
                self.complain((*where, name), message, fix, code)


def _against_the_whole(document: Document, prompt: Prompt) -> Iterator[Diagnostic]:
    """What only shows when the parts of a prompt are seen together."""
    if len(prompt.instructions) > MAX_INSTRUCTIONS:
        message = f"the instructions are longer than {MAX_INSTRUCTIONS:,} characters"
        yield document.diagnose((), "wrong-value", message, "shorten them: every request contains them")
    examples = {normal_form(example.key) for example in prompt.examples}
    for index, canary in enumerate(prompt.canaries):
        if normal_form(canary.key) in examples:
            fix = "a canary must not be an example: the model would see its answer"
            yield document.diagnose(
                ("canaries", index, prompt.keys[0]),
                "duplicate-name",
                f"`{readable(canary.key)}` is also an example",
                fix,
            )


def load_prompt(root: Path, name: str, shown: str = "") -> Prompt | None:
    """The prompt in `prompts/NAME.md` of a project, or None where there is no such file. Raises SpecError for its mistakes."""
    path = root / "prompts" / f"{name}.md"
    if not re.fullmatch(r"[\w-]+", name) or not path.is_file():
        return None
    refuse_outside(root, path, shown or str(path))
    return read_prompt(path, shown or str(path))


def prompt_names(root: Path) -> tuple[str, ...]:
    """The prompts of a project; a README.md beside them is none."""
    return tuple(sorted(path.stem for path in (root / "prompts").glob("*.md") if path.stem != "README"))
