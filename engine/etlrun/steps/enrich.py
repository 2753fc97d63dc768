"""`enrich` - new columns with the answers of a model about a text, such as the category of a search keyword.

Each distinct text of `key` is sent only once; texts that differ only in letter case, spaces or Unicode form are the
same. Answers are saved in the label store, so a second run asks nothing. The prompt is a file in prompts/: it declares
the new columns and the allowed answers. If no model knows the answer, the columns are null; a failure or a guess never
becomes a label.

`model` is a model of the profile, or a list: each model is asked only about texts that the ones before it did not know.
Answers in `overrides/PROMPT.csv` have priority over every model. `agree: [cheap_a, cheap_b]` first asks two models about
each text; an answer counts only if both models give it. Then the models of `model` are asked about the other texts. If
none of them knows the answer, the columns are null; `etlrun llm review` shows what the two models answered, so that a
person can decide.

If the budget is used up, the run ends with exit code 4 and publishes nothing; the next run continues from there.

A source column with the tag `pii` (`phone: {type: string, tags: pii}`) is never sent to a model, and neither is a
column that is derived, renamed or aggregated from it, also through tables of other pipelines of the project.
`allow_pii: [users.phone]` allows it for this step. A mapping with personal labels has the line `$tags: pii`. The tag
does not follow a file that a pipeline writes: tag the columns again in the source that reads the file.

`personal: mask` looks only at the form of a text, so it may hide too much: the title `21 Jump Street` becomes `***`.
While `personal` is `refuse`, `etlrun plan` counts the texts that are refused. In a test, give the answer under the
original text or under the masked one.

`status` and `source` are the names of two more columns. The status is `ok`, `abstained` (no model knows, or the text is
not worth asking), `refused` or `failed`; the source names who gave the answer. Both are null if the key is null.

```yaml
steps:
  shown:
    - from: searches
    - enrich: {key: keyword, prompt: show_kind, model: titles, status: how}
```

```markdown prompts/show_kind.md
---
task: Say whether a keyword names a film or a series.
output:
  kind:
    labels: {Film: a film, Series: a series of episodes}
---
```

```csv titles.csv
title,kind
Running Man,Series
Tình yêu,Film
```

```rows
searches: {user: string, keyword: string}
| user | keyword      |
| u1   | running  MAN |
| u2   | Running Man  |
| u3   | tinh yeu     |
| u4   | what is this |
| u5   | null         |
->
| user | keyword      | kind   | how       |
| u1   | running  MAN | Series | ok        |
| u2   | Running Man  | Series | ok        |
| u3   | tinh yeu     | Film   | ok        |
| u4   | what is this | null   | abstained |
| u5   | null         | null   | null      |
```
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from etlrun.contracts.relation import Input
from etlrun.contracts.step import Ask, Step
from etlrun.diagnostics import SpecError, closest, nearest
from etlrun.language.columns import NULL, STRING, Column, Columns
from etlrun.spec.fields import Described, Percent, key
from etlrun.spec.normal_form import MAX_CHARACTERS, POSSIBLE_CHARACTERS
from etlrun.spec.outputs import Output
from etlrun.spec.paths import OUTSIDE, path_inside, where_to_put
from etlrun.spec.personal_kinds import Policy
from etlrun.spec.prompts import Prompt, load_prompt, prompt_names
from etlrun.spec.scope import At, Scope

STATUSES = ("ok", "abstained", "refused", "failed", "pending")  # as in enrich/store.py, which is slow to import


@dataclass(frozen=True)
class Spending(Described):
    """The limits of one run; at a limit it ends with exit code 4, and the next run continues."""

    usd: float | None = key("the largest amount in US dollars", default=None, example=1.0)
    keys: int | None = key(
        "the largest number of texts; the most frequent texts are asked first", default=None, example=5000
    )
    requests: int | None = key("the largest number of requests, including failed ones", default=None, example=200)


@dataclass(frozen=True)
class Golden(Described):
    """A test that the models must pass before they are asked about the other keys."""

    golden: str = key(
        "a CSV file: keys, and a column with the right answer for each output", example="golden/kinds.csv"
    )
    min_accuracy: Percent = key("the smallest share of golden keys with a right answer", example="90%")


@dataclass(frozen=True)
class Enrich(Step):
    """Columns with the answers of a model about a text. Each distinct text is asked about once."""

    keeps_rows = True

    key_: tuple[str, ...] = key("the text column, or several columns in the order of `keys` in the prompt", yaml="key")
    prompt: str = key("the name of the prompt: a file in prompts/, without `.md`")
    model: tuple[str, ...] = key(
        "a model of the profile; with several, each one is asked only about the texts that the ones before it did not "
        "know",
        default=(),
    )
    agree: tuple[str, ...] = key(
        "two models of the profile that are asked first; an answer counts only if both give it",
        default=(),
        example=("cheap_a", "cheap_b"),
    )
    budget: Spending | None = key("the limits of one run", default=None, example={"usd": 1.0})
    min_coverage: Percent = key(
        "the smallest share of rows with an answer; with fewer, nothing is published", default=Percent(0)
    )
    eval: Golden | None = key(
        "a test of the models before they are used: keys with known answers",
        default=None,
        example={"golden": "golden/kinds.csv", "min_accuracy": "90%"},
    )
    as_: Mapping[str, str] = key(
        "names for the new columns: output of the prompt: column; default: the names of the outputs",
        yaml="as",
        factory=dict,
        example={"category": "shown_category"},
    )
    status: str = key(
        "a new column with the status of the answer: `ok`, `abstained`, `refused` or `failed`", default=""
    )
    source: str = key(
        "a new column with the source of the answer, such as the model", default="", example="answered_by"
    )
    personal: Policy = key(
        "texts with an e-mail address or a number of nine or more digits: `refuse` does not send them; `mask` replaces "
        "these, and what looks like a user handle, a number plate or an address, by `***`; `allow` sends them unchanged",
        default="refuse",
    )
    allow_pii: tuple[str, ...] = key(
        "columns with the tag `pii` that may be sent to the models: `users.phone`; write `mappings/NAME.yaml` for a "
        "tagged mapping",
        default=(),
        example=("users.phone",),
    )
    max_characters: int = key(
        "the number of characters of a text that a model sees, 20 to 4000; two texts are the same only if all their "
        "characters are the same",
        default=MAX_CHARACTERS,
    )

    def models(self) -> Iterator[tuple[str, At]]:
        for field in ("agree", "model"):
            for index, name in enumerate(getattr(self, field)):
                yield name, (field, index)

    def prompts(self) -> tuple[str, ...]:
        return (self.prompt,)

    def output(self, columns: Columns, scope: Scope) -> Columns:
        for index, name in enumerate(self.key_):
            found = scope.column(columns, name, ("key", index))
            if found.type not in (STRING, NULL):
                message = f"a key is text, but `{found.name}` is {found.type}"
                scope.error(("key", index), "type-mismatch", message, "cast it to string first")
        if self.max_characters not in POSSIBLE_CHARACTERS:
            fix = f"write a number from {POSSIBLE_CHARACTERS[0]} to {POSSIBLE_CHARACTERS[-1]}"
            scope.error("max_characters", "wrong-value", f"`{self.max_characters}` is out of range", fix)
        if not self.model and not self.agree:
            scope.error((), "missing-key", "`model` is missing", "name a model of the profile: `model: NAME`")
        if self.agree and len(set(self.agree)) != 2 or len(self.agree) > 2:
            scope.error(
                "agree", "wrong-value", "`agree` needs two different models", "name two different ones: `agree: [a, b]`"
            )
        if self.budget:
            self._check_budget(self.budget, scope.below("budget"))
        if self.eval and path_inside(scope.root, self.eval.golden) is None:
            scope.error(("eval", "golden"), "file-unreadable", OUTSIDE, "copy the file into the project")
        elif self.eval and not (scope.root / self.eval.golden).is_file():
            scope.error(
                ("eval", "golden"),
                "file-not-found",
                f"there is no file {self.eval.golden}",
                "paths start at the project's folder",
            )
        outputs = self._outputs(scope)
        self._check_names(outputs, scope)
        for new, column, at in self._new_columns(outputs):
            scope.new_column(columns, new, at)
            columns = columns.with_column(Column(new, column.type, domain=column.domain))
        return columns

    def _check_budget(self, budget: Spending, scope: Scope) -> None:
        if budget.usd is not None and not budget.usd >= 0:
            scope.error("usd", "wrong-value", "a budget is 0 or more")
        for name, count in (("keys", budget.keys), ("requests", budget.requests)):
            if count is not None and count < 0:
                scope.error(name, "wrong-value", "a budget is 0 or more")

    def _check_names(self, outputs: tuple[Output, ...], scope: Scope) -> None:
        known = tuple(output.name for output in outputs)
        for name in self.as_ if outputs else ():
            if name not in known:
                fix = nearest(name, known) or f"the outputs are {', '.join(known)}"
                scope.error_at_key(
                    ("as", name), "unknown-column", f"there is no output `{name}` in the prompt `{self.prompt}`", fix
                )

    def _outputs(self, scope: Scope) -> tuple[Output, ...]:
        """The outputs of the prompt. If there is no such prompt, report a mistake and return the outputs of the prompt with the most similar name."""
        names = prompt_names(scope.root)
        meant = self.prompt if self.prompt in names else closest(self.prompt, names) or ""
        if self.prompt not in names:
            fix = nearest(self.prompt, names) or where_to_put(self.prompt, "prompts", ".md")
            scope.error("prompt", "unknown-prompt", f"there is no prompt `{self.prompt}`", fix)
        prompt: Prompt | None = None
        try:
            prompt = load_prompt(scope.root, meant, os.path.relpath(scope.root / "prompts" / f"{meant}.md"))
        except SpecError as error:
            scope.problems.extend(error.diagnostics)
        scope.sight.is_blind |= prompt is None
        if prompt and len(self.key_) != len(prompt.keys):
            parts = f"`keys: [{', '.join(prompt.keys)}]`" if len(prompt.keys) > 1 else "one column"
            fix = "name as many columns here, in that order, or list the parts of the key as `keys` in the prompt"
            message = f"the prompt `{meant}` asks about {parts}, but {len(self.key_)} are named here"
            scope.error("key", "wrong-value", message, fix)
        return prompt.outputs if prompt else ()

    def _new_columns(self, outputs: tuple[Output, ...]) -> Iterator[tuple[str, Column, At]]:
        """The name, the column of answers and the place of every new column."""
        for output in outputs:
            at: At = ("as", output.name) if output.name in self.as_ else "prompt"
            yield self.as_.get(output.name, output.name), Column(output.name, output.type, domain=output.domain), at
        if self.status:
            yield self.status, Column("status", STRING, domain=STATUSES), "status"
        if self.source:
            yield self.source, Column("source", STRING), "source"

    def lower(self, relation: Input) -> Ask:
        parts = tuple(_column_of(relation, name) for name in self.key_)
        outputs = self._outputs(relation.scope)
        answers = [
            Column("key", STRING),
            *(Column(output.name, output.type) for output in outputs),
            Column("status", STRING),
            Column("source", STRING),
        ]
        adds = {new: column.name for new, column, _ in self._new_columns(outputs)}
        budget = self.budget or Spending()
        joined = Columns(tuple(answers), unique=("key",))
        ask = Ask(
            parts, self.prompt, (*self.agree, *self.model), joined, adds, budget.usd, budget.keys, self.min_coverage
        )
        ask = replace(
            ask,
            requests=budget.requests,
            characters=self.max_characters,
            allowed=self.allow_pii,
            personal=self.personal,
            agree=bool(self.agree),
        )
        return replace(ask, golden=self.eval.golden, min_accuracy=self.eval.min_accuracy) if self.eval else ask


def _column_of(relation: Input, name: str) -> str:
    found = relation.columns.get(name)
    assert found is not None
    return found.name
