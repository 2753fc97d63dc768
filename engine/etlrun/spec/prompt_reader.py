"""Reads the outputs, examples and canaries in the front matter of a prompt file, with every mistake at its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from etlrun.diagnostics import Diagnostic, nearest
from etlrun.language.patterns import PatternError
from etlrun.spec.fields import Label
from etlrun.spec.located import Document, Keys
from etlrun.spec.normal_form import MAX_CHARACTERS, PART, normal_form, readable, shown_form
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
from etlrun.spec.personal_kinds import is_asked
from etlrun.spec.prompt_head import Head, OutputColumn
from etlrun.spec.scope import NAME

MAX_LABELS = 100
MAX_LABEL = 60  # characters
RESERVED = ("i", "key", "rows", "status", "source")
TYPES = ("labels", "string", "number", "boolean")


@dataclass(frozen=True)
class Example:
    """A key (for several columns: its parts, joined by `PART`) and the right answer by output column."""

    key: str
    answer: Mapping[str, Value]


class PromptReader:
    """Reads the outputs and the examples of a front matter; its mistakes are in `problems`."""

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
        """A regular expression, or an empty one if the engines would read it differently."""
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
