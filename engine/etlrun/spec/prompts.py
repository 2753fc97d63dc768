"""Prompt files: the question for a model, its allowed answers, examples, and canaries that test the model.

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
are a list: `genres: [Action, Romance]`. An answer has at least one label: declare a label such as `Other` for keys that fit no other.

A key of several columns has a name for each: `keys: [title, description]`, and examples `- {title: ..., description: ..., category: ...}`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from etlrun.diagnostics import Diagnostic, SpecError, nearest
from etlrun.failures import RunFailure
from etlrun.spec.building import Origin, build
from etlrun.spec.editor_schema import editor_text
from etlrun.spec.located import Document, Keys
from etlrun.spec.normal_form import normal_form, readable
from etlrun.spec.outputs import Output, Value
from etlrun.spec.paths import refuse_outside, where_to_put
from etlrun.spec.prompt_head import Head, prompt_schema
from etlrun.spec.prompt_reader import Example, PromptReader
from etlrun.spec.schema import find_mistakes
from etlrun.spec.yaml_reader import parse_document, read_text

MAX_INSTRUCTIONS = 20_000  # characters; every request carries them


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
        """Whether an answer equals the right one, which may have only some of the outputs."""
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
    reader = PromptReader(document, head)
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


def prompt_schema_text() -> str:
    """The schema as a file, for editors that check the front matter of Markdown."""
    return editor_text(prompt_schema(), "docs/steps.md#enrich", __name__)


class _AsWritten(Origin):
    """YAML text in which `$` is not replaced."""

    def fill(self, value: Any, where: Keys) -> Any:
        return value


def _end_of_head(text: str) -> tuple[int, int] | None:
    """The end of the front matter and the start of the instructions."""
    if not re.match(r"---[ \t]*\r?\n", text):
        return None
    end = re.compile(r"^---[ \t]*(\r?\n|\Z)", re.MULTILINE).search(text, 4)
    return (end.start(), end.end()) if end else None


def _against_the_whole(document: Document, prompt: Prompt) -> Iterator[Diagnostic]:
    """Mistakes between different parts of a prompt."""
    if len(prompt.instructions) > MAX_INSTRUCTIONS:
        length = f"{len(prompt.instructions):,} characters, and at most {MAX_INSTRUCTIONS:,} are possible"
        message = f"the instructions, which are the text below the second `---`, have {length}"
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
    """The prompt in `prompts/NAME.md` of a project, or None if there is no such file. Raises SpecError for its mistakes."""
    path = root / "prompts" / f"{name}.md"
    if not re.fullmatch(r"[\w-]+", name) or not path.is_file():
        return None
    refuse_outside(root, path, shown or str(path))
    return read_prompt(path, shown or str(path))


def named_prompt(root: Path, name: str) -> Prompt:
    """The prompt that a command or a step names. Raises RunFailure if there is no such file, and SpecError for its mistakes."""
    found = load_prompt(root, name, os.path.relpath(root / "prompts" / f"{name}.md"))
    if found is None:
        fix = nearest(name, prompt_names(root)) or where_to_put(name, "prompts", ".md")
        raise RunFailure("usage", "unknown-prompt", f"there is no prompt `{name}`", fix)
    return found


def prompt_names(root: Path) -> tuple[str, ...]:
    """The names of a project's prompts; a README.md in the folder is ignored."""
    return tuple(sorted(path.stem for path in (root / "prompts").glob("*.md") if path.stem != "README"))
